//! Numbers as files store them, to f32 and i32.

use crate::tensor::Data;
use half::{bf16, f16};

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

/// Converts whole numbers; bytes that do not fill one are left. Integers beyond i32 saturate.
pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> Data {
    match encoding {
        Encoding::Float32 { little: true } => Data::F32(each(bytes, f32::from_le_bytes)),
        Encoding::Float32 { little: false } => Data::F32(each(bytes, f32::from_be_bytes)),
        Encoding::Float64 { little: true } => Data::F32(each(bytes, |b| f64::from_le_bytes(b) as f32)),
        Encoding::Float64 { little: false } => Data::F32(each(bytes, |b| f64::from_be_bytes(b) as f32)),
        Encoding::Float16 { little: true } => Data::F32(each(bytes, |b| f16::from_le_bytes(b).to_f32())),
        Encoding::Float16 { little: false } => Data::F32(each(bytes, |b| f16::from_be_bytes(b).to_f32())),
        Encoding::BFloat16 { little: true } => Data::F32(each(bytes, |b| bf16::from_le_bytes(b).to_f32())),
        Encoding::BFloat16 { little: false } => Data::F32(each(bytes, |b| bf16::from_be_bytes(b).to_f32())),
        Encoding::Integer { width: 1, signed, .. } => Data::I32(match signed {
            true => each(bytes, |b: [u8; 1]| i32::from(i8::from_le_bytes(b))),
            false => each(bytes, |[b]| i32::from(b)),
        }),
        Encoding::Integer {
            width: 2,
            signed,
            little,
        } => {
            let number = move |b: [u8; 2]| {
                if little {
                    u16::from_le_bytes(b)
                } else {
                    u16::from_be_bytes(b)
                }
            };
            Data::I32(match signed {
                true => each(bytes, move |b| i32::from(number(b).cast_signed())),
                false => each(bytes, move |b| i32::from(number(b))),
            })
        }
        Encoding::Integer {
            width: 4,
            signed,
            little,
        } => {
            let number = move |b: [u8; 4]| {
                if little {
                    u32::from_le_bytes(b)
                } else {
                    u32::from_be_bytes(b)
                }
            };
            Data::I32(match signed {
                true => each(bytes, move |b| number(b).cast_signed()),
                false => each(bytes, move |b| i32::try_from(number(b)).unwrap_or(i32::MAX)),
            })
        }
        Encoding::Integer { signed, little, .. } => {
            let number = move |b: [u8; 8]| {
                if little {
                    u64::from_le_bytes(b)
                } else {
                    u64::from_be_bytes(b)
                }
            };
            let clamp = |n: i64| n.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
            Data::I32(match signed {
                true => each(bytes, move |b| clamp(number(b).cast_signed())),
                false => each(bytes, move |b| i32::try_from(number(b)).unwrap_or(i32::MAX)),
            })
        }
    }
}

/// One allocation: the iterator knows its length.
fn each<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> std::sync::Arc<[T]> {
    let (numbers, _) = bytes.as_chunks::<N>();
    numbers.iter().map(|number| convert(*number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f32s(bytes: &[u8], encoding: Encoding) -> Vec<f32> {
        match decode(bytes, encoding) {
            Data::F32(data) => data.to_vec(),
            Data::I32(data) => panic!("integers {data:?}"),
        }
    }

    fn i32s(bytes: &[u8], width: u8, signed: bool, little: bool) -> Vec<i32> {
        match decode(
            bytes,
            Encoding::Integer {
                width,
                signed,
                little,
            },
        ) {
            Data::I32(data) => data.to_vec(),
            Data::F32(data) => panic!("floats {data:?}"),
        }
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
    fn integers() {
        assert_eq!(i32s(&[0xff, 1], 1, true, true), [-1, 1]);
        assert_eq!(i32s(&[0xff, 1], 1, false, true), [255, 1]);
        assert_eq!(i32s(&[0x01, 0x00], 2, true, false), [256]);
        assert_eq!(i32s(&[0xff; 4], 4, false, true), [i32::MAX]);
        assert_eq!(i32s(&(-5i64).to_be_bytes(), 8, true, false), [-5]);
        assert_eq!(i32s(&i64::MIN.to_le_bytes(), 8, true, true), [i32::MIN]);
    }
}
