//! The instructions of a function, as one Python reads them.

use super::opcodes;

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// What it is called, or its number where there is none of that number.
    pub name: Result<&'static str, u8>,
    /// Its argument.
    pub argument: usize,
}

/// Reads one after the other.
pub struct Instructions<'c> {
    words: std::slice::ChunksExact<'c, u8>,
    column: usize,
}

impl<'c> Instructions<'c> {
    /// Those of a function, as the Python of a column of [`opcodes`] has them.
    pub fn new(code: &'c [u8], column: usize) -> Self {
        Self {
            words: code.chunks_exact(2),
            column,
        }
    }
}

impl Iterator for Instructions<'_> {
    type Item = Instruction;

    fn next(&mut self) -> Option<Instruction> {
        let mut argument = 0_usize;
        loop {
            let &[number, low] = self.words.next()? else {
                return None;
            };
            argument = (argument & 0xff_ffff) << 8 | usize::from(low);
            let name = opcodes::name(self.column, number).ok_or(number);
            if name == Ok("EXTENDED_ARG") {
                continue;
            }
            // Empty in code that is stored; anything else was not written by this Python.
            let empty = name.map_or(0, |name| opcodes::caches(self.column, name));
            let all = self
                .words
                .by_ref()
                .take(empty)
                .filter(|word| **word == [0, 0])
                .count();
            let name = if all == empty { name } else { Err(number) };
            return Some(Instruction { name, argument });
        }
    }
}
