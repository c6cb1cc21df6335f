//! Weights, from where the plan holds them straight into files.
//!
//! Files hold so many bytes of weights each, as kernels read them. Of what can be written in fewer bits, a file holds less: pieces
//! that are decoded where they belong, and between them what stays as it is. A piece ends with its file, so that each file can be
//! read by itself.

use super::directory::{NewFile, Staging};
use super::manifest::{EncodedPart, WeightFiles};
use crate::backends::SHARD_BYTES;
use crate::error::{Error, Result};
use crate::plan::Weights;
use crate::tensor::Encoded;
use crate::tensor::encoded::{Piece, decode};

/// Elements converted at a time: small enough for the cache, large enough for a system call.
const BLOCK: usize = 1 << 16;

/// A piece that saves fewer bytes is not worth its description.
const WORTH: usize = 128;

/// Writes all weights and tells what the manifest says of them; `progress` is told the bytes written so far, as kernels read them.
pub(super) fn write(
    weights: &Weights,
    staging: &mut Staging,
    progress: &mut dyn FnMut(u64),
) -> Result<WeightFiles> {
    let mut shards = Shards {
        staging,
        open: None,
        names: Vec::new(),
        parts: Vec::new(),
        written: 0,
    };
    for (offset, data) in weights.parts() {
        shards.zeros_until(offset as u64)?;
        match weights.encoded(offset) {
            Some(encoded) => shards.push_encoded(encoded, data, progress)?,
            None => shards.push_floats(data, progress)?,
        }
    }
    shards.zeros_until(weights.bytes() as u64)?;
    shards.close()?;
    let encoded = !shards.parts.iter().all(Vec::is_empty);
    Ok(WeightFiles {
        bytes: weights.bytes(),
        shards: shards.names,
        order: None,
        encoded: encoded.then_some(shards.parts),
    })
}

/// Bytes that all weights take in files.
pub fn size(weights: &Weights) -> u64 {
    let mut saved = 0;
    for (offset, data) in weights.parts() {
        let Some(encoded) = weights.encoded(offset) else {
            continue;
        };
        let mut begin = 0;
        while begin < data.len() {
            let room = SHARD_BYTES - (offset + 4 * begin) as u64 % SHARD_BYTES;
            let end = data.len().min(begin + (room / 4) as usize);
            let floats = 4 * (end - begin);
            let piece = encoded
                .piece(data, begin..end)
                .map_or(floats, |piece| piece.bytes.len());
            if piece + WORTH <= floats {
                saved += floats - piece;
            }
            begin = end;
        }
    }
    (weights.bytes() - saved) as u64
}

struct Shards<'a> {
    staging: &'a mut Staging,
    open: Option<NewFile>,
    names: Vec<String>,
    /// What each file has in fewer bits.
    parts: Vec<Vec<EncodedPart>>,
    /// Bytes of weights, as kernels read them.
    written: u64,
}

impl Shards<'_> {
    /// The file for what comes next, and how many bytes of weights, as kernels read them, still belong there.
    fn file(&mut self) -> Result<(&mut NewFile, usize)> {
        if self.open.is_none() {
            self.parts.push(Vec::new());
            self.open = Some(self.staging.create()?);
        }
        let room = SHARD_BYTES - self.written % SHARD_BYTES;
        let file = self.open.as_mut();
        let file = file.ok_or_else(|| Error::internal("there is no file of weights"))?;
        Ok((file, usize::try_from(room).unwrap_or(usize::MAX)))
    }

    /// So many bytes of weights, as kernels read them, are written.
    fn advance(&mut self, bytes: usize) -> Result<()> {
        self.written += bytes as u64;
        if self.written.is_multiple_of(SHARD_BYTES) {
            self.close()?;
        }
        Ok(())
    }

    fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (file, room) = self.file()?;
            let (now, later) = bytes.split_at(bytes.len().min(room));
            file.write(now)?;
            self.advance(now.len())?;
            bytes = later;
        }
        Ok(())
    }

    fn push_floats(&mut self, data: &[f32], progress: &mut dyn FnMut(u64)) -> Result<()> {
        let mut block = vec![0; BLOCK.min(data.len()) * 4];
        for values in data.chunks(BLOCK) {
            let bytes = &mut block[..values.len() * 4];
            for (bytes, value) in bytes.chunks_exact_mut(4).zip(values) {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
            self.push(bytes)?;
            progress(self.written);
        }
        Ok(())
    }

    /// Writes a constant in pieces, and as it is where that takes as little.
    fn push_encoded(&mut self, encoded: &Encoded, data: &[f32], progress: &mut dyn FnMut(u64)) -> Result<()> {
        let mut begin = 0;
        while begin < data.len() {
            let written = self.written;
            let (file, room) = self.file()?;
            let from = file.bytes();
            let elements = begin..data.len().min(begin + room / 4);
            let own = &data[elements.clone()];
            let piece = encoded
                .piece(data, elements.clone())
                .filter(|piece| reads(encoded, piece, own))
                .ok_or_else(|| Error::internal("encoded weights are not the numbers that they stand for"))?;
            let size = piece.bytes.len();
            if size + WORTH > 4 * own.len() {
                self.push_floats(own, progress)?;
            } else {
                let part = EncodedPart {
                    from,
                    bytes: size as u64,
                    to: written,
                    elements: own.len(),
                    encoding: encoded.encoding,
                    first: piece.first,
                    block: encoded.grouping.block,
                    lanes: encoded.grouping.lanes,
                    rows: encoded.grouping.rows,
                    head: encoded.grouping.head,
                };
                self.file()?.0.write(&piece.bytes)?;
                self.parts
                    .last_mut()
                    .into_iter()
                    .for_each(|parts| parts.push(part.clone()));
                self.advance(4 * own.len())?;
            }
            begin = elements.end;
            progress(self.written);
        }
        Ok(())
    }

    fn zeros_until(&mut self, offset: u64) -> Result<()> {
        while self.written < offset {
            let gap = (offset - self.written).min(4096) as usize;
            self.push(&[0; 4096][..gap])?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if let Some(file) = self.open.take() {
            let stem = format!("weights-{}", self.names.len());
            self.names.push(self.staging.finish_hashed(file, &stem, "bin")?);
        }
        Ok(())
    }
}

/// Whether a page that decodes a piece gets these numbers, bit by bit.
fn reads(encoded: &Encoded, piece: &Piece, data: &[f32]) -> bool {
    let read = decode(
        encoded.encoding,
        &encoded.grouping,
        piece.first,
        data.len(),
        &piece.bytes,
    );
    read.is_some_and(|read| {
        read.iter()
            .map(|v| v.to_bits())
            .eq(data.iter().map(|v| v.to_bits()))
    })
}
