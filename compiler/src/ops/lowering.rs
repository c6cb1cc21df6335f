//! What the lowering of an operation to kernels takes and gives.

use super::WindowAxis;
use crate::error::{Error, Result};
use crate::kernel::{
    Epilogue, Family, Image, Kernel, Move, MoveOperands, Operands, Quantize, QuantizeOperands,
};
use crate::pointwise::Tape;
use crate::tensor::{DType, Encoded, Grouping, Tensor};

/// How a value lies in memory. All numbers count elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Extents.
    pub dims: Vec<usize>,
    /// Distance between elements along every axis; 1 along the innermost.
    pub strides: Vec<usize>,
    /// Zeros that surround a rank-4 value along axes 1 and 2: before and after.
    pub frame: [[usize; 2]; 2],
    /// Element type.
    pub dtype: DType,
}

impl View {
    /// A value without gaps.
    pub fn dense(dims: &[usize], dtype: DType) -> Self {
        let strides = crate::tensor::Shape::new(dims).strides();
        Self {
            dims: dims.to_vec(),
            strides,
            frame: [[0; 2]; 2],
            dtype,
        }
    }
    /// Whether the elements follow each other without gaps.
    pub fn is_dense(&self) -> bool {
        let mut expected = 1;
        self.dims.iter().zip(&self.strides).rev().all(|(&dim, &stride)| {
            let fits = dim == 1 || stride == expected;
            expected *= dim;
            fits
        })
    }
    /// Strides under which the value repeats to fill `dims`, as NumPy broadcasts.
    pub fn broadcast(&self, dims: &[usize]) -> Vec<usize> {
        let skip = dims.len() - self.dims.len();
        let stride = |axis: usize| {
            if self.dims[axis] == 1 {
                0
            } else {
                self.strides[axis]
            }
        };
        (0..dims.len())
            .map(|axis| axis.checked_sub(skip).map_or(0, stride))
            .collect()
    }
    /// Strides between batches, rows and pixels, of the last four axes; missing leading axes have 0.
    pub fn image(&self) -> Image {
        let [batch, row, pixel, _] = last_four(&self.strides, 0);
        [batch, row, pixel]
    }
    /// Extents `[batches, rows, pixels, channels]` of the last four axes.
    pub fn image_dims(&self) -> [usize; 4] {
        last_four(&self.dims, 1)
    }
}

/// The last four of `values`, with `missing` before them where there are fewer.
pub(super) fn last_four(values: &[usize], missing: usize) -> [usize; 4] {
    let skipped = values.len().saturating_sub(4);
    let mut last = [missing; 4];
    last[4 - (values.len() - skipped)..].copy_from_slice(&values[skipped..]);
    last
}

/// A convolution or matrix product with constant weights, as a target is asked about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Windows along rows and pixels of a convolution; a matrix product has none.
    pub window: Option<[WindowAxis; 2]>,
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Input channels of a group.
    pub channels: usize,
    /// Rows and pixels of the input.
    pub input: [usize; 2],
    /// Extents of the result: batches, rows, pixels, channels.
    pub dims: [usize; 4],
    /// Whether the weights are codes that may be multiplied as they are, by rows as integers.
    pub codes: bool,
}

impl Product {
    /// Whether each result is of one row of contiguous elements: a matrix product, or windows of one tap.
    pub fn is_of_rows(&self) -> bool {
        let single = |axes: [WindowAxis; 2]| axes.iter().all(|axis| axis.size == 1);
        self.groups == 1 && self.window.is_none_or(single)
    }

    /// Whether every output channel sees one input channel, its own.
    pub fn is_depthwise(&self) -> bool {
        self.window.is_some() && self.channels == 1 && self.groups == self.dims[3]
    }

    /// Channels of a weight panel: wide where a single row streams the weights once, else what tiles of results hold. Targets
    /// that take panels of this width share their weights.
    pub fn panel_width(&self) -> usize {
        let of_group = self.dims[3] / self.groups;
        if self.dims[..3] == [1, 1, 1] && of_group >= 32 {
            32
        } else {
            8
        }
    }

    /// The zeros that the windows reach into: before and after, along rows and pixels.
    pub fn padding(&self) -> [[usize; 2]; 2] {
        self.window
            .map_or([[0; 2]; 2], |axes| axes.map(|axis| [axis.before, axis.after]))
    }
}

/// How a product is computed: the answer of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Product by product, with weights in panels of so many channels; a kernel for each group, on a framed image.
    Panels {
        /// Channels of a panel.
        width: usize,
    },
    /// Codes by rows as integers, in panels of so many channels, for products [of rows](Product::is_of_rows); on a framed image.
    Codes {
        /// Channels of a panel.
        width: usize,
    },
    /// Each channel by itself, on a framed image.
    Depthwise,
    /// Winograd's F(m x m, 3x3), for 3x3 taps without strides, dilation and groups.
    Winograd {
        /// Rows and pixels of a tile of results: 2 or 4.
        m: usize,
        /// Most tiles that are transformed together.
        block: usize,
        /// Elements of scratch memory.
        scratch: usize,
    },
    /// With weights in panels of so many channels; one kernel for all groups, which tests bounds and needs no frame.
    Bounded {
        /// Channels of a panel.
        width: usize,
    },
    /// The same with weights as the graph has them.
    Plain,
}

impl Method {
    /// The zeros around its input that a kernel reads.
    pub fn frame(self, product: &Product) -> [[usize; 2]; 2] {
        let mut padding = product.padding();
        match self {
            Self::Panels { .. } | Self::Codes { .. } | Self::Depthwise => padding,
            Self::Plain | Self::Bounded { .. } => [[0; 2]; 2],
            Self::Winograd { m, .. } => {
                for (pads, extent) in padding.iter_mut().zip(product.input) {
                    pads[1] = overhang(m, extent, *pads);
                }
                padding
            }
        }
    }
}

/// The padding after an input of `extent` elements (between the padding of the convolution) that the last tile reads.
fn overhang(m: usize, extent: usize, [before, after]: [usize; 2]) -> usize {
    let output = before + extent + after - 2;
    crate::kernel::Winograd::reach(m, output) - before - extent
}

/// How a kernel with windows goes over its image, with the frame that it needs around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows<'a> {
    /// The first tap of the first result.
    pub start: Pointer<'a>,
    /// Distance between batches, rows and pixels of the result.
    pub a: Image,
    /// Taps along rows and pixels: count and distance.
    pub taps: [(usize, usize); 2],
}

/// An operation with the memory that it reads and writes.
pub struct Site<'a> {
    /// How every input lies in memory; constants are dense.
    pub inputs: Vec<View>,
    /// The inputs that are constants.
    pub constants: Vec<Option<&'a Tensor>>,
    /// How the (only) result lies in memory.
    pub output: View,
    /// How it is computed, if it is a [`Product`].
    pub method: Option<Method>,
    /// How its windows go over input 0, if the method reads a frame.
    pub windows: Option<Windows<'a>>,
    /// Whether one kernel multiplies a batch of matrices with a matrix for each.
    pub batched: bool,
}

/// Where a kernel's pointer points.
#[derive(Debug, Clone, PartialEq)]
pub enum Pointer<'a> {
    /// Elements after the start of an input.
    Input(usize, isize),
    /// Elements after the start of the result.
    Output(usize),
    /// Elements after the start of a scratch buffer.
    Scratch(usize, usize),
    /// Weights, which the target arranges for the kernel.
    Weights(Matrix<'a>),
}

impl Pointer<'_> {
    /// The pointer some elements further on, in memory that is not the target's to arrange.
    #[must_use]
    pub fn advanced(self, elements: usize) -> Self {
        match self {
            Self::Input(i, at) => Self::Input(i, at + elements as isize),
            Self::Output(at) => Self::Output(at + elements),
            Self::Scratch(i, at) => Self::Scratch(i, at + elements),
            Self::Weights(_) => self,
        }
    }
}

/// Columns of the panels in which weights may be arranged.
const PANELS: [usize; 4] = [4, 8, 16, 32];

/// Weights `[k, n]` and a bias `[n]`: some columns of a constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matrix<'a> {
    /// All elements, row-major.
    values: &'a [f32],
    /// The bias of all columns.
    bias: Option<&'a [f32]>,
    /// Columns of the constant.
    all: usize,
    /// The first column of these.
    first: usize,
    /// How many there are.
    columns: usize,
    /// What the elements are made of, where the constant says it.
    encoded: Option<&'a Encoded>,
}

impl<'a> Matrix<'a> {
    /// All columns of a row-major matrix.
    pub fn new(values: &'a [f32], bias: Option<&'a [f32]>, columns: usize) -> Self {
        Self {
            values,
            bias,
            all: columns,
            first: 0,
            columns,
            encoded: None,
        }
    }

    /// All columns of a constant whose last axis they are, with a bias.
    ///
    /// # Errors
    /// When it is no constant of floats.
    pub fn of(site: &Site<'a>, index: usize, bias: Option<&'a [f32]>, columns: usize) -> Result<Self> {
        let matrix = Self::new(constant(site, index)?, bias, columns);
        let encoded = site.constants[index].and_then(|tensor| tensor.encoded());
        Ok(Self {
            encoded: encoded.map(AsRef::as_ref),
            ..matrix
        })
    }

    /// What the elements are made of when they lie in panels of so many columns, which a row of biases precedes.
    fn in_panels(&self, encoded: &Encoded, lanes: usize) -> Encoded {
        let rows = self.values.len() / self.all;
        let of_groups = rows.div_ceil(encoded.grouping.rows);
        // Columns beyond the last are zeros.
        let scale = |i: usize| {
            let (panel, group, lane) = (i / lanes / of_groups, i / lanes % of_groups, i % lanes);
            let column = Some(panel * lanes + lane).filter(|&column| column < self.columns);
            let own = column.and_then(|column| encoded.scales.get(group * self.all + self.first + column));
            own.copied().unwrap_or(0.0)
        };
        let scales = match encoded.scales.is_empty() {
            true => 0,
            false => self.columns.div_ceil(lanes) * of_groups * lanes,
        };
        Encoded {
            grouping: Grouping {
                block: (rows + 1) * lanes,
                lanes,
                rows: encoded.grouping.rows,
                head: true,
            },
            scales: (0..scales).map(scale).collect(),
            ..encoded.clone()
        }
    }

    /// What so many elements may be made of, arranged as targets like it. Which of these it is the elements must tell.
    pub fn arranged(&self, elements: usize) -> Vec<Encoded> {
        let Some(encoded) = self.encoded else {
            return Vec::new();
        };
        let rows = self.values.len() / self.all;
        let panels = PANELS.iter().filter(|&&lanes| {
            let panels = self.columns.div_ceil(lanes);
            elements == panels * (rows + 1) * lanes
        });
        let found: Vec<_> = panels.map(|&lanes| self.in_panels(encoded, lanes)).collect();
        match found.is_empty() {
            true => vec![encoded.clone()],
            false => found,
        }
    }

    /// Some of the columns.
    #[must_use]
    pub fn columns(self, first: usize, columns: usize) -> Self {
        Self {
            first: self.first + first,
            columns,
            ..self
        }
    }

    /// The codes of the rows and the scales of the columns, where each column has a scale.
    pub fn codes(&self) -> Option<(Vec<Vec<i8>>, &'a [f32])> {
        let encoded = self.encoded.filter(|encoded| encoded.has_columns())?;
        let scales = encoded.scales.get(self.first..self.first + self.columns)?;
        let row = |row: &[f32]| {
            let numbers = row.iter().zip(scales);
            numbers
                .map(|(&value, &scale)| encoded.byte(value, scale))
                .collect()
        };
        let rows: Option<_> = self.rows().map(row).collect();
        Some((rows?, scales))
    }

    /// How many columns there are: channels of the result.
    pub fn width(&self) -> usize {
        self.columns
    }

    /// The rows, one for each element of the contraction.
    pub fn rows(&self) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let own = self.first..self.first + self.columns;
        self.values.chunks(self.all).map(move |row| &row[own.clone()])
    }

    /// The bias of these columns.
    pub fn bias(&self) -> Option<&'a [f32]> {
        self.bias.map(|bias| &bias[self.first..self.first + self.columns])
    }
}

/// A kernel and what its operands are.
#[derive(Debug, Clone, PartialEq)]
pub struct Job<'a> {
    /// The kernel.
    pub kernel: Kernel,
    /// One for each of the kernel's operands.
    pub pointers: Vec<Pointer<'a>>,
}

/// The kernels of one operation, in order, with the scratch buffers they share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Jobs<'a> {
    /// The kernels.
    pub jobs: Vec<Job<'a>>,
    /// Elements of every scratch buffer.
    pub scratch: Vec<usize>,
}

impl<'a> Jobs<'a> {
    /// Adds a kernel.
    pub fn push<K: Family + Into<Kernel>>(&mut self, kernel: K, operands: K::Of<Pointer<'a>>) {
        self.jobs.push(Job {
            kernel: kernel.into(),
            pointers: operands.into_list(),
        });
    }

    /// Adds a scratch buffer.
    pub fn scratch(&mut self, elements: usize) -> Pointer<'a> {
        self.scratch.push(elements);
        Pointer::Scratch(self.scratch.len() - 1, 0)
    }

    /// Makes sure that an input has no gaps: copies it if need be.
    pub fn dense(&mut self, site: &Site<'_>, index: usize) -> Pointer<'a> {
        let view = &site.inputs[index];
        let x = Pointer::Input(index, 0);
        if view.is_dense() {
            return x;
        }
        let out = self.scratch(view.dims.iter().product());
        let kernel = copy(view, &View::dense(&view.dims, view.dtype));
        self.push(kernel, MoveOperands { x, out: out.clone() });
        out
    }
}

impl<'a> Jobs<'a> {
    /// Makes integers of rows: batches, rows and pixels of so many contiguous elements, from a pointer on at these distances. Gives
    /// where they lie, the distances between them, and the words of each.
    pub fn integers(
        &mut self,
        dims: [usize; 3],
        (x, at): (Pointer<'a>, Image),
        run: usize,
    ) -> (Pointer<'a>, Image, usize) {
        let words = Quantize::words(run);
        let out = self.scratch(dims.iter().product::<usize>() * words);
        let kernel = Quantize { dims, x: at, run };
        let operands = QuantizeOperands { x, out: out.clone() };
        self.push(kernel.simplified(), operands);
        (out, [dims[1] * dims[2] * words, dims[2] * words, words], words)
    }
}

/// Copies a value from one layout to another of the same extents.
pub fn copy(from: &View, to: &View) -> Move {
    let x = from.strides.iter().map(|&s| s as isize).collect();
    Move {
        dims: from.dims.clone(),
        x,
        out: to.strides.clone(),
    }
    .simplified()
}

/// The kernel epilogue of an operation whose operands are the inputs from `first` on, and their pointers.
/// `channel` is added to the channel of every operand that has one: the first channel of a group.
pub fn epilogue<'a>(
    site: &Site<'_>,
    tape: &Tape,
    first: usize,
    channel: usize,
) -> (Epilogue, Vec<Pointer<'a>>) {
    let mut operands = Vec::new();
    let mut pointers = Vec::new();
    for (i, view) in site.inputs.iter().enumerate().skip(first) {
        let image = last_four(&view.broadcast(&site.output.dims), 0);
        pointers.push(Pointer::Input(i, (channel * image[3]) as isize));
        operands.push(image);
    }
    let tape = tape.clone();
    (Epilogue { tape, operands }, pointers)
}

/// The float elements of a constant input, which the operation packs at compile time.
///
/// # Errors
/// When the input is computed at run time.
pub fn constant<'a>(site: &Site<'a>, index: usize) -> Result<&'a [f32]> {
    site.constants[index]
        .ok_or_else(|| Error::internal(format!("input {index} must be a constant")))?
        .as_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tile_reads_beyond_the_padding() {
        assert_eq!(overhang(4, 56, [1, 1]), 1);
        assert_eq!(overhang(4, 14, [1, 1]), 3);
        assert_eq!(overhang(2, 7, [1, 1]), 2);
        assert_eq!(overhang(4, 149, [0, 0]), 1);
    }

    #[test]
    fn columns_of_a_matrix_keep_their_bias() {
        let matrix = Matrix::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], Some(&[7.0, 8.0, 9.0]), 3).columns(1, 2);
        assert!(matrix.rows().eq([[2.0, 3.0], [5.0, 6.0]]));
        assert_eq!(matrix.bias(), Some(&[8.0, 9.0][..]));
    }
}
