//! Arrays that NumPy saved: `.npz`, an archive of `.npy` files (NumPy's `numpy.lib.format`).

use crate::error::{Error, ErrorKind, Result};
use crate::files::{self, Links};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use zip::ZipArchive;

/// Most bytes of an array: an archive may hold far more than it has bytes.
const MOST_BYTES: u64 = 256 << 20;

/// Most arrays of a file.
const MOST_ARRAYS: usize = 1_000;

/// Most axes of an array, as NumPy has them.
const MOST_AXES: usize = 64;

/// An array of numbers in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// NumPy's name of the type in the file, such as `<f4`.
    pub kind: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// Elements; integers beyond 2^53 are rounded.
    pub data: Vec<f64>,
}

/// Reads those arrays of a file that are wanted, by their names; names the others.
///
/// # Errors
/// When the file cannot be read, is damaged, or what is wanted of it holds something else than numbers.
pub fn read(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<(BTreeMap<String, Array>, Vec<String>)> {
    let shown = path.display().to_string();
    let in_file = |error: Error| error.in_file(&shown);
    let (file, _) = files::open(path, Links::Follow)
        .map_err(|error| in_file(Error::new(ErrorKind::Io(error.to_string()))))?;
    let bad = |error: zip::result::ZipError| {
        in_file(Error::malformed(format!("is no .npz file ({error})"))).help("numpy.savez writes one")
    };
    let mut zip = ZipArchive::new(file).map_err(bad)?;
    if zip.len() > MOST_ARRAYS {
        return Err(in_file(Error::malformed(format!(
            "has more than {MOST_ARRAYS} arrays"
        ))));
    }
    let (mut arrays, mut others) = (BTreeMap::new(), Vec::new());
    for index in 0..zip.len() {
        let member = zip.by_index(index).map_err(bad)?;
        let name = member.name().map_err(bad)?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        if !wanted(&name) {
            others.push(name);
            continue;
        }
        let mut bytes = Vec::new();
        let read = member.take(MOST_BYTES + 1).read_to_end(&mut bytes);
        let of_array = |what: String| in_file(Error::malformed(format!("array {name:?} {what}")));
        read.map_err(|error| of_array(format!("cannot be read ({error})")))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(of_array(format!("has more than {MOST_BYTES} bytes")));
        }
        let array = array(&bytes).map_err(of_array)?;
        arrays.insert(name, array);
    }
    Ok((arrays, others))
}

/// Reads a `.npy` file; or says what is wrong with it.
fn array(bytes: &[u8]) -> std::result::Result<Array, String> {
    let damaged = || "is damaged".to_owned();
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(damaged)?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err(damaged()),
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let header = std::str::from_utf8(header).map_err(|_| damaged())?;
    let field = |key: &str| {
        let (_, value) = header.split_once(&format!("'{key}':"))?;
        Some(value.trim_start())
    };
    let columns = field("fortran_order").ok_or_else(damaged)?.starts_with("True");
    let kind = field("descr").and_then(|value| value.strip_prefix('\'')?.split_once('\''));
    let (kind, _) = kind.ok_or_else(|| "has no plain numbers".to_owned())?;
    let shape = field("shape").and_then(|value| value.strip_prefix('(')?.split_once(')'));
    let (shape, _) = shape.ok_or_else(damaged)?;
    let extents = shape
        .split(',')
        .map(str::trim)
        .filter(|extent| !extent.is_empty());
    let shape: Vec<usize> = extents
        .map(|extent| extent.parse().map_err(|_| damaged()))
        .collect::<std::result::Result<_, _>>()?;
    let data = numbers(kind, data)
        .ok_or_else(|| format!("has elements of type {kind:?}; save floats or integers"))?;
    let count = shape
        .iter()
        .try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    if count != Some(data.len()) || shape.len() > MOST_AXES {
        return Err(damaged());
    }
    let data = match columns {
        true => transposed(&shape, &data),
        false => data,
    };
    Ok(Array {
        kind: kind.to_owned(),
        shape,
        data,
    })
}

/// What lies with its first index changing fastest, as Fortran has it, with its last one doing so.
fn transposed(shape: &[usize], data: &[f64]) -> Vec<f64> {
    let mut strides = vec![1; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let place = |mut flat: usize| {
        let mut place = 0;
        for (extent, stride) in shape.iter().zip(&strides).rev() {
            place += flat % extent * stride;
            flat /= extent;
        }
        place
    };
    (0..data.len()).map(|flat| data[place(flat)]).collect()
}

/// The elements, if they are numbers; the first character of their type is the order of bytes.
fn numbers(kind: &str, bytes: &[u8]) -> Option<Vec<f64>> {
    fn all<const N: usize>(big: bool, bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let (whole, rest) = bytes.as_chunks::<N>();
        let one = |bytes: &[u8; N]| {
            let mut bytes = *bytes;
            if big {
                bytes.reverse();
            }
            number(bytes)
        };
        rest.is_empty().then(|| whole.iter().map(one).collect())
    }
    let (big, of) = match kind.split_at_checked(1)? {
        ("<", of) => (false, of),
        (">", of) => (true, of),
        ("|", of @ ("b1" | "u1" | "i1")) => (false, of),
        _ => return None,
    };
    match of {
        "f2" => all(big, bytes, |b| half::f16::from_le_bytes(b).to_f64()),
        "f4" => all(big, bytes, |b| f64::from(f32::from_le_bytes(b))),
        "f8" => all(big, bytes, f64::from_le_bytes),
        "b1" | "u1" => all(big, bytes, |b| f64::from(u8::from_le_bytes(b))),
        "i1" => all(big, bytes, |b| f64::from(i8::from_le_bytes(b))),
        "u2" => all(big, bytes, |b| f64::from(u16::from_le_bytes(b))),
        "i2" => all(big, bytes, |b| f64::from(i16::from_le_bytes(b))),
        "u4" => all(big, bytes, |b| f64::from(u32::from_le_bytes(b))),
        "i4" => all(big, bytes, |b| f64::from(i32::from_le_bytes(b))),
        "u8" => all(big, bytes, |b| u64::from_le_bytes(b) as f64),
        "i8" => all(big, bytes, |b| i64::from_le_bytes(b) as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn arrays_of_numbers_are_read() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n";
        let data = [1.5_f32, -2.0].map(f32::to_le_bytes).concat();
        let array = array(&npy(header, &data)).unwrap();
        assert_eq!((array.shape, array.data), (vec![2, 1], vec![1.5, -2.0]));
    }

    #[test]
    fn the_other_orders_are_read() {
        let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n";
        let data: Vec<u8> = [1_i16, 4, 2, 5, 3, -6]
            .into_iter()
            .flat_map(i16::to_be_bytes)
            .collect();
        let array = array(&npy(header, &data)).unwrap();
        assert_eq!(
            (array.shape, array.data),
            (vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, -6.0])
        );
    }

    #[test]
    fn others_are_refused() {
        for (header, data, why) in [
            (
                "{'descr': '<U3', 'fortran_order': False, 'shape': (1,), }",
                12,
                "has elements of type \"<U3\"; save floats or integers",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                4,
                "is damaged",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2), }",
                4,
                "is damaged",
            ),
            (
                "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
                4,
                "has no plain numbers",
            ),
        ] {
            assert_eq!(
                array(&npy(header, &vec![0; data])),
                Err(why.to_owned()),
                "{header}"
            );
        }
        assert_eq!(array(b"\x93NUMPY\x01\x00\xff\xff"), Err("is damaged".to_owned()));
    }
}
