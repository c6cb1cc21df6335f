//! Numbers as files store them, to f32.

use half::{bf16, f16};
use std::sync::Arc;

/// How one number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// IEEE 754 binary16.
    Float16 { little: bool },
    /// The upper half of a binary32.
    BFloat16 { little: bool },
    /// IEEE 754 binary32.
    Float32 { little: bool },
    /// IEEE 754 binary64.
    Float64 { little: bool },
    /// Two's complement or unsigned, of 1, 2, 4 or 8 bytes.
    Integer { width: u8, signed: bool, little: bool },
}

impl Encoding {
    /// A float of `size` bytes with these sizes of exponent and mantissa and that bias.
    pub(super) fn float(size: u32, bits: (u8, u8, u32), little: bool) -> Option<Self> {
        match (size, bits) {
            (2, (5, 10, 15)) => Some(Self::Float16 { little }),
            (2, (8, 7, 127)) => Some(Self::BFloat16 { little }),
            (4, (8, 23, 127)) => Some(Self::Float32 { little }),
            (8, (11, 52, 1023)) => Some(Self::Float64 { little }),
            _ => None,
        }
    }
    /// An integer of `size` bytes.
    pub(super) fn integer(size: u32, signed: bool, little: bool) -> Option<Self> {
        let width = u8::try_from(size).ok()?;
        matches!(width, 1 | 2 | 4 | 8).then_some(Self::Integer {
            width,
            signed,
            little,
        })
    }
    /// Bytes of one number.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Float16 { .. } | Self::BFloat16 { .. } => 2,
            Self::Float32 { .. } => 4,
            Self::Float64 { .. } => 8,
            Self::Integer { width, .. } => usize::from(width),
        }
    }
}

/// Converts whole numbers; bytes that do not fill one are left. As Keras converts whatever it finds to the type of
/// its variable, integers become floats.
pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> Arc<[f32]> {
    match encoding {
        Encoding::Float32 { little } => each(bytes, little, f32::from_le_bytes),
        Encoding::Float64 { little } => each(bytes, little, |b| f64::from_le_bytes(b) as f32),
        Encoding::Float16 { little } => each(bytes, little, |b| f16::from_le_bytes(b).to_f32()),
        Encoding::BFloat16 { little } => each(bytes, little, |b| bf16::from_le_bytes(b).to_f32()),
        Encoding::Integer {
            width,
            signed: true,
            little,
        } => match width {
            1 => each(bytes, little, |b| f32::from(i8::from_le_bytes(b))),
            2 => each(bytes, little, |b| f32::from(i16::from_le_bytes(b))),
            4 => each(bytes, little, |b| i32::from_le_bytes(b) as f32),
            _ => each(bytes, little, |b| i64::from_le_bytes(b) as f32),
        },
        Encoding::Integer { width, little, .. } => match width {
            1 => each(bytes, little, |b| f32::from(u8::from_le_bytes(b))),
            2 => each(bytes, little, |b| f32::from(u16::from_le_bytes(b))),
            4 => each(bytes, little, |b| u32::from_le_bytes(b) as f32),
            _ => each(bytes, little, |b| u64::from_le_bytes(b) as f32),
        },
    }
}

/// Numbers of `N` bytes, which `convert` takes with the least significant first. One allocation: the iterator knows
/// its length.
fn each<const N: usize>(bytes: &[u8], little: bool, convert: impl Fn([u8; N]) -> f32) -> Arc<[f32]> {
    let (numbers, _) = bytes.as_chunks::<N>();
    let ordered = |mut number: [u8; N]| {
        if !little {
            number.reverse();
        }
        convert(number)
    };
    numbers.iter().map(|number| ordered(*number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f32s(bytes: &[u8], encoding: Encoding) -> Vec<f32> {
        decode(bytes, encoding).to_vec()
    }

    fn integers(bytes: &[u8], width: u8, signed: bool, little: bool) -> Vec<f32> {
        let encoding = Encoding::Integer {
            width,
            signed,
            little,
        };
        f32s(bytes, encoding)
    }

    #[test]
    fn floats() {
        let (little, big) = (true, false);
        assert_eq!(f32s(&1.5f32.to_le_bytes(), Encoding::Float32 { little }), [1.5]);
        assert_eq!(
            f32s(&1.5f32.to_be_bytes(), Encoding::Float32 { little: big }),
            [1.5]
        );
        assert_eq!(
            f32s(&(-2.25f64).to_be_bytes(), Encoding::Float64 { little: big }),
            [-2.25]
        );
        assert_eq!(f32s(&[0x00, 0x3e], Encoding::Float16 { little }), [1.5]);
        assert_eq!(f32s(&[0xc0, 0x3f], Encoding::BFloat16 { little }), [1.5]);
        assert_eq!(f32s(&[0x3f, 0xc0], Encoding::BFloat16 { little: big }), [1.5]);
        // Subnormal halves and infinities.
        assert_eq!(
            f32s(&[0x01, 0x00], Encoding::Float16 { little }),
            [2f32.powi(-24)]
        );
        assert_eq!(
            f32s(&[0x00, 0xfc], Encoding::Float16 { little }),
            [f32::NEG_INFINITY]
        );
    }

    #[test]
    fn integers_become_floats() {
        assert_eq!(integers(&[0xff, 1], 1, true, true), [-1.0, 1.0]);
        assert_eq!(integers(&[0xff, 1], 1, false, true), [255.0, 1.0]);
        assert_eq!(integers(&[0x01, 0x00], 2, true, false), [256.0]);
        assert_eq!(integers(&[0xff; 4], 4, false, true), [4_294_967_296.0]);
        assert_eq!(integers(&[0xff; 4], 4, true, true), [-1.0]);
        assert_eq!(integers(&(-5i64).to_be_bytes(), 8, true, false), [-5.0]);
        assert_eq!(
            integers(&i64::MIN.to_le_bytes(), 8, true, true),
            [-(2f32.powi(63))]
        );
    }
}
