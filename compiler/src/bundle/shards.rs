//! Weights, from where the plan holds them straight into files.

use super::directory::{NewFile, Staging};
use crate::error::Result;
use crate::plan::{Plan, Run, Space, Weights};
use std::collections::BTreeMap;

/// Most bytes of a shard. Each is hashed, and what it holds prepared, while the next ones are on their way; content
/// delivery networks refuse or do not cache much larger files.
pub const SHARD_BYTES: u64 = 4 << 20;

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

/// For each shard, how many of the first steps of [`Plan::prepare`] read nothing behind it.
pub(super) fn ready(plan: &Plan) -> Vec<usize> {
    let lengths: BTreeMap<usize, usize> = plan
        .weights
        .parts()
        .map(|(at, data)| (at, data.len() * 4))
        .collect();
    let end = |run: &Run| {
        let read = run.arguments.iter().filter(|a| a.space == Space::Weights);
        let ends = read.map(|a| a.offset + lengths.get(&a.offset).copied().unwrap_or(0));
        ends.max().unwrap_or(0) as u64
    };
    let ends: Vec<u64> = plan.prepare.iter().map(end).collect();
    let shards = (plan.weights.bytes() as u64).div_ceil(SHARD_BYTES);
    (1..=shards)
        .map(|shard| ends.iter().take_while(|&&end| end <= shard * SHARD_BYTES).count())
        .collect()
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
