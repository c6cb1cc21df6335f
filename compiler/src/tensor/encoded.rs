//! Floats as fewer bits: what the numbers of a constant are made of, and how they are told apart from it in files.
//!
//! An encoded constant holds the numbers that decoding gives, and beside them what they were made with: a scale for each group
//! of elements, and perhaps a table of levels. The code of an element follows from these and the number itself, so that codes are
//! found where they are written, and whatever is written is decoded once more and compared bit by bit. How numbers are chosen
//! that can be written so is not said here but in `quantize`.
//!
//! A number is, with products rounded to single precision,
//! - f16: a half-precision number (IEEE 754 binary16);
//! - int8: `code * scale`, with a code from -127 to 127;
//! - int4: `table[code] * scale`, with a code from 0 to 15, two in a byte, the first in its lower half.

use half::f16;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// How a float is written in fewer than 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Half precision.
    F16,
    /// Eight bits and a scale for each group.
    Int8,
    /// Four bits, a table of sixteen levels and a scale for each group.
    Int4,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F16, Self::Int8, Self::Int4];

    /// Bits of a code.
    pub fn bits(self) -> usize {
        match self {
            Self::F16 => 16,
            Self::Int8 => 8,
            Self::Int4 => 4,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "f16",
            Self::Int8 => "int8",
            Self::Int4 => "int4",
        })
    }
}

/// Levels of a table.
pub const LEVELS: usize = 16;

/// Which elements share a scale: blocks follow each other, a block has rows of `lanes` elements, and each lane of some rows in a row
/// has a scale. Of some arrangements the first row of each block is plain floats: biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouping {
    /// Elements of a block, a multiple of `lanes`.
    pub block: usize,
    /// Elements of a row.
    pub lanes: usize,
    /// How many rows share their scales.
    pub rows: usize,
    /// Whether the first row of a block is plain.
    pub head: bool,
}

impl Grouping {
    /// Whether these can be the groups of anything.
    pub fn is_sound(&self) -> bool {
        let rows = self.block.checked_div(self.lanes).unwrap_or(0);
        rows > usize::from(self.head) && self.block.is_multiple_of(self.lanes) && self.rows > 0
    }

    /// Groups of each lane in a block.
    pub fn per_block(&self) -> usize {
        (self.block / self.lanes - usize::from(self.head)).div_ceil(self.rows)
    }

    /// Scales of so many elements from the beginning of a block.
    pub fn scales(&self, elements: usize) -> usize {
        elements.div_ceil(self.block) * self.per_block() * self.lanes
    }

    /// The place of an element's scale among all from the block on in which counting begins; none of a plain element.
    pub fn group(&self, element: usize) -> Option<usize> {
        let row = element % self.block / self.lanes;
        let row = row.checked_sub(usize::from(self.head))?;
        let group = element / self.block * self.per_block() + row / self.rows;
        Some(group * self.lanes + element % self.lanes)
    }

    /// The place of a plain element among these.
    fn plain(&self, element: usize) -> usize {
        element / self.block * self.lanes + element % self.lanes
    }
}

/// What the elements of a constant are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// How codes become numbers.
    pub encoding: Encoding,
    /// Which elements share a scale.
    pub grouping: Grouping,
    /// The levels of four bits.
    pub table: [f32; LEVELS],
    /// The scales by group; half precision has none.
    pub scales: Vec<f32>,
    /// Whether products multiply the codes as they are, by the rows of their input as integers, see
    /// [`Quantize`](crate::kernel::Quantize). What cannot do this multiplies the numbers.
    pub multiplied: bool,
}

/// Some elements of a constant as they stand in a file: plain elements and scales of all blocks that they touch, the table if there is
/// one, codes; filled up with zeros to a multiple of four bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where in its block the first element stands.
    pub first: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Encoded {
    /// The number that a code stands for, in the group of a scale.
    fn number(&self, code: u16, scale: f32) -> f32 {
        match self.encoding {
            Encoding::F16 => f16::from_bits(code).to_f32(),
            Encoding::Int8 => f32::from(code as u8 as i8) * scale,
            Encoding::Int4 => self.table[usize::from(code) % LEVELS] * scale,
        }
    }

    /// The code of a number, if it has one.
    fn code(&self, value: f32, scale: f32) -> Option<u16> {
        let is = |code: &u16| self.number(*code, scale).to_bits() == value.to_bits();
        match self.encoding {
            Encoding::F16 => Some(f16::from_f32(value).to_bits()).filter(is),
            Encoding::Int8 => {
                let code = if scale == 0.0 { 0.0 } else { value / scale };
                let code = code.round().clamp(-127.0, 127.0) as i8;
                Some(u16::from(code as u8)).filter(is)
            }
            Encoding::Int4 => (0..LEVELS as u16).find(is),
        }
    }

    /// Whether codes are bytes with one scale for each column of one matrix.
    pub fn has_columns(&self) -> bool {
        let Grouping {
            block,
            lanes,
            rows,
            head,
        } = self.grouping;
        self.encoding == Encoding::Int8 && !head && rows == block / lanes && self.scales.len() == lanes
    }

    /// The code of a number of eight bits, if it has one.
    pub fn byte(&self, value: f32, scale: f32) -> Option<i8> {
        self.code(value, scale).map(|code| code as u8 as i8)
    }

    fn scale(&self, group: usize) -> f32 {
        self.scales.get(group).copied().unwrap_or(0.0)
    }

    /// Writes some elements of `data`, all elements of the constant; none if these are not its numbers.
    pub fn piece(&self, data: &[f32], elements: Range<usize>) -> Option<Piece> {
        let grouping = &self.grouping;
        let begin = elements.start / grouping.block;
        let end = elements.end.div_ceil(grouping.block);
        let mut bytes = Vec::new();
        let mut float = |value: f32| bytes.extend(value.to_le_bytes());
        if grouping.head {
            for block in begin..end {
                let start = block * grouping.block;
                data.get(start..start + grouping.lanes)?
                    .iter()
                    .for_each(|&v| float(v));
            }
        }
        let per_block = grouping.per_block() * grouping.lanes;
        if self.encoding != Encoding::F16 {
            let scales = self.scales.get(begin * per_block..end * per_block)?;
            scales.iter().for_each(|&v| float(v));
        }
        if self.encoding == Encoding::Int4 {
            self.table.iter().for_each(|&v| float(v));
        }
        let mut half = None;
        for i in elements.clone() {
            let Some(group) = grouping.group(i) else {
                continue;
            };
            let code = self.code(*data.get(i)?, self.scale(group))?;
            match self.encoding {
                Encoding::F16 => bytes.extend(code.to_le_bytes()),
                Encoding::Int8 => bytes.push(code as u8),
                Encoding::Int4 => match half.take() {
                    None => half = Some(code as u8),
                    Some(low) => bytes.push(low | (code as u8) << 4),
                },
            }
        }
        bytes.extend(half);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        Some(Piece {
            first: elements.start % grouping.block,
            bytes,
        })
    }

    /// Whether all elements of `data` can be written so.
    pub fn fits(&self, data: &[f32]) -> bool {
        let grouping = &self.grouping;
        let known = |(i, &value): (usize, &f32)| match grouping.group(i) {
            None => true,
            Some(group) => self.code(value, self.scale(group)).is_some(),
        };
        grouping.is_sound()
            && data.len().is_multiple_of(grouping.block)
            && (self.encoding == Encoding::F16 || self.scales.len() == grouping.scales(data.len()))
            && data.iter().enumerate().all(known)
    }
}

/// Reads the elements of a piece, as a page does: of the file's bytes nothing else is used.
pub fn decode(
    encoding: Encoding,
    grouping: &Grouping,
    first: usize,
    elements: usize,
    bytes: &[u8],
) -> Option<Vec<f32>> {
    if !grouping.is_sound() || first >= grouping.block {
        return None;
    }
    let end = first.checked_add(elements)?;
    let mut rest = bytes;
    let mut floats = |count: usize| -> Option<Vec<f32>> {
        let (own, others) = rest.split_at_checked(count.checked_mul(4)?)?;
        rest = others;
        let own = own.as_chunks::<4>().0.iter();
        Some(own.map(|bytes| f32::from_le_bytes(*bytes)).collect())
    };
    let blocks = end.div_ceil(grouping.block);
    let plain = floats(if grouping.head { blocks * grouping.lanes } else { 0 })?;
    let scales = match encoding {
        Encoding::F16 => 0,
        Encoding::Int8 | Encoding::Int4 => grouping.scales(end),
    };
    let scales = floats(scales)?;
    let table = floats(if encoding == Encoding::Int4 { LEVELS } else { 0 })?;
    let mut next = 0;
    let number = |i: usize| {
        let Some(group) = grouping.group(i) else {
            return plain.get(grouping.plain(i)).copied();
        };
        let code = next;
        next += 1;
        let byte = |at: usize| rest.get(at).copied();
        Some(match encoding {
            Encoding::F16 => f16::from_le_bytes([byte(2 * code)?, byte(2 * code + 1)?]).to_f32(),
            Encoding::Int8 => f32::from(byte(code)? as i8) * scales[group],
            Encoding::Int4 => table[usize::from(byte(code / 2)? >> (4 * (code % 2)) & 15)] * scales[group],
        })
    };
    (first..end).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two panels of four lanes, with a bias and three rows each of which two share a scale.
    fn panels(encoding: Encoding) -> (Encoded, Vec<f32>) {
        let grouping = Grouping {
            block: 16,
            lanes: 4,
            rows: 2,
            head: true,
        };
        let encoded = Encoded {
            encoding,
            grouping,
            table: std::array::from_fn(|i| i as f32 - 8.0),
            scales: (0..16).map(|i| 0.1 + 0.03 * i as f32).collect(),
            multiplied: false,
        };
        let number = |i: usize| match (grouping.group(i), encoding) {
            (None, _) => 1.0 / (3.0 + i as f32),
            (_, Encoding::F16) => f16::from_f32(0.7 * i as f32 - 9.0).to_f32(),
            (Some(group), _) => ((i * 5 % 16) as f32 - 8.0) * encoded.scales[group],
        };
        let data = (0..32).map(number).collect();
        (encoded, data)
    }

    #[test]
    fn every_part_of_a_constant_is_read_as_it_was() {
        for encoding in Encoding::ALL {
            let (encoded, data) = panels(encoding);
            assert!(encoded.fits(&data), "{encoding}");
            for begin in 0..32 {
                for end in begin + 1..=32 {
                    let piece = encoded.piece(&data, begin..end).unwrap();
                    assert_eq!(piece.bytes.len() % 4, 0);
                    let read = decode(
                        encoding,
                        &encoded.grouping,
                        piece.first,
                        end - begin,
                        &piece.bytes,
                    );
                    let read = read.unwrap();
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&read), bits(&data[begin..end]), "{encoding} {begin} {end}");
                }
            }
        }
    }

    #[test]
    fn what_is_too_short_is_not_read() {
        for encoding in Encoding::ALL {
            let (encoded, data) = panels(encoding);
            let piece = encoded.piece(&data, 0..32).unwrap();
            let short = &piece.bytes[..piece.bytes.len() - 4];
            assert_eq!(
                decode(encoding, &encoded.grouping, 0, 32, short),
                None,
                "{encoding}"
            );
            let odd = Grouping {
                lanes: 3,
                ..encoded.grouping
            };
            assert_eq!(decode(encoding, &odd, 0, 32, &piece.bytes), None, "{encoding}");
        }
    }

    #[test]
    fn numbers_that_are_made_of_nothing_else_do_not_fit() {
        for encoding in Encoding::ALL {
            let (encoded, mut data) = panels(encoding);
            data[1] = 0.123_456_7;
            assert!(encoded.fits(&data), "a bias is a float");
            data[5] = 0.123_456_7;
            assert!(!encoded.fits(&data), "{encoding}");
            assert_eq!(encoded.piece(&data, 4..8), None, "{encoding}");
        }
    }
}
