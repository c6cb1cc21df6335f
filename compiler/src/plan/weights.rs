//! Packed constants.

use crate::tensor::Encoded;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Packed constants in the order in which kernels first need them; equal ones are stored once. Copies share their elements.
#[derive(Debug, Clone)]
pub struct Weights {
    alignment: usize,
    parts: Vec<(usize, Arc<Vec<f32>>)>,
    /// What parts are made of, by their byte offset, where they can be written in fewer bits.
    encoded: BTreeMap<usize, Arc<Encoded>>,
    /// The layers of those that cannot, although their constants could.
    unencoded: BTreeSet<String>,
    bytes: usize,
    known: HashMap<[u8; 32], usize>,
}

impl Weights {
    /// None yet; each will start at a multiple of so many bytes.
    pub fn new(alignment: usize) -> Self {
        Self {
            alignment,
            parts: Vec::new(),
            encoded: BTreeMap::new(),
            unencoded: BTreeSet::new(),
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

    /// Stores elements that can be written in fewer bits, and gives their byte offset: the first of `encoded` counts that says
    /// bit by bit what they are made of. If none does, they are stored as they are, and `name` is remembered.
    pub fn add_encoded(&mut self, data: Vec<f32>, encoded: Vec<Encoded>, name: &str) -> usize {
        let offset = self.add(data);
        if encoded.is_empty() || self.encoded.contains_key(&offset) {
            return offset;
        }
        let (_, data) = self.part_at(offset).unwrap_or_default();
        match encoded.into_iter().find(|encoded| encoded.fits(data)) {
            Some(encoded) => {
                self.encoded.insert(offset, Arc::new(encoded));
            }
            None => {
                self.unencoded.insert(name.to_owned());
            }
        }
        offset
    }

    /// Layers with weights whose arrangement is none that their encoding can be written in.
    pub fn unencoded(&self) -> &BTreeSet<String> {
        &self.unencoded
    }

    /// Lays the parts that start at these offsets out in this order, which names each once; gives where each lies now.
    pub(super) fn reorder(&mut self, order: &[usize]) -> BTreeMap<usize, usize> {
        let mut parts: BTreeMap<usize, Arc<Vec<f32>>> = std::mem::take(&mut self.parts).into_iter().collect();
        self.bytes = 0;
        let mut encoded = std::mem::take(&mut self.encoded);
        let mut places = BTreeMap::new();
        for &start in order {
            let Some(data) = parts.remove(&start) else {
                continue;
            };
            places.insert(start, self.bytes);
            if let Some(own) = encoded.remove(&start) {
                self.encoded.insert(self.bytes, own);
            }
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
            encoded: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// What the part that starts at a byte offset is made of, where it can be written in fewer bits.
    pub fn encoded(&self, offset: usize) -> Option<&Encoded> {
        self.encoded.get(&offset).map(AsRef::as_ref)
    }

    /// The parts in order of their byte offset; the gaps between them are zeros.
    pub fn parts(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.parts.iter().map(|(offset, data)| (*offset, data.as_slice()))
    }
}
