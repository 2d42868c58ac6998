//! The names under which checks are known.

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

use crate::outcome::Weight;
use crate::schedule::Verdict;

/// Number of a name; used again once the name is gone.
pub(super) type Number = u32;

/// One name, and which check it stands for.
pub(super) struct Name<K> {
    pub(super) id: K,
    pub(super) entry: u64,
    pub(super) suspended: bool,
    /// It stands in the outbox.
    pub(super) queued: bool,
    /// What its owner was last told.
    pub(super) told: (Verdict, Option<Weight>),
}

/// All names. Each stands in memory once; everything else has its number.
pub(super) struct Names<K> {
    places: Vec<Option<Name<K>>>,
    free: Vec<Number>,
    numbers: HashTable<Number>,
    hasher: RandomState,
}

impl<K> Default for Names<K> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            numbers: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<K> Names<K> {
    pub(super) fn get(&self, number: Number) -> Option<&Name<K>> {
        at(&self.places, number)
    }

    pub(super) fn get_mut(&mut self, number: Number) -> Option<&mut Name<K>> {
        self.places.get_mut(number as usize)?.as_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }
}

impl<K: Eq + Hash> Names<K> {
    /// The number of a name.
    pub(super) fn number_of(&self, id: &K) -> Option<Number> {
        let hash = self.hasher.hash_one(id);
        let found = self.numbers.find(hash, is(&self.places, id));
        found.copied()
    }

    /// Takes a name that is not known yet.
    pub(super) fn insert(&mut self, name: Name<K>) -> Number {
        let hash = self.hasher.hash_one(&name.id);
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.places.push(None);
                Number::try_from(self.places.len() - 1).unwrap_or(Number::MAX)
            }
        };
        if let Some(place) = self.places.get_mut(number as usize) {
            *place = Some(name);
        }
        let (places, hasher) = (&self.places, &self.hasher);
        self.numbers.insert_unique(hash, number, |number| {
            at(places, *number).map_or(0, |name| hasher.hash_one(&name.id))
        });
        number
    }

    /// Forgets a name; tells its number, and the check that it stood for.
    pub(super) fn remove(&mut self, id: &K) -> Option<(Number, u64)> {
        let hash = self.hasher.hash_one(id);
        let found = self.numbers.find_entry(hash, is(&self.places, id)).ok()?;
        let (number, _) = found.remove();
        let name = self.places.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some((number, name.entry))
    }
}

fn at<K>(places: &[Option<Name<K>>], number: Number) -> Option<&Name<K>> {
    places.get(number as usize)?.as_ref()
}

fn is<K: Eq>(places: &[Option<Name<K>>], id: &K) -> impl Fn(&Number) -> bool {
    move |number| at(places, *number).is_some_and(|name| name.id == *id)
}

/// The names of one check: nearly always one.
#[derive(Debug)]
pub(super) enum Few {
    One(Number),
    Many(Vec<Number>),
}

impl Few {
    pub(super) const fn none() -> Self {
        Self::Many(Vec::new())
    }

    pub(super) fn as_slice(&self) -> &[Number] {
        match self {
            Self::One(number) => std::slice::from_ref(number),
            Self::Many(numbers) => numbers,
        }
    }

    pub(super) fn push(&mut self, number: Number) {
        match self {
            Self::Many(numbers) if numbers.is_empty() => *self = Self::One(number),
            Self::Many(numbers) => numbers.push(number),
            Self::One(first) => *self = Self::Many(vec![*first, number]),
        }
    }

    pub(super) fn remove(&mut self, number: Number) {
        match self {
            Self::One(first) if *first == number => *self = Self::none(),
            Self::One(_) => {}
            Self::Many(numbers) => numbers.retain(|one| *one != number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(id: String, entry: u64) -> Name<String> {
        Name {
            id,
            entry,
            suspended: false,
            queued: false,
            told: (Verdict::Up, None),
        }
    }

    #[test]
    fn names_are_found_as_long_as_they_are_there() {
        let mut names = Names::default();
        for entry in 0..1000 {
            let number = names.insert(name(format!("server {entry}"), entry));
            assert_eq!(names.number_of(&format!("server {entry}")), Some(number));
        }
        for entry in (0..1000).step_by(2) {
            let id = format!("server {entry}");
            let number = names.number_of(&id).unwrap();
            assert_eq!(names.remove(&id), Some((number, entry)));
            assert_eq!((names.number_of(&id), names.remove(&id)), (None, None));
            assert!(names.get(number).is_none());
        }
        assert_eq!(names.len(), 500);
        // Their places are used again.
        for entry in 2000..2500 {
            names.insert(name(format!("server {entry}"), entry));
        }
        assert_eq!((names.len(), names.places.len()), (1000, 1000));
        for entry in (1..1000).step_by(2).chain(2000..2500) {
            let number = names.number_of(&format!("server {entry}")).unwrap();
            assert_eq!(names.get(number).unwrap().entry, entry);
        }
    }

    #[test]
    fn a_check_has_no_name_or_one_or_more() {
        let mut few = Few::none();
        assert!(few.as_slice().is_empty());
        few.push(7);
        few.remove(8);
        assert_eq!(few.as_slice(), [7]);
        few.push(8);
        few.push(9);
        few.remove(8);
        assert_eq!(few.as_slice(), [7, 9]);
        few.remove(7);
        few.remove(9);
        few.push(1);
        few.remove(1);
        assert!(few.as_slice().is_empty());
    }
}
