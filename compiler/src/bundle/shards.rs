//! Weights, from where the plan holds them straight into files.

use super::directory::{NewFile, Staging};
use crate::backends::SHARD_BYTES;
use crate::error::Result;
use crate::plan::Weights;

/// Elements converted at a time: small enough for the cache, large enough for a system call.
const BLOCK: usize = 1 << 16;

/// Writes all weights and gives the shards' names; `progress` is told the bytes written so far.
pub(super) fn write(
    weights: &Weights,
    staging: &mut Staging,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<String>> {
    let mut shards = Shards {
        staging,
        open: None,
        names: Vec::new(),
        written: 0,
    };
    let mut block = vec![0; BLOCK * 4];
    for (offset, data) in weights.parts() {
        shards.zeros_until(offset as u64)?;
        for values in data.chunks(BLOCK) {
            let bytes = &mut block[..values.len() * 4];
            for (bytes, value) in bytes.chunks_exact_mut(4).zip(values) {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
            shards.push(bytes)?;
            progress(shards.written);
        }
    }
    shards.zeros_until(weights.bytes() as u64)?;
    shards.close()?;
    Ok(shards.names)
}

struct Shards<'a> {
    staging: &'a mut Staging,
    open: Option<NewFile>,
    names: Vec<String>,
    written: u64,
}

impl Shards<'_> {
    fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.open.as_ref().is_some_and(|file| file.bytes() == SHARD_BYTES) {
                self.close()?;
            }
            let file = match &mut self.open {
                Some(file) => file,
                None => self.open.insert(self.staging.create()?),
            };
            let room = usize::try_from(SHARD_BYTES - file.bytes()).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            file.write(now)?;
            bytes = later;
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
