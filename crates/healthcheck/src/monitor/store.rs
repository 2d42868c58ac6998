//! The checks of a monitor, by numbers that are never used twice.

/// Keeps values under numbers. The number of a value that is gone names no other one.
#[derive(Debug)]
pub(super) struct Store<T> {
    places: Vec<(u32, Option<Box<T>>)>,
    free: Vec<u32>,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

const fn split(number: u64) -> (usize, u32) {
    ((number & 0xffff_ffff) as usize, (number >> 32) as u32)
}

fn join(index: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(index)
}

impl<T> Store<T> {
    /// Keeps a value and gives its number.
    pub(super) fn insert(&mut self, value: T) -> u64 {
        if let Some(index) = self.free.pop()
            && let Some((generation, place)) = self.places.get_mut(index as usize)
        {
            *place = Some(Box::new(value));
            return join(index, *generation);
        }
        let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push((0, Some(Box::new(value))));
        join(index, 0)
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        let (index, generation) = split(number);
        match self.places.get(index)? {
            (found, Some(value)) if *found == generation => Some(value),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (index, generation) = split(number);
        match self.places.get_mut(index)? {
            (found, Some(value)) if *found == generation => Some(value),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Box<T>> {
        self.get(number)?;
        let (index, _) = split(number);
        let (generation, place) = self.places.get_mut(index)?;
        *generation = generation.wrapping_add(1);
        self.free.push(u32::try_from(index).ok()?);
        place.take()
    }

    pub(super) const fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|(_, value)| value.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_not_used_twice() {
        let mut store = Store::default();
        let (a, b) = (store.insert('a'), store.insert('b'));
        assert_eq!(store.remove(a).as_deref(), Some(&'a'));
        let c = store.insert('c');
        assert_ne!(a, c);
        assert_eq!(
            (store.get(a), store.get(b), store.get(c)),
            (None, Some(&'b'), Some(&'c'))
        );
        assert_eq!(store.remove(a), None);
        assert_eq!((store.len(), store.values().count()), (2, 2));
    }
}
