//! Whatever was seen most recently, and no more than so much.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};

/// What something is known by, however long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Print([u8; 16]);

impl Print {
    /// Of texts, in their order.
    pub(super) fn of(texts: &[&str]) -> Self {
        Self([0; 16]).with(texts)
    }

    /// Of the same and more texts.
    pub(super) fn with(self, texts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        for text in texts {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let mut print = [0; 16];
        print.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(print)
    }
}

/// Values by what they are known by. When there are too many, the one that nobody has asked for the longest is forgotten.
#[derive(Debug)]
pub(super) struct Recent<T> {
    most: usize,
    asked: u64,
    values: HashMap<Print, (u64, T)>,
    order: BTreeMap<u64, Print>,
}

impl<T> Recent<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, asked: 0, values: HashMap::new(), order: BTreeMap::new() }
    }

    /// The value, or a new one.
    pub(super) fn get(&mut self, print: Print, new: impl FnOnce() -> T) -> &mut T {
        self.asked += 1;
        if let Some((asked, _)) = self.values.get(&print) {
            self.order.remove(asked);
        } else if self.values.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.values.remove(&oldest);
        }
        self.order.insert(self.asked, print);
        let (asked, value) = self.values.entry(print).or_insert_with(|| (0, new()));
        *asked = self.asked;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_nobody_asked_for_the_longest_is_forgotten() {
        let [a, b, c] = ["a", "b", "c"].map(|name| Print::of(&[name]));
        let mut recent = Recent::new(2);
        for (print, new, expect) in [(a, 1, 1), (b, 2, 2), (a, 3, 1), (c, 4, 4), (a, 5, 1), (b, 6, 6)] {
            assert_eq!(*recent.get(print, || new), expect);
        }
        assert_eq!((recent.values.len(), recent.order.len()), (2, 2));
    }

    #[test]
    fn prints_know_where_a_text_ends() {
        assert_ne!(Print::of(&["a", "bc"]), Print::of(&["ab", "c"]));
        assert_eq!(Print::of(&["a", "bc"]), Print::of(&["a", "bc"]));
    }
}
