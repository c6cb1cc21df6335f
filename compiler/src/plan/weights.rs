//! Packed constants.

use super::ALIGNMENT;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Packed constants in the order in which kernels first need them; equal ones are stored once.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    parts: Vec<(usize, Vec<f32>)>,
    bytes: usize,
    known: HashMap<[u8; 32], usize>,
}

impl Weights {
    /// Stores elements and gives their byte offset.
    pub fn add(&mut self, data: Vec<f32>) -> usize {
        let mut hash = Sha256::new();
        // Hash large arrays by blocks, so that no second copy of the bytes is made.
        for block in data.chunks(4096) {
            let bytes: Vec<u8> = block.iter().flat_map(|v| v.to_le_bytes()).collect();
            hash.update(&bytes);
        }
        let key = hash.finalize().into();
        if let Some(&offset) = self.known.get(&key) {
            return offset;
        }
        let offset = self.bytes;
        self.bytes = (offset + data.len() * 4).next_multiple_of(ALIGNMENT);
        self.known.insert(key, offset);
        self.parts.push((offset, data));
        offset
    }
    /// Length in bytes, a multiple of [`ALIGNMENT`].
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// The parts in order of their byte offset; the gaps between them are zeros.
    pub fn parts(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.parts.iter().map(|(offset, data)| (*offset, data.as_slice()))
    }
}
