//! Mutations of JSON and of bytes.

use serde_json::{Map, Value, json};

/// A generator of numbers that is the same everywhere (splitmix64).
pub struct Random(u64);

impl Random {
    /// The numbers of a run.
    pub fn new(number: u64) -> Self {
        Self(number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.next().checked_rem(limit as u64).unwrap_or(0) as usize
    }
    /// Whether something happens that does so once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
    /// One of several things.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }
}

/// Words that mean something to some layer.
const WORDS: &[&str] = &[
    "valid",
    "same",
    "causal",
    "channels_first",
    "channels_last",
    "relu",
    "softmax",
    "gelu",
    "linear",
    "swish",
    "elu",
    "sigmoid",
    "tanh",
    "exponential",
    "selu",
    "bilinear",
    "nearest",
    "bicubic",
    "sum",
    "mul",
    "ave",
    "concat",
    "float16",
    "int32",
    "float32",
    "bool",
    "",
    "None",
    "constant",
    "reflect",
    "symmetric",
    "multi_hot",
    "int",
    "Dense",
    "a",
];

/// Puts something else in the place of a value: mostly of its own kind.
pub fn odd(random: &mut Random, value: &mut Value) {
    if random.once_in(8) {
        *value = other(random);
        return;
    }
    match value {
        Value::Null => *value = other(random),
        Value::Bool(flag) => *flag = !*flag,
        Value::Number(_) => *value = number(random),
        Value::String(text) => *text = WORDS[random.below(WORDS.len())].to_owned(),
        Value::Array(items) => list(random, items),
        Value::Object(map) => object(random, map),
    }
}

fn number(random: &mut Random) -> Value {
    let small = random.below(9);
    match random.below(16) {
        0 => json!(-(small as i64)),
        1 => json!(0.5),
        2 => json!(0),
        3 => json!(1e-3 * small as f64),
        4 => json!([255, 1_000, 65_537, 1_000_003][random.below(4)]),
        5 => json!([i64::MAX, i64::MIN, 1 << 31, (1 << 31) - 1, 1 << 32][random.below(5)]),
        6 => json!([1e300, -1e300, 1e-300, -0.0][random.below(4)]),
        _ => json!(small),
    }
}

fn other(random: &mut Random) -> Value {
    match random.below(7) {
        0 => Value::Null,
        1 => json!(random.once_in(2)),
        2 => json!([]),
        3 => json!([1, 2, 3][..random.below(4)]),
        4 => json!({}),
        5 => json!(WORDS[random.below(WORDS.len())]),
        _ => number(random),
    }
}

fn list(random: &mut Random, items: &mut Vec<Value>) {
    let at = random.below(items.len());
    match random.below(6) {
        0 => items.truncate(at),
        1 if items.len() < 12 => items.extend(items.clone()),
        2 if !items.is_empty() => {
            items.remove(at);
        }
        3 => items.reverse(),
        _ => match items.get_mut(at) {
            Some(item) => odd(random, item),
            None => items.push(other(random)),
        },
    }
}

fn object(random: &mut Random, map: &mut Map<String, Value>) {
    let keys: Vec<_> = map.keys().cloned().collect();
    let Some(key) = random.pick(&keys) else { return };
    match random.below(8) {
        0 => {
            map.remove(key);
        }
        1 => {
            map.insert(format!("{key}_"), json!(1));
        }
        _ => {
            if let Some(value) = map.get_mut(key) {
                odd(random, value);
            }
        }
    }
}

/// Damages bytes in a few places: flips, sizes, cuts, copies.
pub fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let (length, at) = (bytes.len(), random.below(bytes.len()));
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => {
                let from = random.below(length);
                let part = bytes[from..length.min(from + random.below(64))].to_vec();
                let end = length.min(at + part.len());
                bytes[at..end].copy_from_slice(&part[..end - at]);
            }
            2 | 3 => {
                let size = [1, 2, 4, 8][random.below(4)].min(length - at);
                let number = [0, 1, u64::MAX, 1 << 31, 1 << 20, length as u64][random.below(6)];
                bytes[at..at + size].copy_from_slice(&number.to_le_bytes()[..size]);
            }
            _ if length > 0 => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
}
