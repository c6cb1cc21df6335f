//! What runs of one text differ in.

/// Words that a shader reads from its uniform block, in the order in which it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    /// The words.
    pub values: Vec<u32>,
    /// Those that change from one iteration of the loop around to the next.
    pub advances: Vec<Advance>,
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
    /// Adds a word and gives the expression that reads it.
    pub fn word(&mut self, value: u32) -> String {
        let index = self.values.len();
        self.values.push(value);
        format!("p[{}].{}", index / 4, ["x", "y", "z", "w"][index % 4])
    }

    /// Adds a word that changes in every iteration of the loop around.
    pub fn moving(&mut self, value: u32, delta: i32) -> String {
        if delta != 0 {
            let index = self.values.len();
            self.advances.push(Advance { index, delta });
        }
        self.word(value)
    }

    /// Length of the block in groups of four words: at least one.
    pub fn blocks(&self) -> usize {
        self.values.len().div_ceil(4).max(1)
    }
}
