//! What runs of one text differ in.

/// Words that a shader reads from its uniform block, in the order in which it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    /// The words.
    pub values: Vec<u32>,
    /// Those that change from one iteration of the loop around to the next.
    pub advances: Vec<Advance>,
    /// The words that what is repeated may still find: the first, and the one after the last.
    again: Option<(usize, usize)>,
}

/// A word that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// Which word.
    pub index: usize,
    /// What is added in each iteration.
    pub delta: i32,
}

impl Params {
    /// Adds a word and gives the expression that reads it, or that of the same word in what is repeated.
    pub fn word(&mut self, value: u32) -> String {
        let found = self.again.and_then(|(next, end)| {
            let mut same = next..end;
            let moves = |index| self.advances.iter().any(|advance| advance.index == index);
            same.find(|&index| self.values.get(index) == Some(&value) && !moves(index))
        });
        let index = found.unwrap_or(self.values.len());
        match (found, &mut self.again) {
            (Some(index), Some((next, _))) => *next = index + 1,
            _ => self.values.push(value),
        }
        format!("p[{}].{}", index / 4, ["x", "y", "z", "w"][index % 4])
    }

    /// From here on words may be those from `first` to `end`, in their order, which the same code has asked for before.
    pub fn repeat(&mut self, first: usize, end: usize) {
        self.again = Some((first, end));
    }

    /// From here on words are new ones.
    pub fn end_repetition(&mut self) {
        self.again = None;
    }

    /// Whether something is repeated.
    pub fn is_repeating(&self) -> bool {
        self.again.is_some()
    }

    /// Adds a word that changes in every iteration of the loop around.
    pub fn moving(&mut self, value: u32, delta: i32) -> String {
        // No other word moves with it.
        let again = self.again.take();
        if delta != 0 {
            let index = self.values.len();
            self.advances.push(Advance { index, delta });
        }
        let word = self.word(value);
        self.again = again;
        word
    }

    /// Length of the block in groups of four words: at least one.
    pub fn blocks(&self) -> usize {
        self.values.len().div_ceil(4).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_finds_its_words_again() {
        let mut params = Params::default();
        let first = [
            params.word(7),
            params.moving(9, 4),
            params.word(9),
            params.word(7),
        ];
        params.repeat(0, 4);
        assert_eq!(
            [params.word(7), params.word(9), params.word(7)],
            [first[0].clone(), first[2].clone(), first[3].clone()]
        );
        // What the first did not ask for is new, and so is what moves.
        assert_eq!([params.word(5), params.moving(1, 1)], ["p[1].x", "p[1].y"]);
        params.end_repetition();
        assert_eq!(params.word(7), "p[1].z");
    }
}
