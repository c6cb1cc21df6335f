//! Numbers near those of a constant that can be written in fewer bits.

use crate::tensor::encoded::LEVELS;
use crate::tensor::{Encoded, Encoding, Grouping};
use half::f16;

/// Rows that share the scales of four bits: more of them make the error larger, fewer the file.
pub(super) const ROWS: usize = 64;

/// The largest number that half precision has.
const LARGEST_HALF: f32 = 65_504.0;

/// Parts of the range from -1 to 1 in which numbers count as equal where levels are looked for.
const BINS: usize = 4096;

/// How often levels are moved to the means of what is nearest to them.
const ROUNDS: usize = 40;

/// Why a constant cannot have an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It has infinities or NaN.
    NotFinite,
    /// It has numbers beyond those of half precision.
    TooLarge,
}

/// Encodes matrices `[k, lanes]` of `block` elements, which follow each other; gives what they are made of and the numbers.
///
/// # Errors
/// When some of the numbers have no code.
pub fn encode(
    data: &[f32],
    [block, lanes]: [usize; 2],
    encoding: Encoding,
) -> Result<(Encoded, Vec<f32>), Unfit> {
    if let Some(unfit) = unfit(data, encoding) {
        return Err(unfit);
    }
    let rows = (block / lanes).max(1);
    let grouping = Grouping {
        block,
        lanes,
        rows: match encoding {
            Encoding::F16 | Encoding::Int8 => rows,
            Encoding::Int4 => rows.min(ROWS),
        },
        head: false,
    };
    let encoded = Encoded {
        encoding,
        grouping,
        table: [0.0; LEVELS],
        scales: Vec::new(),
        multiplied: false,
    };
    match encoding {
        Encoding::F16 => Ok(halves(data, encoded)),
        Encoding::Int8 => Ok(bytes(data, encoded)),
        Encoding::Int4 => Ok(nibbles(data, encoded)),
    }
}

/// Why numbers have no code, if some have none.
pub(super) fn unfit(data: &[f32], encoding: Encoding) -> Option<Unfit> {
    if !data.iter().all(|value| value.is_finite()) {
        return Some(Unfit::NotFinite);
    }
    let large = encoding == Encoding::F16 && data.iter().any(|value| value.abs() > LARGEST_HALF);
    large.then_some(Unfit::TooLarge)
}

/// To the nearest, of two equally near ones to the even one.
fn halves(data: &[f32], encoded: Encoded) -> (Encoded, Vec<f32>) {
    let numbers = data.iter().map(|&value| f16::from_f32(value).to_f32());
    (encoded, numbers.collect())
}

/// For each group, its element of the largest magnitude.
fn peaks(data: &[f32], grouping: &Grouping) -> Vec<f32> {
    let mut peaks = vec![0.0_f32; grouping.scales(data.len())];
    for (i, &value) in data.iter().enumerate() {
        if let Some(peak) = grouping.group(i).map(|group| &mut peaks[group])
            && value.abs() > peak.abs()
        {
            *peak = value;
        }
    }
    peaks
}

/// The scale of a group by an element.
fn scale(encoded: &Encoded, element: usize) -> f32 {
    let group = encoded.grouping.group(element);
    let own = group.and_then(|group| encoded.scales.get(group));
    own.copied().unwrap_or(0.0)
}

/// A 127th of a group's largest magnitude, times the nearest integer.
fn bytes(data: &[f32], mut encoded: Encoded) -> (Encoded, Vec<f32>) {
    let of = |peak: &f32| {
        let scale = peak.abs() / 127.0;
        // Where floats are so small that they are no longer dense, the next larger one reaches all.
        if scale * 127.5 < peak.abs() {
            scale.next_up()
        } else {
            scale
        }
    };
    encoded.scales = peaks(data, &encoded.grouping).iter().map(of).collect();
    let number = |(i, &value): (usize, &f32)| {
        let scale = scale(&encoded, i);
        if scale == 0.0 {
            return 0.0;
        }
        let code = (f64::from(value) / f64::from(scale))
            .round_ties_even()
            .clamp(-127.0, 127.0);
        // An integer, of which zero has no sign.
        f32::from(code as i8) * scale
    };
    let numbers = data.iter().enumerate().map(number).collect();
    (encoded, numbers)
}

/// Sixteen levels, evenly spread or where they are needed most, whichever errs less.
fn nibbles(data: &[f32], encoded: Encoded) -> (Encoded, Vec<f32>) {
    let peaks = peaks(data, &encoded.grouping);
    let even = Encoded {
        // The largest element of a group is a level itself, the first.
        scales: peaks.iter().map(|peak| peak / -8.0).collect(),
        table: std::array::from_fn(|i| i as f32 - 8.0),
        ..encoded.clone()
    };
    let mut fitted = Encoded {
        scales: peaks.iter().map(|peak| peak.abs()).collect(),
        ..encoded
    };
    fitted.table = levels(data, &fitted);
    let [even, fitted] = [even, fitted].map(|encoded| {
        let numbers = nearest(data, &encoded);
        (encoded, numbers)
    });
    let error = |numbers: &[f32]| -> f64 {
        let both = data.iter().zip(numbers);
        both.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
    };
    if error(&fitted.1) < error(&even.1) {
        fitted
    } else {
        even
    }
}

/// The nearest numbers that scales and levels in rising order can make.
fn nearest(data: &[f32], encoded: &Encoded) -> Vec<f32> {
    let table = encoded.table;
    let middle = |i: usize| f64::midpoint(f64::from(table[i]), f64::from(table[i + 1]));
    let middles: [f64; LEVELS - 1] = std::array::from_fn(middle);
    let number = |(i, &value): (usize, &f32)| {
        let scale = scale(encoded, i);
        if scale == 0.0 {
            return 0.0;
        }
        let share = f64::from(value) / f64::from(scale);
        table[middles.partition_point(|&middle| middle < share)] * scale
    };
    data.iter().enumerate().map(number).collect()
}

/// Levels for what the elements are of their group's largest, by k-means in one dimension (Lloyd, Least squares quantization in PCM,
/// 1982): begun at shares of all elements, which count by the square of their scale, as their errors do.
fn levels(data: &[f32], encoded: &Encoded) -> [f32; LEVELS] {
    let mut weights = vec![0.0_f64; BINS];
    let mut sums = vec![0.0_f64; BINS];
    for (i, &value) in data.iter().enumerate() {
        let scale = f64::from(scale(encoded, i));
        if scale > 0.0 {
            let share = f64::from(value) / scale;
            let bin = ((share + 1.0) / 2.0 * BINS as f64) as usize;
            let bin = bin.min(BINS - 1);
            weights[bin] += scale * scale;
            sums[bin] += scale * scale * share;
        }
    }
    let below = |weights: &[f64]| -> Vec<f64> {
        let mut sum = 0.0;
        let running = weights.iter().map(|weight| {
            sum += weight;
            sum
        });
        std::iter::once(0.0).chain(running).collect()
    };
    let [weights, sums] = [below(&weights), below(&sums)];
    // The mean of bins; where there is nothing, the level stays.
    let mean = |from: usize, to: usize, old: f64| {
        let weight = weights[to] - weights[from];
        if weight > 0.0 {
            (sums[to] - sums[from]) / weight
        } else {
            old
        }
    };
    let place = |share: f64| {
        weights
            .partition_point(|&weight| weight < share * weights[BINS])
            .clamp(1, BINS)
            - 1
    };
    let at = |bin: usize| (bin as f64 + 0.5) / BINS as f64 * 2.0 - 1.0;
    let mut levels: [f64; LEVELS] = std::array::from_fn(|i| at(place((i as f64 + 0.5) / LEVELS as f64)));
    for _ in 0..ROUNDS {
        let mut from = 0;
        let old = levels;
        for i in 0..LEVELS {
            let end = old.get(i + 1).map_or(1.0, |next| f64::midpoint(old[i], *next));
            let to = (((end + 1.0) / 2.0 * BINS as f64) as usize).clamp(from, BINS);
            let to = if i + 1 == LEVELS { BINS } else { to };
            levels[i] = mean(from, to, old[i]);
            from = to;
        }
        // What had nothing may lie behind its neighbour.
        levels.sort_by(f64::total_cmp);
    }
    let mut table = levels.map(|level| level as f32);
    // Zeros around the weights need a level without a sign.
    table[LEVELS - 1] = table[LEVELS - 1].max(0.0);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers with the bell shape of weights, some of them zero.
    fn weights(count: usize) -> Vec<f32> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        let number = |i: usize| {
            if i.is_multiple_of(97) {
                0.0
            } else {
                0.1 * (next() + next() + next())
            }
        };
        (0..count).map(number).collect()
    }

    #[test]
    fn every_encoding_keeps_its_bound() {
        let (block, lanes) = (200 * 24, 24);
        let mut data = weights(2 * block);
        // A group of zeros, and a tiny one.
        (0..200).for_each(|row| data[row * lanes] = 0.0);
        (0..200).for_each(|row| data[row * lanes + 1] *= 1e-42);
        for encoding in Encoding::ALL {
            let (encoded, numbers) = encode(&data, [block, lanes], encoding).unwrap();
            assert!(encoded.fits(&numbers), "{encoding}");
            let table = encoded.table.map(f64::from);
            let gaps = table.windows(2).map(|pair| pair[1] - pair[0]);
            let ends = [2.0 * (table[0] + 1.0), 2.0 * (1.0 - table[15])];
            let widest = gaps.chain(ends).fold(0.0, f64::max);
            for (i, (&value, &number)) in data.iter().zip(&numbers).enumerate() {
                let (value, number) = (f64::from(value), f64::from(number));
                let scale = f64::from(scale(&encoded, i));
                let bound = match encoding {
                    Encoding::F16 => (value.abs() / 2048.0).max(2_f64.powi(-25)),
                    Encoding::Int8 => scale * 0.500_001,
                    Encoding::Int4 if table[0] == -8.0 => scale.abs() * 1.000_001,
                    Encoding::Int4 => scale * widest / 2.0 * 1.000_01 + 2_f64.powi(-149),
                };
                assert!(
                    (value - number).abs() <= bound,
                    "{encoding} {i}: {value} {number}"
                );
            }
        }
    }

    #[test]
    fn half_precision_rounds_to_even() {
        let data = [1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0, -0.0, 65_504.0, 65_500.0];
        let (_, numbers) = encode(&data, [5, 1], Encoding::F16).unwrap();
        assert_eq!(numbers, [1.0, 1.0 + 4.0 / 2048.0, -0.0, 65_504.0, 65_504.0]);
        assert!(numbers[2].is_sign_negative());
    }

    #[test]
    fn numbers_without_a_code_are_refused() {
        for encoding in Encoding::ALL {
            for value in [f32::NAN, f32::INFINITY] {
                assert_eq!(
                    encode(&[1.0, value], [2, 1], encoding).unwrap_err(),
                    Unfit::NotFinite
                );
            }
            let large = encode(&[65_505.0, -1.0], [2, 1], encoding).err();
            assert_eq!(large, (encoding == Encoding::F16).then_some(Unfit::TooLarge));
        }
    }

    #[test]
    fn levels_go_where_numbers_are() {
        // Sixteen numbers that are not evenly spread are levels themselves.
        let numbers: Vec<f32> = (0..16).map(|i| (i as f32 - 7.5).powi(3) / 421.875).collect();
        let data: Vec<f32> = (0..64 * 20).map(|i| numbers[i * 7 % 16]).collect();
        let (encoded, found) = encode(&data, [64, 1], Encoding::Int4).unwrap();
        assert_ne!(encoded.table[0], -8.0);
        for (a, b) in data.iter().zip(found) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }
}
