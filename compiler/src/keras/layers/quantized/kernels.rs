//! Weights in few bits as floats.

use super::super::context::Cx;
use super::super::weights::Weights;
use super::{FLOAT8_MAX, Part};
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::keras::quantization::{Kind, adaption};
use crate::pointwise::library;
use crate::tensor::{Shape, Tensor};

/// Rows and columns of a matrix.
#[derive(Clone, Copy)]
pub struct Matrix(pub [usize; 2]);

/// `unpack_int4` along the last axis: two integers of 4 bits in a byte, the lower one first, from -8 to 7 or, of bytes
/// without a sign, from 0 to 15.
fn nibbles(packed: &[f32], Matrix([rows, columns]): Matrix, signed: bool) -> Vec<f32> {
    let width = columns.div_ceil(2);
    let number = |i: usize| {
        let (row, column) = (i / columns, i % columns);
        let byte = packed.get(row * width + column / 2).copied().unwrap_or_default();
        // Bytes that are negative have the same bits as those from 128 on.
        let bits = (byte as i32 as u32) >> (4 * (column % 2)) & 15;
        match signed && bits > 7 {
            true => bits as f32 - 16.0,
            false => bits as f32,
        }
    };
    (0..rows * columns).map(number).collect()
}

/// The matrix on its side.
fn transposed(data: &[f32], Matrix([rows, columns]): Matrix) -> Vec<f32> {
    let element = |i: usize| {
        data.get(i % rows * columns + i / rows)
            .copied()
            .unwrap_or_default()
    };
    (0..rows * columns).map(element).collect()
}

/// `dequantize_with_sz_map`: (element - zero)·scale, both of the element's column and of the group of its row. Groups are
/// `[groups, columns]`.
fn grouped(data: Vec<f32>, columns: usize, [scale, zero, groups]: [&[f32]; 3]) -> Result<Vec<f32>> {
    let element = |(i, number): (usize, f32)| {
        let (row, column) = (i / columns, i % columns);
        let group = groups.get(row).copied().unwrap_or_default();
        // Keras' TensorFlow backend counts negative indices from the end; no file has any.
        let first = (group >= 0.0)
            .then(|| (group as usize).checked_mul(columns))
            .flatten();
        let at = first.and_then(|first| first.checked_add(column));
        let found = at.and_then(|at| Some((scale.get(at)?, zero.get(at)?)));
        let (scale, zero) = found.ok_or_else(|| {
            Error::inconsistent(format!("row {row} of its kernel is of group {group}")).in_field("g_idx")
        })?;
        Ok((number - zero) * scale)
    };
    data.into_iter().enumerate().map(element).collect()
}

/// The weights of that name.
fn data<'w>(weights: &Weights<'w>, name: &str) -> Option<&'w [f32]> {
    weights.get(name)?.as_f32().ok()
}

/// The kernel as a matrix of floats; `None` when a weight is missing.
pub fn kernel(kind: Kind, matrix: Matrix, weights: &Weights<'_>) -> Option<Result<Tensor>> {
    let Matrix([rows, columns]) = matrix;
    let stored = data(weights, "kernel")?;
    let scale = data(weights, "kernel_scale")?;
    let floats = match kind {
        Kind::Int8 => stored
            .iter()
            .zip(scale.iter().cycle())
            .map(|(k, s)| k / s)
            .collect(),
        Kind::Int4 { block: None } => nibbles(stored, matrix, true)
            .iter()
            .zip(scale.iter().cycle())
            .map(|(k, s)| k / s)
            .collect(),
        Kind::Int4 { block: Some(_) } => {
            let groups = [scale, data(weights, "kernel_zero")?, data(weights, "g_idx")?];
            match grouped(nibbles(stored, matrix, true), columns, groups) {
                Ok(floats) => floats,
                Err(error) => return Some(Err(error)),
            }
        }
        Kind::Float8 { .. } => {
            let scale = scale.first().copied()?;
            let rounded =
                |k: &f32| library::float8(library::clip(k / scale, -FLOAT8_MAX, FLOAT8_MAX)) * scale;
            stored.iter().map(rounded).collect()
        }
        Kind::Grouped { bits, .. } => {
            // Columns are packed, and stand on their side, as do their groups.
            let packed = if bits == 4 { columns.div_ceil(2) } else { columns };
            let upright = transposed(stored, Matrix([packed, rows]));
            let numbers = if bits == 4 {
                nibbles(&upright, matrix, false)
            } else {
                upright
            };
            let groups = scale.len() / columns.max(1);
            let [scale, zero] = [scale, data(weights, "kernel_zero")?]
                .map(|found| transposed(found, Matrix([columns, groups])));
            let floats = match grouped(numbers, columns, [&scale, &zero, data(weights, "g_idx")?]) {
                Ok(floats) => floats,
                Err(error) => return Some(Err(error)),
            };
            match data(weights, "awq_scales") {
                Some(scales) => {
                    let scale = |i: usize| scales.get(i / columns).copied().unwrap_or(1.0);
                    floats.iter().enumerate().map(|(i, k)| k / scale(i)).collect()
                }
                None => floats,
            }
        }
    };
    Some(Tensor::f32([rows, columns], floats))
}

/// Floats rounded to bfloat16, half to even.
pub fn bfloat16(tensor: &Tensor) -> Result<Tensor> {
    let round = |v: &f32| {
        let bits = v.to_bits();
        let up = 0x7FFF + (bits >> 16 & 1);
        match v.is_finite() {
            true => f32::from_bits(bits.wrapping_add(up) & 0xFFFF_0000),
            false => *v,
        }
    };
    let data: Vec<f32> = tensor.as_f32()?.iter().map(round).collect();
    Tensor::f32(tensor.shape().clone(), data)
}

/// The tables of an embedding in few bits: rows by index, and the way back if that is another one.
pub struct Table<'a> {
    kind: Kind,
    rows: usize,
    columns: usize,
    weights: Weights<'a>,
}

impl<'a> Table<'a> {
    /// Takes the weights: `[rows, columns]`, and on the way back, if it is not `tied`, `[columns, rows]`.
    pub fn take(cx: &mut Cx<'a>, kind: Kind, [rows, columns]: [usize; 2], tied: bool) -> Result<Self> {
        let mut parts: Vec<Part> = Vec::new();
        let (packed, groups) = match kind {
            Kind::Int4 { block } => (columns.div_ceil(2), block.map(|block| columns.div_ceil(block))),
            _ => (columns, None),
        };
        let scale = |groups: Option<usize>| groups.map_or(vec![rows], |groups| vec![rows, groups]);
        parts.push(("embeddings", vec![rows, packed]));
        parts.push(("embeddings_scale", scale(groups)));
        if groups.is_some() {
            parts.push(("embeddings_zero", scale(groups)));
            parts.push(("g_idx", vec![columns]));
        }
        if !tied {
            let back = groups.map_or(vec![rows], |groups| vec![groups, rows]);
            parts.push(("reverse_embeddings", vec![packed, rows]));
            parts.push(("reverse_embeddings_scale", back.clone()));
            if groups.is_some() {
                parts.push(("reverse_embeddings_zero", back));
            }
        }
        if super::adapted(cx, "lora_embeddings_a") {
            let (_, rank) = adaption(cx.site.config)?;
            parts.push(("lora_embeddings_a", vec![rows, rank]));
            parts.push(("lora_embeddings_b", vec![rank, columns]));
        }
        let weights = cx.weights_of(parts);
        Ok(Self {
            kind,
            rows,
            columns,
            weights,
        })
    }

    /// The rows as floats, with a low-rank adaption.
    pub fn embeddings(&self, cx: &mut Cx<'_>) -> Result<NodeId> {
        let factor = match self.weights.has("lora_embeddings_a") {
            true => adaption(cx.site.config)?.0,
            false => 0.0,
        };
        let shape = Shape::new([self.rows, self.columns]);
        self.weights
            .derived(cx, "unpacked embeddings", &shape, |weights| {
                let table = self.floats(weights)?;
                Some(table.and_then(|table| {
                    let table = match (
                        data(weights, "lora_embeddings_a"),
                        data(weights, "lora_embeddings_b"),
                    ) {
                        (Some(a), Some(b)) => plus(table, factor, a, b, self.columns),
                        _ => table,
                    };
                    Tensor::f32(shape.clone(), table)
                }))
            })
    }

    /// The rows as floats.
    fn floats(&self, weights: &Weights<'_>) -> Option<Result<Vec<f32>>> {
        let columns = self.columns;
        let scale = data(weights, "embeddings_scale")?;
        Some(Ok(match self.kind {
            Kind::Int4 { block: Some(_) } => {
                let numbers = transposed(&self.numbers(weights)?, Matrix([self.rows, columns]));
                let groups = Matrix([self.rows, scale.len() / self.rows.max(1)]);
                let [scale, zero] =
                    [scale, data(weights, "embeddings_zero")?].map(|found| transposed(found, groups));
                match grouped(numbers, self.rows, [&scale, &zero, data(weights, "g_idx")?]) {
                    Ok(floats) => transposed(&floats, Matrix([columns, self.rows])),
                    Err(error) => return Some(Err(error)),
                }
            }
            _ => {
                let scale = |i: usize| scale.get(i / columns).copied().unwrap_or(1.0);
                self.numbers(weights)?
                    .iter()
                    .enumerate()
                    .map(|(i, number)| number / scale(i))
                    .collect()
            }
        }))
    }

    /// The rows as integers.
    fn numbers(&self, weights: &Weights<'_>) -> Option<Vec<f32>> {
        let stored = data(weights, "embeddings")?;
        Some(match self.kind {
            Kind::Int4 { .. } => nibbles(stored, Matrix([self.rows, self.columns]), true),
            _ => stored.to_vec(),
        })
    }

    /// The matrix of the way back, `[columns, rows]`, and what a product with it is divided by then for each row.
    pub fn reverse(&self, cx: &mut Cx<'_>) -> Result<(NodeId, Option<NodeId>)> {
        let blocks = matches!(self.kind, Kind::Int4 { block: Some(_) });
        let shape = Shape::new([self.columns, self.rows]);
        let apart = self.weights.has("reverse_embeddings");
        let node = self.weights.derived(cx, "unpacked way back", &shape, |weights| {
            let numbers = match (apart, blocks) {
                (false, true) => self
                    .floats(weights)?
                    .map(|floats| transposed(&floats, Matrix([self.rows, self.columns]))),
                (false, false) => Ok(transposed(
                    &self.numbers(weights)?,
                    Matrix([self.rows, self.columns]),
                )),
                (true, _) => self.apart(weights, blocks)?,
            };
            Some(numbers.and_then(|numbers| Tensor::f32(shape.clone(), numbers)))
        })?;
        let scale = if apart {
            "reverse_embeddings_scale"
        } else {
            "embeddings_scale"
        };
        Ok((
            node,
            if blocks {
                None
            } else {
                Some(self.weights.node(cx, scale)?)
            },
        ))
    }

    /// The matrix of the way back where it is another one: its columns are packed along the first axis.
    fn apart(&self, weights: &Weights<'_>, blocks: bool) -> Option<Result<Vec<f32>>> {
        let stored = data(weights, "reverse_embeddings")?;
        let Kind::Int4 { .. } = self.kind else {
            return Some(Ok(stored.to_vec()));
        };
        let upright = transposed(stored, Matrix([self.columns.div_ceil(2), self.rows]));
        let numbers = nibbles(&upright, Matrix([self.rows, self.columns]), true);
        let numbers = transposed(&numbers, Matrix([self.rows, self.columns]));
        if !blocks {
            return Some(Ok(numbers));
        }
        let scale = data(weights, "reverse_embeddings_scale")?;
        let groups = [
            scale,
            data(weights, "reverse_embeddings_zero")?,
            data(weights, "g_idx")?,
        ];
        Some(grouped(numbers, self.rows, groups))
    }
}

/// A table plus a product of two matrices.
fn plus(table: Vec<f32>, factor: f32, a: &[f32], b: &[f32], columns: usize) -> Vec<f32> {
    let rank = b.len() / columns.max(1);
    let element = |(i, number): (usize, f32)| {
        let (row, column) = (i / columns, i % columns);
        let terms = (0..rank).map(|k| f64::from(a[row * rank + k]) * f64::from(b[k * columns + column]));
        number + (f64::from(factor) * terms.sum::<f64>()) as f32
    };
    table.into_iter().enumerate().map(element).collect()
}
