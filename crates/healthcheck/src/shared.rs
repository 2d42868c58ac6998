//! What many checks have in common, kept in memory once.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::{Arc, Weak};

/// The values in use, by the digest of what they are made of. Of two with the same digest only one
/// is found.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    known: HashMap<u64, Weak<T>>,
    /// So many are looked through next for those that are gone.
    crowd: usize,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            crowd: 0,
        }
    }
}

impl<T> Shared<T> {
    /// The value that is made of `source`, or a new one.
    pub(crate) fn find_or_make<S: Hash, E>(
        &mut self,
        source: S,
        is_made_of: impl FnOnce(&T, &S) -> bool,
        make: impl FnOnce(S) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let digest = BuildHasherDefault::<DefaultHasher>::default().hash_one(&source);
        let found = self.known.get(&digest).and_then(Weak::upgrade);
        if let Some(found) = found.filter(|found| is_made_of(found, &source)) {
            return Ok(found);
        }
        let value = Arc::new(make(source)?);
        if self.known.len() >= self.crowd {
            self.known.retain(|_, value| value.strong_count() > 0);
            self.crowd = self.known.len().saturating_mul(2).max(64);
        }
        self.known.insert(digest, Arc::downgrade(&value));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn equal_values_are_one_and_those_that_nobody_uses_are_forgotten() {
        let mut shared = Shared::default();
        let mut get = |text: &str| {
            let same = |known: &String, wanted: &String| known == wanted;
            let value = shared.find_or_make(text.to_owned(), same, Ok::<_, Infallible>);
            (value.unwrap(), shared.known.len())
        };
        let (first, _) = get("first");
        assert!(Arc::ptr_eq(&first, &get("first").0));
        assert!(!Arc::ptr_eq(&first, &get("other").0));
        for number in 0..1000 {
            assert!(get(&number.to_string()).1 <= 65);
        }
        assert!(Arc::ptr_eq(&first, &get("first").0));
    }

    #[test]
    fn what_cannot_be_made_is_not_kept() {
        let mut shared = Shared::<u8>::default();
        let result = shared.find_or_make(300_u16, |_, _| true, u8::try_from);
        assert!(result.is_err());
        assert!(shared.known.is_empty());
    }
}
