//! What the lowering of an operation to kernels takes and gives.

use crate::error::{Error, Result};
use crate::kernel::{Epilogue, Fill, Image, Kernel, Move};
use crate::pointwise::Tape;
use crate::tensor::{DType, Tensor};

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
    /// Strides between batches, rows and pixels of a value of up to four axes; missing leading axes have 0.
    pub fn image(&self) -> Image {
        let mut strides = [0; 4];
        strides[4 - self.dims.len()..].copy_from_slice(&self.strides);
        [strides[0], strides[1], strides[2]]
    }
    /// Extents `[batches, rows, pixels, channels]` of a value of up to four axes.
    pub fn image_dims(&self) -> [usize; 4] {
        let mut dims = [1; 4];
        dims[4 - self.dims.len()..].copy_from_slice(&self.dims);
        dims
    }
}

/// An operation with the memory that it reads and writes.
pub struct Site<'a> {
    /// How every input lies in memory; constants are dense.
    pub inputs: Vec<View>,
    /// The inputs that are constants.
    pub constants: Vec<Option<&'a Tensor>>,
    /// Inputs of a concatenation that already lie where they belong.
    pub in_place: Vec<bool>,
    /// How the (only) result lies in memory.
    pub output: View,
}

/// Where a kernel's pointer points.
#[derive(Debug, Clone, PartialEq)]
pub enum Pointer {
    /// Elements after the start of an input.
    Input(usize, isize),
    /// Elements after the start of the result.
    Output(usize),
    /// Elements after the start of a scratch buffer.
    Scratch(usize, usize),
    /// Packed constants.
    Data(Vec<f32>),
    /// Constants that are computed when the model is loaded.
    Prepared(usize),
}

/// A kernel and what its pointers point to.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The kernel.
    pub kernel: Kernel,
    /// One for each of the kernel's tensors.
    pub pointers: Vec<Pointer>,
}

/// The kernels of one operation, in order, with the scratch buffers they share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Jobs {
    /// The kernels.
    pub jobs: Vec<Job>,
    /// Elements of every scratch buffer.
    pub scratch: Vec<usize>,
    /// Kernels that compute constants from constants when the model is loaded, one for each [`Pointer::Prepared`].
    pub prepared: Vec<Preparation>,
}

/// The making of a constant from packed ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// The kernel; its pointers are the data, then the constant.
    pub kernel: Kernel,
    /// What it reads.
    pub data: Vec<f32>,
    /// Elements of the constant.
    pub elements: usize,
}

impl Jobs {
    /// Adds a kernel.
    pub fn push(&mut self, kernel: impl Into<Kernel>, pointers: Vec<Pointer>) {
        self.jobs.push(Job {
            kernel: kernel.into(),
            pointers,
        });
    }

    /// Adds a constant that is computed from `data` when the model is loaded.
    pub fn prepare(&mut self, kernel: impl Into<Kernel>, data: Vec<f32>, elements: usize) -> Pointer {
        self.prepared.push(Preparation {
            kernel: kernel.into(),
            data,
            elements,
        });
        Pointer::Prepared(self.prepared.len() - 1)
    }

    /// Makes sure that input `index` has at least `frame` zeros around it: copies it into a frame if need be.
    /// Gives its strides and the pointer to the first padded element.
    pub fn framed(&mut self, site: &Site<'_>, index: usize, frame: [[usize; 2]; 2]) -> (Image, Pointer) {
        let view = &site.inputs[index];
        let strides = view.image();
        let enough = (0..2).all(|a| (0..2).all(|side| view.frame[a][side] >= frame[a][side]));
        if enough {
            let back = frame[0][0] * strides[1] + frame[1][0] * strides[2];
            return (strides, Pointer::Input(index, -(back as isize)));
        }
        let [n, h, w, c] = view.image_dims();
        let outer = [n, h + frame[0][0] + frame[0][1], w + frame[1][0] + frame[1][1], c];
        let start = [0, frame[0][0], frame[1][0], 0];
        let framed = View::dense(&outer, view.dtype);
        let scratch = self.scratch.len();
        self.scratch.push(outer.iter().product());
        let inside: usize = start.iter().zip(&framed.strides).map(|(a, b)| a * b).sum();
        self.push(
            Fill::border(&outer, &start, &[n, h, w, c], 0.0),
            vec![Pointer::Scratch(scratch, 0)],
        );
        let copy = Move {
            dims: vec![n, h, w, c],
            x: view.strides.iter().map(|&s| s as isize).collect(),
            out: framed.strides.clone(),
        };
        self.push(
            copy.simplified(),
            vec![Pointer::Input(index, 0), Pointer::Scratch(scratch, inside)],
        );
        (framed.image(), Pointer::Scratch(scratch, 0))
    }

    /// Copies the pixels of an image of these batches, rows and pixels, `channels` of each, so that they follow each other
    /// without gaps. Gives their strides and the pointer to the first.
    pub fn packed(
        &mut self,
        [n, h, w, _]: [usize; 4],
        channels: usize,
        strides: Image,
        start: Pointer,
    ) -> (Image, Pointer) {
        let dims = vec![n, h, w, channels];
        let packed = View::dense(&dims, DType::F32);
        let scratch = self.scratch.len();
        self.scratch.push(dims.iter().product());
        let x = strides.iter().chain(&[1]).map(|&s| s as isize).collect();
        let copy = Move {
            dims,
            x,
            out: packed.strides.clone(),
        };
        self.push(copy.simplified(), vec![start, Pointer::Scratch(scratch, 0)]);
        (packed.image(), Pointer::Scratch(scratch, 0))
    }

    /// Makes sure that an input has no gaps: copies it if need be.
    pub fn dense(&mut self, site: &Site<'_>, index: usize) -> Pointer {
        let view = &site.inputs[index];
        if view.is_dense() {
            return Pointer::Input(index, 0);
        }
        let scratch = self.scratch.len();
        self.scratch.push(view.dims.iter().product());
        self.push(
            copy(view, &View::dense(&view.dims, view.dtype)),
            vec![Pointer::Input(index, 0), Pointer::Scratch(scratch, 0)],
        );
        Pointer::Scratch(scratch, 0)
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
pub fn epilogue(site: &Site<'_>, tape: &Tape, first: usize, channel: usize) -> (Epilogue, Vec<Pointer>) {
    let dims = &site.output.dims;
    let mut operands = Vec::new();
    let mut pointers = Vec::new();
    for (i, view) in site.inputs.iter().enumerate().skip(first) {
        let strides = view.broadcast(dims);
        let mut image = [0; 4];
        image[4 - strides.len()..].copy_from_slice(&strides);
        pointers.push(Pointer::Input(i, (channel * image[3]) as isize));
        operands.push(image);
    }
    (
        Epilogue {
            tape: tape.clone(),
            operands,
        },
        pointers,
    )
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
