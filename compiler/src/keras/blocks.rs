//! Blocks of an HDF5 file and the fields in them, as far as links need them.

use crate::error::{Error, Result};
use hdf5_pure::Source;

/// Most bytes of one block: the names or links of one group.
const MAX_BLOCK: usize = 64 << 20;

/// Most blocks of one heap.
const MAX_HEAP: usize = 4096;

/// A file as blocks.
pub(super) struct Blocks {
    source: Box<dyn Source>,
    base: u64,
    /// Bytes of an offset and of a length.
    widths: [usize; 2],
}

/// Where objects of a heap lie.
pub(super) struct Extent {
    pub(super) at: u64,
    pub(super) size: usize,
}

/// Fields of a block from first to last, the least significant byte of a number first.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    widths: [usize; 2],
}

fn cut() -> Error {
    Error::malformed("HDF5: a group is damaged")
}

impl Blocks {
    pub(super) fn new(source: Box<dyn Source>, base: u64, widths: [usize; 2]) -> Self {
        Self { source, base, widths }
    }
    pub(super) fn widths(&self) -> [usize; 2] {
        self.widths
    }
    pub(super) fn fields<'a>(&self, bytes: &'a [u8]) -> Fields<'a> {
        let widths = self.widths;
        Fields { bytes, widths }
    }
    /// Reads a block. Memory is taken only for what the file has.
    pub(super) fn read(&self, at: u64, size: usize) -> Result<Vec<u8>> {
        let at = self.base.checked_add(at).ok_or_else(cut)?;
        let end = at.checked_add(size as u64).ok_or_else(cut)?;
        if size > MAX_BLOCK || end > self.source.len() {
            return Err(cut());
        }
        let mut bytes = vec![0; size];
        self.source.read_at(at, &mut bytes).map_err(|_| cut())?;
        Ok(bytes)
    }
    /// Reads a block that starts with a signature.
    pub(super) fn signed(&self, at: u64, signature: &[u8], size: usize) -> Result<Vec<u8>> {
        let bytes = self.read(at, size)?;
        if bytes.starts_with(signature) {
            Ok(bytes)
        } else {
            Err(cut())
        }
    }

    /// How many objects a fractal heap has, and its direct blocks without their heads. Blocks deeper than one level
    /// of indirection are left out, so that what lies in them is missed in the count.
    pub(super) fn heap(&self, at: u64) -> Result<(u64, Vec<Extent>)> {
        let [offset, length] = self.widths;
        let head = self.signed(at, b"FRHP", 22 + 12 * length + 3 * offset)?;
        let mut fields = self.fields(&head);
        fields.skip(7)?;
        let filters = fields.uint(2)?;
        let checked = fields.uint(1)? & 2 != 0;
        fields.skip(4 + length + offset + length + offset + 3 * length)?;
        let count = fields.length()?;
        fields.skip(4 * length)?;
        let width = fields.uint(2)?;
        let (first, largest) = (fields.length()?, fields.length()?);
        let bits = fields.uint(2)?;
        fields.skip(2)?;
        let (root, rows) = (fields.defined()?, fields.uint(2)?);
        let Some(root) = root else {
            return Ok((count, Vec::new()));
        };
        if filters != 0 {
            return Err(Error::malformed("HDF5: the links of a group are compressed"));
        }
        let prefix = 5 + offset + bits.div_ceil(8) as usize;
        let direct = |at: u64, size: u64| -> Result<Extent> {
            self.signed(at, b"FHDB", 4)?;
            let skipped = (prefix + if checked { 4 } else { 0 }) as u64;
            let size = usize::try_from(size.saturating_sub(skipped)).map_err(|_| cut())?;
            Ok(Extent {
                at: at.saturating_add(skipped),
                size,
            })
        };
        if rows == 0 {
            return Ok((count, vec![direct(root, first)?]));
        }
        let size =
            |row: u64| first.saturating_mul(1u64.checked_shl(row.saturating_sub(1) as u32).unwrap_or(0));
        let rows: Vec<u64> = (0..rows)
            .map(size)
            .take_while(|&size| size <= largest && size > 0)
            .collect();
        let entries = rows
            .len()
            .saturating_mul(usize::try_from(width).unwrap_or(usize::MAX));
        if entries > MAX_HEAP {
            return Err(cut());
        }
        let block = self.signed(root, b"FHIB", prefix + entries * offset)?;
        let mut fields = self.fields(&block);
        fields.skip(prefix)?;
        let mut found = Vec::new();
        for size in rows {
            for _ in 0..width {
                if let Some(at) = fields.defined()? {
                    found.push(direct(at, size)?);
                }
            }
        }
        Ok((count, found))
    }
}

impl<'a> Fields<'a> {
    /// How many bytes are left.
    pub(super) fn rest(&self) -> usize {
        self.bytes.len()
    }
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(cut)?;
        self.bytes = rest;
        Ok(taken)
    }
    pub(super) fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(|_| ())
    }
    /// A number of `width` bytes, at most 8.
    pub(super) fn uint(&mut self, width: usize) -> Result<u64> {
        let bytes = self.take(width)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
    pub(super) fn offset(&mut self) -> Result<u64> {
        self.uint(self.widths[0])
    }
    pub(super) fn length(&mut self) -> Result<u64> {
        self.uint(self.widths[1])
    }
    /// An offset, unless it is the one that stands for none.
    pub(super) fn defined(&mut self) -> Result<Option<u64>> {
        let bytes = self.take(self.widths[0])?;
        let number = bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok(bytes.iter().any(|byte| *byte != 0xff).then_some(number))
    }
}
