//! Hashes of TensorFlow, in plain arithmetic: FarmHash' fingerprint, SipHash-2-4 and the hash of a crossing.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn mixed(value: u64) -> u64 {
    value ^ (value >> 47)
}

fn joined(u: u64, v: u64, factor: u64) -> u64 {
    let a = mixed((u ^ v).wrapping_mul(factor));
    mixed((v ^ a).wrapping_mul(factor)).wrapping_mul(factor)
}

/// `farmhashna::HashLen0to16`.
fn short(s: &[u8]) -> u64 {
    let length = s.len();
    let factor = K2.wrapping_add(2 * length as u64);
    if length >= 8 {
        let a = word(s, 0).wrapping_add(K2);
        let b = word(s, length - 8);
        let c = b.rotate_right(37).wrapping_mul(factor).wrapping_add(a);
        let d = a.rotate_right(25).wrapping_add(b).wrapping_mul(factor);
        return joined(c, d, factor);
    }
    if length >= 4 {
        let half = |at: usize| u64::from(u32::from_le_bytes(s[at..at + 4].try_into().expect("four bytes")));
        return joined(length as u64 + (half(0) << 3), half(length - 4), factor);
    }
    if length == 0 {
        return K2;
    }
    let y = u64::from(s[0]) + (u64::from(s[length >> 1]) << 8);
    let z = length as u64 + (u64::from(s[length - 1]) << 2);
    mixed(y.wrapping_mul(K2) ^ z.wrapping_mul(K0)).wrapping_mul(K2)
}

/// `farmhashna::HashLen17to32` and `HashLen33to64`.
fn middle(s: &[u8]) -> u64 {
    let length = s.len();
    let factor = K2.wrapping_add(2 * length as u64);
    let a = word(s, 0).wrapping_mul(if length > 32 { K2 } else { K1 });
    let b = word(s, 8);
    let c = word(s, length - 8).wrapping_mul(factor);
    let d = word(s, length - 16).wrapping_mul(K2);
    let y = a
        .wrapping_add(b)
        .rotate_right(43)
        .wrapping_add(c.rotate_right(30))
        .wrapping_add(d);
    let turned = b.wrapping_add(K2).rotate_right(18);
    let z = joined(y, a.wrapping_add(turned).wrapping_add(c), factor);
    if length <= 32 {
        return z;
    }
    let e = word(s, 16).wrapping_mul(factor);
    let f = word(s, 24);
    let g = y.wrapping_add(word(s, length - 32)).wrapping_mul(factor);
    let h = z.wrapping_add(word(s, length - 24)).wrapping_mul(factor);
    let first = e
        .wrapping_add(f)
        .rotate_right(43)
        .wrapping_add(g.rotate_right(30))
        .wrapping_add(h);
    let second = e.wrapping_add(f.wrapping_add(a).rotate_right(18)).wrapping_add(g);
    joined(first, second, factor)
}

fn weak(s: &[u8], a: u64, b: u64) -> (u64, u64) {
    let a = a.wrapping_add(word(s, 0));
    let b = b.wrapping_add(a).wrapping_add(word(s, 24)).rotate_right(21);
    let c = a;
    let a = a.wrapping_add(word(s, 8)).wrapping_add(word(s, 16));
    (
        a.wrapping_add(word(s, 24)),
        b.wrapping_add(a.rotate_right(44)).wrapping_add(c),
    )
}

/// The state of `farmhashna::Hash64` for more than 64 bytes.
struct Long {
    x: u64,
    y: u64,
    z: u64,
    v: (u64, u64),
    w: (u64, u64),
}

impl Long {
    fn round(&mut self, s: &[u8], factor: u64, times: u64) {
        let Self { x, y, z, v, w } = self;
        let sum = x.wrapping_add(*y).wrapping_add(v.0).wrapping_add(word(s, 8));
        *x = sum.rotate_right(37).wrapping_mul(factor) ^ w.1.wrapping_mul(times);
        let sum = y.wrapping_add(v.1).wrapping_add(word(s, 48));
        let turned = sum.rotate_right(42).wrapping_mul(factor);
        *y = turned
            .wrapping_add(v.0.wrapping_mul(times))
            .wrapping_add(word(s, 40));
        *z = z.wrapping_add(w.0).rotate_right(33).wrapping_mul(factor);
        *v = weak(s, v.1.wrapping_mul(factor), x.wrapping_add(w.0));
        *w = weak(&s[32..], z.wrapping_add(w.1), y.wrapping_add(word(s, 16)));
        std::mem::swap(z, x);
    }
}

/// `farmhashna::Hash64`.
pub fn fingerprint(s: &[u8]) -> u64 {
    match s.len() {
        0..=16 => return short(s),
        17..=64 => return middle(s),
        _ => {}
    }
    let y = 81_u64.wrapping_mul(K1).wrapping_add(113);
    let mut all = Long {
        x: 81_u64.wrapping_mul(K2).wrapping_add(word(s, 0)),
        y,
        z: mixed(y.wrapping_mul(K2).wrapping_add(113)).wrapping_mul(K2),
        v: (0, 0),
        w: (0, 0),
    };
    let rest = (s.len() - 1) & 63;
    let end = s.len() - 1 - rest;
    for at in (0..end).step_by(64) {
        all.round(&s[at..], K1, 1);
    }
    let factor = K1.wrapping_add((all.z & 0xff) << 1);
    all.w.0 = all.w.0.wrapping_add(rest as u64);
    all.v.0 = all.v.0.wrapping_add(all.w.0);
    all.w.0 = all.w.0.wrapping_add(all.v.0);
    all.round(&s[s.len() - 64..], factor, 9);
    let Long { x, y, z, v, w } = all;
    let first = joined(v.0, w.0, factor)
        .wrapping_add(mixed(y).wrapping_mul(K0))
        .wrapping_add(z);
    joined(first, joined(v.1, w.1, factor).wrapping_add(x), factor)
}

/// SipHash-2-4.
pub fn sip(bytes: &[u8], key: [u64; 2]) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let round = |v: &mut [u64; 4]| {
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    };
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len() / 8 * 8 + 8, 0);
    *padded.last_mut().expect("at least eight") = bytes.len() as u8;
    for at in (0..padded.len()).step_by(8) {
        let word = word(&padded, at);
        v[3] ^= word;
        (0..2).for_each(|_| round(&mut v));
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// `FingerprintCat64` of all, one after the other, from the key of `tf.sparse.cross_hashed` on.
pub fn crossed(hashes: impl IntoIterator<Item = u64>) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    hashes.into_iter().fold(0xdecaf_caffe, |all, hash| {
        let part = mixed(hash.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
        let next = (all ^ FACTOR ^ part).wrapping_mul(FACTOR);
        mixed(mixed(next).wrapping_mul(FACTOR))
    })
}

#[cfg(test)]
mod tests {
    use super::{crossed, fingerprint, sip};
    use serde_json::Value;

    #[test]
    fn hashes_are_those_of_tensorflow() {
        let table: Value = serde_json::from_str(include_str!("../web/support/hashes.json")).expect("JSON");
        let number = |value: &Value| {
            value
                .as_str()
                .expect("a number")
                .parse::<u64>()
                .expect("a number")
        };
        let bins = number(&table["bins"]);
        let key = [number(&table["key"][0]), number(&table["key"][1])];
        for row in table["rows"].as_array().expect("rows") {
            let text = row[0].as_str().expect("a text");
            let column: i64 = row[1].as_str().expect("a number").parse().expect("a number");
            let print = fingerprint(text.as_bytes());
            let found = [print, sip(text.as_bytes(), key), crossed([print, column as u64])];
            assert_eq!(
                found.map(|hash| hash % bins),
                [2, 3, 4].map(|place| number(&row[place])),
                "{text}"
            );
        }
    }
}
