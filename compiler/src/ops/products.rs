//! Reference evaluation of products: sums of doubles, each in the order of its factors, whatever else is computed beside it and by
//! however many threads. The same bits come out on every machine.

use crate::error::{Error, Result};
use std::num::NonZero;
use std::thread;

/// Results of a row that are computed at once, and rows.
const TILE: usize = 4;

/// Products below which other threads are not worth their start.
const ALONE: usize = 1 << 21;

/// A matrix `[k, columns]` in panels of a few columns, in which kernels of the processor find it in order.
pub(super) struct Panels {
    data: Vec<[f32; TILE]>,
    k: usize,
    columns: usize,
}

impl Panels {
    /// Of a matrix in row-major order.
    pub(super) fn new(matrix: &[f32], columns: usize) -> Self {
        let k = matrix.len() / columns.max(1);
        let panel = |first: usize| {
            (0..k).map(move |row| {
                let own = &matrix[row * columns + first..(row + 1) * columns];
                std::array::from_fn(|i| own.get(i).copied().unwrap_or(0.0))
            })
        };
        Self {
            data: (0..columns).step_by(TILE).flat_map(panel).collect(),
            k,
            columns,
        }
    }

    /// Some rows of factors, `[k]` of them with as many lanes, times the matrix; `out` has a row of results for each lane that counts.
    pub(super) fn times(&self, factors: &[[f64; TILE]], bias: Option<&[f32]>, out: &mut [f32]) {
        for (panel, first) in self
            .data
            .chunks(self.k.max(1))
            .zip((0..self.columns).step_by(TILE))
        {
            let mut sums = [[0.0_f64; TILE]; TILE];
            for (factor, weights) in factors.iter().zip(panel) {
                let weights = weights.map(f64::from);
                for (sums, factor) in sums.iter_mut().zip(factor) {
                    for (sum, weight) in sums.iter_mut().zip(&weights) {
                        *sum += factor * weight;
                    }
                }
            }
            for (row, sums) in out.chunks_mut(self.columns).zip(&sums) {
                for (column, sum) in (first..self.columns).zip(sums) {
                    row[column] = *sum as f32 + bias.map_or(0.0, |bias| bias[column]);
                }
            }
        }
    }

    /// Computes `rows` rows of results. `gather` fills the factors of a row into a lane.
    pub(super) fn all(
        &self,
        rows: usize,
        bias: Option<&[f32]>,
        gather: impl Fn(usize, &mut dyn FnMut(usize, f64)) + Sync,
    ) -> Result<Vec<f32>> {
        let mut out = vec![0.0; rows * self.columns];
        let work = rows * self.columns * self.k;
        in_parts(&mut out, self.columns, work, |first, out| {
            let mut factors = vec![[0.0; TILE]; self.k];
            let count = out.len() / self.columns.max(1);
            for begin in (0..count).step_by(TILE) {
                let end = count.min(begin + TILE);
                factors.fill([0.0; TILE]);
                for row in begin..end {
                    gather(first + row, &mut |k, value| factors[k][row - begin] = value);
                }
                self.times(&factors, bias, &mut out[begin * self.columns..end * self.columns]);
            }
        })?;
        Ok(out)
    }
}

/// Fills rows of results, each thread some that follow each other; `fill` is told the first of them.
pub(super) fn in_parts(
    out: &mut [f32],
    row: usize,
    work: usize,
    fill: impl Fn(usize, &mut [f32]) + Sync,
) -> Result<()> {
    let threads = match work < ALONE {
        true => 1,
        false => thread::available_parallelism().map_or(1, NonZero::get),
    };
    let rows = out.len() / row.max(1);
    let each = rows.div_ceil(threads).max(1);
    if threads == 1 || rows < 2 {
        fill(0, out);
        return Ok(());
    }
    thread::scope(|scope| {
        let parts = out.chunks_mut(each * row).enumerate();
        let fill = &fill;
        let started: Vec<_> = parts
            .map(|(part, out)| scope.spawn(move || fill(part * each, out)))
            .collect();
        // All are waited for.
        let lost = started.into_iter().map(|part| part.join()).filter(Result::is_err);
        match lost.count() == 0 {
            true => Ok(()),
            false => Err(Error::internal("an evaluation ended early")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many that several threads compute them, and some that no tile is full of.
    #[test]
    fn sums_are_those_of_one_thread_in_order() {
        let [rows, k, columns] = [67, 131, 253];
        let number = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) / 77.0;
        let (a, b): (Vec<f32>, Vec<f32>) = (
            (0..rows * k).map(number).collect(),
            (0..k * columns).map(number).collect(),
        );
        let bias: Vec<f32> = (0..columns).map(number).collect();
        assert!(rows * k * columns > ALONE);
        let gather = |row: usize, fill: &mut dyn FnMut(usize, f64)| {
            (0..k).for_each(|i| fill(i, f64::from(a[row * k + i])));
        };
        let found = Panels::new(&b, columns).all(rows, Some(&bias), gather).unwrap();
        for row in 0..rows {
            for column in 0..columns {
                let mut sum = 0.0;
                for i in 0..k {
                    sum += f64::from(a[row * k + i]) * f64::from(b[i * columns + column]);
                }
                let expected = sum as f32 + bias[column];
                assert_eq!(found[row * columns + column].to_bits(), expected.to_bits());
            }
        }
    }
}
