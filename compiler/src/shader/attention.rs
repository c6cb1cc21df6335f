//! Attention: a product, the softmax of its rows, and the product of these with another matrix, without the rows in memory.
//!
//! A workgroup computes some rows, and goes along the keys a block at a time. What it has summed up is scaled whenever a larger score
//! is found (Milakov & Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022).

use super::blocks::{BLOCK, Block, EACH, SIDE, STEP, accumulate, contract_left, load_right, multiply};
use super::contract::{Columns, epilogue};
use super::{Lanes, Shader};
use crate::kernel::Contract;

/// Less than all scores, and finite: some machines know no infinities.
const LOWEST: &str = "-3.4028234e38f";

/// Four zeros.
const ZEROS: &str = "vec4<f32>(0.0f)";

/// What a workgroup shares beside its [blocks](super::shared): a number of every invocation for each of its rows.
pub fn shared_by_rows() -> String {
    format!("var<workgroup> of_rows: array<f32, {}>;\n", BLOCK * SIDE)
}

/// The raw results of `values`, whose left side is the softmax of what `scores` gives, for each block of channels and each of an
/// invocation's pixels. The operands of `scores` come first, those of `values` from the one numbered `second` on. Both kernels have the
/// same pixels and no taps. The channel of the block is not used, and its range is that of the scores' contraction.
pub fn attention(
    s: &mut Shader,
    (scores, values): (&Contract, &Contract),
    block: &Block<'_>,
    second: usize,
) -> Vec<Vec<String>> {
    let each =
        |s: &mut Shader, value: &str| -> Vec<_> { (0..EACH).map(|_| s.variable("m", value)).collect() };
    let rows = Rows {
        at: block.at,
        most: each(s, LOWEST),
        total: each(s, "0.0f"),
        sums: (0..values.dims[3].div_ceil(BLOCK))
            .map(|_| each(s, ZEROS))
            .collect(),
    };
    let left = contract_left(s, scores, block);
    let keys = s.number(scores.dims[3]);
    let keys = s.bind("k", keys);
    let last_key = s.number((scores.dims[3] - 1) / 4 * 4);
    s.count(&keys, BLOCK, |s, key| {
        let n = s.bind("n", format!("{key} + {} * {EACH}u", block.at[1]));
        let own = s.bind("n", format!("min({n}, {last_key})"));
        let right = Columns::new(s, scores, &own, &block.pixels[0]);
        let raw = multiply(s, block, right, &left);
        let is_there = format!("vec4<u32>({n}) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>({keys})");
        let is_there = s.bind("o", is_there);
        let found = s.for_all(block.pixels.iter().zip(&raw), |s, ([batch, row, pixel], raw)| {
            let index = [batch.clone(), row.clone(), pixel.clone(), own.clone()];
            let value = epilogue(s, &scores.epilogue, 3, &index, raw, Lanes::Four);
            s.bind("s", format!("select(vec4<f32>({LOWEST}), {value}, {is_there})"))
        });
        rows.add(s, &found, &is_there);
        s.count_operands_from(second);
        rows.multiply(s, values, block, (key, &keys));
        s.count_operands_from(0);
    });
    rows.divide(s);
    rows.sums
}

/// What an invocation knows of its rows, in variables.
struct Rows<'a> {
    /// Its row and its column in the workgroup.
    at: [&'a str; 2],
    /// The largest score of each.
    most: Vec<String>,
    /// Sums of powers, of its own keys.
    total: Vec<String>,
    /// Sums of values, for each block of channels.
    sums: Vec<Vec<String>>,
}

impl Rows<'_> {
    /// Where the workgroup's numbers for a row begin.
    fn shared(&self, i: usize) -> String {
        format!("of_rows[({} + {}u) * {SIDE}u", self.at[0], SIDE * i)
    }

    /// Adds the powers of scores, leaves them in the block of the left side, and scales what was summed up.
    fn add(&self, s: &mut Shader, scores: &[String], is_there: &str) {
        let [row, column] = self.at;
        for (i, score) in scores.iter().enumerate() {
            let largest = format!("max(max({score}.x, {score}.y), max({score}.z, {score}.w))");
            s.line(format!("{} + {column}] = {largest};", self.shared(i)));
        }
        s.line("workgroupBarrier();");
        for (i, score) in scores.iter().enumerate() {
            let (most, total) = (&self.most[i], &self.total[i]);
            let now = s.variable("m", most);
            s.count(&format!("{SIDE}u"), 1, |s, j| {
                s.line(format!("{now} = max({now}, {} + {j}]);", self.shared(i)));
            });
            // Powers below that are zero.
            let scale = s.bind("z", format!("exp(max({most} - {now}, -104.0f))"));
            let power = format!("select({ZEROS}, exp({score} - vec4<f32>({now})), {is_there})");
            let power = s.bind("p", power);
            s.line(format!("{most} = {now};"));
            let sum = format!("{power}.x + {power}.y + {power}.z + {power}.w");
            s.line(format!("{total} = {total} * {scale} + ({sum});"));
            let to = format!("({row} + {}u) * {STEP}u + {column}", SIDE * i);
            s.line(format!("left[{to}] = {power};"));
            for sums in &self.sums {
                s.line(format!("{} *= {scale};", sums[i]));
            }
        }
    }

    /// Adds the products of the powers with values from a key on.
    fn multiply(&self, s: &mut Shader, values: &Contract, block: &Block<'_>, (key, keys): (&str, &str)) {
        let column = self.at[1];
        let last = s.number((values.dims[3] - 1) / 4 * 4);
        s.for_all(self.sums.iter().enumerate(), |s, (number, sums)| {
            let n = format!("min({column} * {EACH}u + {}u, {last})", BLOCK * number);
            let n = s.bind("n", n);
            let right = Columns::new(s, values, &n, &block.pixels[0]);
            load_right(s, self.at, &right, (key, keys));
            s.line("workgroupBarrier();");
            accumulate(s, self.at, sums);
            s.line("workgroupBarrier();");
        });
    }

    /// Divides by the sums of powers of all columns.
    fn divide(&self, s: &mut Shader) {
        for (i, total) in self.total.iter().enumerate() {
            s.line(format!("{} + {}] = {total};", self.shared(i), self.at[1]));
            s.line(format!("{total} = 0.0f;"));
        }
        s.line("workgroupBarrier();");
        for (i, total) in self.total.iter().enumerate() {
            s.count(&format!("{SIDE}u"), 1, |s, j| {
                s.line(format!("{total} += {} + {j}];", self.shared(i)));
            });
            for sums in &self.sums {
                s.line(format!("{} /= {total};", sums[i]));
            }
        }
    }
}
