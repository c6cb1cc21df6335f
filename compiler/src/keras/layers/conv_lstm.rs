//! The convolutions of `keras.layers.ConvLSTM1D`, `ConvLSTM2D`, `ConvLSTM3D`, which stand where an LSTM has products.
//!
//! Inside a loop channels stand last; images of other numbers of axes are convolved as images of two.

use super::context::{Cx, Stop};
use super::conv::strides_or_dilation;
use super::read::Read;
use super::spatial::{Format, Padding, channels_first, channels_last};
use super::volume::{depths_to_channels, stacked};
use crate::error::{Error, Result};
use crate::graph::{Builder, NodeId};
use crate::keras::keras1::Backend;
use crate::keras::ranges::WINDOW;
use crate::ops::{Conv, WindowAxis};
use crate::pointwise::{Binary, Tape};
use crate::tensor::{Shape, Tensor};

/// The arguments that both convolutions of a cell come from.
pub struct Convolution {
    /// The extents of a kernel, one for each axis of an image.
    pub size: Vec<usize>,
    strides: Vec<usize>,
    dilation: Vec<usize>,
    padding: Padding,
    format: Format,
}

impl Convolution {
    /// Reads the arguments of a cell for images of so many axes.
    pub fn read(r: &Read<'_>, axes: usize) -> Self {
        match axes {
            1 => Self::of::<1>(r),
            2 => Self::of::<2>(r),
            _ => Self::of::<3>(r),
        }
    }
    fn of<const N: usize>(r: &Read<'_>) -> Self {
        let size = r.tuple::<N>("kernel_size", WINDOW);
        let theano = r
            .fields
            .config()
            .keras1()
            .is_some_and(|dialect| dialect.backend == Backend::Theano);
        if theano && size.iter().any(|size| size.is_multiple_of(2)) {
            let help = "the file was saved on Theano, which centres such kernels elsewhere: save the model on TensorFlow";
            r.or_harmless(Err(r.fields.unsupported("kernel_size").help(help)), ());
        }
        Self {
            size: size.to_vec(),
            strides: r.tuple_or::<N>("strides", [1; N], WINDOW).to_vec(),
            dilation: r.tuple_or::<N>("dilation_rate", [1; N], WINDOW).to_vec(),
            padding: r.padding(false),
            format: r.format(),
        }
    }
    /// Refuses what Keras refuses.
    pub fn check(&self, cx: &Cx<'_>) -> Result<(), Stop> {
        strides_or_dilation(cx, &self.strides, &self.dilation)
    }
    /// The windows that the inputs of a step are seen through, for images of these extents.
    pub fn windows(&self, extents: &[usize]) -> Vec<WindowAxis> {
        let along = |(axis, &extent): (usize, &usize)| {
            self.padding
                .window(self.size[axis], self.strides[axis], self.dilation[axis], extent)
        };
        extents.iter().enumerate().map(along).collect()
    }
    /// Those that a state is seen through: `recurrent_conv` keeps its extents.
    pub fn recurrent_windows(&self, extents: &[usize]) -> Vec<WindowAxis> {
        let sizes = self.size.iter().zip(extents);
        sizes
            .map(|(&size, &extent)| Padding::Same.window(size, 1, 1, extent))
            .collect()
    }
    /// The extents of a state, for inputs of these.
    pub fn output(&self, extents: &[usize]) -> Result<Vec<usize>> {
        let windows = self.windows(extents);
        windows
            .iter()
            .zip(extents)
            .map(|(window, &extent)| window.output(extent))
            .collect()
    }
    /// Images of all steps, `[batch, time, …]`, with channels last.
    pub fn channels_last(&self, cx: &mut Cx<'_>, sequence: NodeId) -> Result<NodeId> {
        each_step(cx, sequence, self.format, channels_last)
    }
    /// Images of all steps where the layer has channels.
    pub fn sequence_restored(&self, cx: &mut Cx<'_>, sequence: NodeId) -> Result<NodeId> {
        each_step(cx, sequence, self.format, channels_first)
    }
    /// A state with channels last.
    pub fn state_channels_last(&self, cx: &mut Cx<'_>, state: NodeId) -> Result<NodeId> {
        channels_last(cx, state, self.format)
    }
    /// An image where the layer has channels.
    pub fn restored(&self, cx: &mut Cx<'_>, image: NodeId) -> Result<NodeId> {
        channels_first(cx, image, self.format)
    }
}

/// Moves the channels of images `[batch, time, …]`.
fn each_step(
    cx: &mut Cx<'_>,
    sequence: NodeId,
    format: Format,
    moved: impl FnOnce(&mut Cx<'_>, NodeId, Format) -> Result<NodeId>,
) -> Result<NodeId> {
    if format == Format::Last {
        return Ok(sequence);
    }
    let dims = cx.dims(sequence);
    let [batch, time, image @ ..] = &dims[..] else {
        return Err(Error::internal("a sequence of images without time"));
    };
    let images = cx.b().reshape(sequence, [&[batch * time], image].concat())?;
    let images = moved(cx, images, format)?;
    let image = cx.dims(images);
    cx.b().reshape(images, [&[*batch, *time], &image[1..]].concat())
}

/// The shape of a kernel `[size…, channels, filters]` as [`convolve`] takes it.
pub fn planar_shape(size: &[usize], [channels, filters]: [usize; 2]) -> Result<Shape> {
    match *size {
        [width] => Shape::checked([1, width, channels, filters]),
        [height, width] => Shape::checked([height, width, channels, filters]),
        [depth, height, width] => Shape::checked([height, width, depth.saturating_mul(channels), filters]),
        _ => Err(Error::internal("a kernel of another rank")),
    }
}

/// A kernel `[size…, channels, filters]` as [`convolve`] takes it: depths become channels.
pub fn planar(kernel: &Tensor) -> Result<Tensor> {
    let [size @ .., channels, filters] = kernel.shape().dims() else {
        return Err(Error::internal("a kernel of another rank"));
    };
    let shape = planar_shape(size, [*channels, *filters])?;
    match *size {
        [depth, height, width] => {
            depths_to_channels(kernel, &shape, [depth, height * width, channels * filters])
        }
        _ => kernel.reshape(shape),
    }
}

/// Convolves images `[n, …, channels]` of one to three axes with a [`planar`] kernel, and adds a bias and a value of the
/// shape of the result.
pub fn convolve(
    b: &mut Builder<'_>,
    windows: &[WindowAxis],
    [x, kernel]: [NodeId; 2],
    bias: Option<NodeId>,
    plus: Option<NodeId>,
) -> Result<NodeId> {
    let dims = b.shape(x).dims().to_vec();
    let (images, window, outer) = match (windows, &dims[..]) {
        (&[width], &[n, w, c]) => {
            let images = b.reshape(x, [n, 1, w, c])?;
            (images, [WindowAxis::new(1), width], vec![n])
        }
        (&[height, width], &[n, _, _, _]) => (x, [height, width], vec![n]),
        (&[depth, height, width], &[n, d, h, w, c]) => {
            let (images, depths) = stacked(b, x, [n, d, h, w, c], depth, 1)?;
            (images, [height, width], vec![n, depths])
        }
        _ => return Err(Error::internal("images that their windows do not fit")),
    };
    let (&[count, height, width, _], &[.., filters]) = (b.shape(images).dims(), b.shape(kernel).dims())
    else {
        return Err(Error::internal("a convolution of no images"));
    };
    let planar = [
        count,
        window[0].output(height)?,
        window[1].output(width)?,
        filters,
    ];
    let mut inputs = vec![images, kernel];
    inputs.extend(bias);
    let mut epilogue = Tape::identity();
    if let Some(plus) = plus {
        inputs.push(b.reshape(plus, planar)?);
        epilogue = Tape::binary(Binary::Add);
    }
    let op = Conv {
        window,
        groups: 1,
        bias: bias.is_some(),
        epilogue,
    };
    let node = b.add(op, &inputs)?;
    let inner = if windows.len() == 1 {
        &planar[2..]
    } else {
        &planar[1..]
    };
    b.reshape(node, [&outer[..], inner].concat())
}
