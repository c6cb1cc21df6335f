//! Random access to an HDF5 file that is a whole file, a stored member of a zip archive, or memory.
//!
//! The HDF5 reader asks for many small pieces of metadata and for large runs of data. Small pieces
//! come from cached pages. All that is asked for is counted: a damaged or hostile file can make a
//! reader fetch the same piece without end, and every byte that ends up in memory was fetched here.

use crate::budget::{Budget, Resource};
use hdf5_pure::{FormatError, Source};
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

const PAGE: u64 = 16 << 10;
const MAX_PAGES: usize = 512;

/// Requests up to this size go through the cache.
const SMALL: usize = 4 << 10;

/// A part of something that can be read and sought in. Clones share one reader.
pub(super) struct Section<R> {
    start: u64,
    length: u64,
    budget: Budget,
    state: Arc<Mutex<State<R>>>,
}

struct State<R> {
    reader: R,
    pages: HashMap<u64, Vec<u8>>,
}

impl<R: Read + Seek> Section<R> {
    /// `length` bytes from `start` on.
    pub(super) fn new(reader: R, start: u64, length: u64, budget: &Budget) -> Self {
        let state = State {
            reader,
            pages: HashMap::new(),
        };
        Self {
            start,
            length,
            budget: budget.clone(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn fetch(&self, reader: &mut R, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        reader.seek(SeekFrom::Start(self.start.saturating_add(offset)))?;
        reader.read_exact(buf)
    }

    fn read_cached(&self, state: &mut State<R>, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let number = at / PAGE;
            if !state.pages.contains_key(&number) {
                if state.pages.len() >= MAX_PAGES {
                    state.pages.clear();
                }
                let begin = number * PAGE;
                let mut page = vec![0; PAGE.min(self.length.saturating_sub(begin)) as usize];
                self.fetch(&mut state.reader, begin, &mut page)?;
                state.pages.insert(number, page);
            }
            let skip = (at % PAGE) as usize;
            let page = state
                .pages
                .get(&number)
                .and_then(|page| page.get(skip..))
                .unwrap_or_default();
            let rest = buf.get_mut(done..).unwrap_or_default();
            let count = page.len().min(rest.len());
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let (from, to) = (page.get(..count), rest.get_mut(..count));
            if let (Some(from), Some(to)) = (from, to) {
                to.copy_from_slice(from);
            }
            done += count;
        }
        Ok(())
    }
}

impl<R> Clone for Section<R> {
    fn clone(&self) -> Self {
        Self {
            start: self.start,
            length: self.length,
            budget: self.budget.clone(),
            state: Arc::clone(&self.state),
        }
    }
}

impl<R: Read + Seek> Source for Section<R> {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), FormatError> {
        let length = buf.len() as u64;
        let end = offset.checked_add(length);
        if end.is_none_or(|end| end > self.length) {
            let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            return Err(FormatError::UnexpectedEof {
                expected: number(offset.saturating_add(length)),
                available: number(self.length),
            });
        }
        let taken = self.budget.take(Resource::Fetched, length);
        taken.map_err(|error| FormatError::Source(error.to_string()))?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let result = if buf.len() <= SMALL {
            self.read_cached(state, offset, buf)
        } else {
            self.fetch(&mut state.reader, offset, buf)
        };
        result.map_err(|error| FormatError::Source(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn reads_inside_the_section_only() {
        let bytes: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let section = Section::new(Cursor::new(bytes.clone()), 10, 99_000, &Budget::new());
        for (offset, length) in [(0, 10), (16_380, 10), (50_000, 20_000), (98_990, 10)] {
            let mut buf = vec![0; length];
            section.read_at(offset as u64, &mut buf).unwrap();
            assert_eq!(buf, bytes[offset + 10..offset + 10 + length]);
        }
        assert!(section.read_at(98_991, &mut [0; 10]).is_err());
        assert!(section.read_at(u64::MAX, &mut [0; 10]).is_err());
    }

    #[test]
    fn the_budget_ends() {
        let budget = Budget::new();
        budget.open(1 << 20);
        let section = Section::new(Cursor::new(vec![0; 1 << 20]), 0, 1 << 20, &budget);
        let mut buf = vec![0; 1 << 20];
        let reads = (0..1000)
            .take_while(|_| section.read_at(0, &mut buf).is_ok())
            .count();
        assert_eq!(reads, 64 + 16);
    }
}
