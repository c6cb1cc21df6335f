//! What all matrix products share: results in registers while the contraction is walked.

use super::Features;
use super::asm::Asm;
use walrus::LocalId;
use walrus::ir::BinaryOp;

/// Most pixels of a tile. With fused multiply-add 6 x 8 channels take 12 accumulators, two weights and one input:
/// the 15 registers that V8 has; a separate multiplication needs one more.
pub(super) fn tile_pixels(features: Features, width: usize) -> usize {
    match (features, width) {
        (Features::Relaxed, 0..=8) => 6,
        (Features::Baseline, 0..=8) => 4,
        _ => 1,
    }
}

/// How a row is divided into tiles: `count` tiles, the first `large` of `size` pixels, the others of one less.
#[derive(Clone, Copy)]
pub(super) struct Tiling {
    pub count: usize,
    pub size: usize,
    pub large: usize,
}

impl Tiling {
    pub fn new(pixels: usize, most: usize) -> Self {
        let count = pixels.div_ceil(most);
        let size = pixels.div_ceil(count);
        let large = count - (count * size - pixels);
        Self { count, size, large }
    }
}

/// A register tile's way through the contraction: `acc[pixel][vector] += a[pixel, k] * b[k, vector]`, where `k` runs
/// over taps and, for each, over `run` contiguous elements of `a`.
pub(super) struct Walk<'k> {
    /// Taps around a run, outermost first: count and distance.
    pub taps: &'k [(usize, usize)],
    /// Contiguous elements for each tap.
    pub run: usize,
    /// Distance in `a` between two pixels.
    pub pixel: usize,
    /// Distance in `b` between two rows.
    pub row: usize,
    /// What is brought into the cache meanwhile.
    pub ahead: Option<Ahead>,
}

/// Weights that are touched while a tile is computed, so that they are in the cache when their turn comes.
///
/// The first tile of a panel would have to wait for its weights, since it takes them faster than memory gives them,
/// and the others find them in the cache. Touching a share of the next panel during each tile evens this out: 49
/// pixels reach 98 % of the peak where they reached 82 %.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// A share of the next panel; it is walked.
    pub at: LocalId,
    /// Bytes from touch to touch.
    pub step: usize,
}

/// Elements of the contraction in one turn of the innermost loop. One without fused multiply-add: Node 20 has no relaxed
/// SIMD, and its V8 moves all loads of a turn to its beginning, where those of several elements need more registers
/// than there are.
fn unroll(features: Features, run: usize) -> usize {
    match (features, run) {
        (Features::Baseline, _) => 1,
        (Features::Relaxed, 0..=4) => run,
        (Features::Relaxed, _) => [4, 3, 2]
            .into_iter()
            .find(|&u| run.is_multiple_of(u))
            .unwrap_or(2),
    }
}

/// The bytes from touch to touch if `tiles` that walk `k` elements in runs of `run` together touch `bytes`, and the
/// bytes of each tile's share.
pub(super) fn shares(features: Features, bytes: usize, tiles: usize, k: usize, run: usize) -> (usize, usize) {
    let touches = k / run * (run / unroll(features, run));
    // Rounded down: touches must not go far beyond the panel, which may be the last thing in memory.
    let step = (bytes / (tiles * touches)).max(1);
    (step, touches * step)
}

impl Walk<'_> {
    /// Emits it; `a` and `b` are advanced.
    pub fn emit(&self, asm: &mut Asm<'_>, a: LocalId, b: LocalId, acc: &[Vec<LocalId>]) {
        self.taps(asm, a, b, acc, self.taps);
    }

    /// Loops over taps, outermost first, then over the run.
    fn taps(&self, asm: &mut Asm<'_>, a: LocalId, b: LocalId, acc: &[Vec<LocalId>], taps: &[(usize, usize)]) {
        let Some((&(count, stride), inner)) = taps.split_first() else {
            return self.run(asm, a, b, acc);
        };
        // Where `a` stands after the inner loops.
        let walked = inner.first().map_or(self.run, |&(count, stride)| count * stride);
        asm.times_do(count, |asm| {
            self.taps(asm, a, b, acc, inner);
            asm.advance(a, (stride as i64 - walked as i64) * 4);
        });
    }

    /// Walks `run` elements: a whole number of unrolled steps, then the rest.
    fn run(&self, asm: &mut Asm<'_>, a: LocalId, b: LocalId, acc: &[Vec<LocalId>]) {
        let unroll = unroll(asm.cx.features, self.run);
        let (steps, rest) = (self.run / unroll, self.run % unroll);
        let some = |asm: &mut Asm<'_>, count: usize| {
            if let Some(Ahead { at, step }) = self.ahead.filter(|_| count == unroll) {
                asm.get(at);
                asm.load_i32(0);
                asm.push(walrus::ir::Drop {});
                asm.advance(at, step as i64);
            }
            for i in 0..count {
                self.step(asm, a, b, acc, i);
            }
            asm.advance(b, (count * self.row) as i64 * 4);
        };
        if steps == 1 {
            some(asm, unroll);
            asm.advance(a, unroll as i64 * 4);
        } else {
            let end = asm.i32();
            asm.add_to(end, a, (steps * unroll) as i64 * 4);
            asm.repeat(|asm, top| {
                some(asm, unroll);
                asm.get(a);
                asm.int(unroll as i32 * 4);
                asm.binary(BinaryOp::I32Add);
                asm.tee(a);
                asm.get(end);
                asm.binary(BinaryOp::I32Ne);
                asm.br_if(top);
            });
        }
        if rest > 0 {
            some(asm, rest);
            asm.advance(a, rest as i64 * 4);
        }
    }

    /// One element of the contraction.
    fn step(&self, asm: &mut Asm<'_>, a: LocalId, b: LocalId, acc: &[Vec<LocalId>], i: usize) {
        match acc {
            [pixel] => self.stream(asm, a, b, pixel, i),
            pixels => self.hold(asm, a, b, pixels, i),
        }
    }

    /// Of a single pixel: no weight is used twice, so that none takes a register for longer than it must. Eight accumulators
    /// and as many weights would be more than there are.
    fn stream(&self, asm: &mut Asm<'_>, a: LocalId, b: LocalId, pixel: &[LocalId], i: usize) {
        let [input, weight] = [asm.v128(), asm.v128()];
        asm.get(a);
        asm.load_splat(i * 4);
        asm.set(input);
        for (v, &acc) in pixel.iter().enumerate() {
            asm.get(b);
            asm.load_v128((i * self.row + 4 * v) * 4);
            asm.set(weight);
            asm.multiply_add(acc, input, weight);
        }
        asm.release([input, weight]);
    }

    /// A row of weights is held, inputs are splatted one after the other.
    fn hold(&self, asm: &mut Asm<'_>, a: LocalId, b: LocalId, acc: &[Vec<LocalId>], i: usize) {
        let weights = asm.v128s(acc[0].len());
        for (v, &weight) in weights.iter().enumerate() {
            asm.get(b);
            asm.load_v128((i * self.row + 4 * v) * 4);
            asm.set(weight);
        }
        let input = asm.v128();
        for (pixel, accumulators) in acc.iter().enumerate() {
            asm.get(a);
            asm.load_splat((pixel * self.pixel + i) * 4);
            asm.set(input);
            for (&acc, &weight) in accumulators.iter().zip(&weights) {
                asm.multiply_add(acc, input, weight);
            }
        }
        asm.release(weights);
        asm.release([input]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_within_the_slack_behind_the_arena() {
        for features in [Features::Baseline, Features::Relaxed] {
            for (tiles, run, taps) in
                (2..=36).flat_map(|t| [(t, 4, 9), (t, 147, 1), (t, 512, 9), (t, 2048, 1)])
            {
                let k = run * taps;
                let panel = (k + 1) * 8 * 4;
                let (step, share) = shares(features, panel, tiles, k, run);
                assert!(
                    step > 0 && tiles * share <= panel * 5 / 4,
                    "{features:?} {tiles} tiles of {k}"
                );
            }
        }
    }
}
