//! Packed constants.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Packed constants in the order in which kernels first need them; equal ones are stored once. Copies share their elements.
#[derive(Debug, Clone)]
pub struct Weights {
    alignment: usize,
    parts: Vec<(usize, Arc<Vec<f32>>)>,
    bytes: usize,
    known: HashMap<[u8; 32], usize>,
}

impl Weights {
    /// None yet; each will start at a multiple of so many bytes.
    pub fn new(alignment: usize) -> Self {
        Self {
            alignment,
            parts: Vec::new(),
            bytes: 0,
            known: HashMap::new(),
        }
    }

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
        self.bytes = (offset + data.len() * 4).next_multiple_of(self.alignment);
        self.known.insert(key, offset);
        self.parts.push((offset, Arc::new(data)));
        offset
    }
    /// Lays the parts that start at these offsets out in this order, which names each once; gives where each lies now.
    pub(super) fn reorder(&mut self, order: &[usize]) -> BTreeMap<usize, usize> {
        let mut parts: BTreeMap<usize, Arc<Vec<f32>>> = std::mem::take(&mut self.parts).into_iter().collect();
        self.bytes = 0;
        let mut places = BTreeMap::new();
        for &start in order {
            let Some(data) = parts.remove(&start) else {
                continue;
            };
            places.insert(start, self.bytes);
            let end = self.bytes + data.len() * 4;
            self.parts.push((self.bytes, data));
            self.bytes = end.next_multiple_of(self.alignment);
        }
        for offset in self.known.values_mut() {
            *offset = places[&*offset];
        }
        places
    }

    /// Length in bytes, a multiple of the alignment.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// Bytes of the part that starts at a byte offset; 0 if none does.
    pub fn part_bytes(&self, offset: usize) -> usize {
        let at = self.parts.partition_point(|(start, _)| *start < offset);
        let part = self.parts.get(at).filter(|(start, _)| *start == offset);
        part.map_or(0, |(_, data)| data.len() * 4)
    }

    /// The part in which a byte lies, with the byte offset where it starts.
    pub fn part_at(&self, offset: usize) -> Option<(usize, &[f32])> {
        let behind = self.parts.partition_point(|(start, _)| *start <= offset);
        let (start, data) = self.parts.get(behind.checked_sub(1)?)?;
        (offset - start < data.len() * 4).then_some((*start, data.as_slice()))
    }

    /// The same with other elements where `change` gives any: it is told the byte offset of a part and its elements.
    #[must_use]
    pub fn map(&self, change: impl Fn(usize, &[f32]) -> Option<Vec<f32>>) -> Self {
        let part = |(start, data): &(usize, Arc<Vec<f32>>)| {
            let changed = change(*start, data).map_or_else(|| data.clone(), Arc::new);
            (*start, changed)
        };
        Self {
            parts: self.parts.iter().map(part).collect(),
            ..self.clone()
        }
    }

    /// The parts in order of their byte offset; the gaps between them are zeros.
    pub fn parts(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.parts.iter().map(|(offset, data)| (*offset, data.as_slice()))
    }
}
