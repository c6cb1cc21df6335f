//! Transposed convolutions: `keras.layers.Conv1DTranspose`, `Conv2DTranspose`.
//!
//! With stride s, result y of an axis takes the taps t for which y + pad - t·dilation is a multiple of s. Results
//! fall into s phases by (y + pad) mod s, and each phase is a plain convolution with some of the taps. So one
//! convolution with stride 1 computes all phases as s·s groups of channels (with zero taps where a phase has
//! fewer than another), and moving these groups into space gives the results, of which the padding is cut off.

use super::activation::Activation;
use super::context::{Cx, Outcome, Stop, one};
use super::conv::{kernel_shape, strides_or_dilation, with_bias};
use super::read::Read;
use super::shape::crop;
use super::spatial::{Format, Image, Padding, lifted};
use super::weights::Weights;
use crate::error::Result;
use crate::graph::NodeId;
use crate::keras::ranges::{COUNT, SIDE, WINDOW};
use crate::ops::{Conv, WindowAxis};
use crate::pointwise::Tape;
use crate::tensor::{Shape, Tensor};
use serde_json::{Value as Json, json};

/// One axis of a transposed convolution. The stride is the number of phases.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// Taps of the kernel.
    size: usize,
    /// Phases.
    pub stride: usize,
    dilation: usize,
    /// Results that the padding cuts off in front.
    pub pad: usize,
    /// Results that stay.
    pub output: usize,
    /// Taps of a phase.
    pub taps: usize,
    /// Positions of the convolution.
    pub positions: usize,
    input: usize,
}

impl Axis {
    /// With `more`, the `output_padding`, if there is one.
    pub fn new(
        input: usize,
        size: usize,
        stride: usize,
        dilation: usize,
        padding: Padding,
        more: Option<usize>,
    ) -> Self {
        let extent = (size - 1) * dilation + 1;
        let same = padding == Padding::Same;
        let output = match (same, more) {
            (true, None) => input * stride,
            (false, None) => input * stride + extent.saturating_sub(stride),
            (true, Some(more)) => (input - 1) * stride + extent % 2 + more,
            (false, Some(more)) => (input - 1) * stride + extent + more,
        };
        Self::giving(output, [input, size, stride, dilation], padding)
    }
    /// The same axis with so many results; `None` where a convolution of those does not give the inputs.
    fn reaching(&self, output: usize, padding: Padding) -> Option<Self> {
        let window = padding.window(self.size, self.stride, self.dilation, output);
        let fits = window.output(output).is_ok_and(|found| found == self.input);
        fits.then(|| {
            Self::giving(
                output,
                [self.input, self.size, self.stride, self.dilation],
                padding,
            )
        })
    }
    fn giving(output: usize, [input, size, stride, dilation]: [usize; 4], padding: Padding) -> Self {
        let extent = (size - 1) * dilation + 1;
        // As much as the forward convolution, from results to inputs, pads.
        let all = if padding == Padding::Same {
            ((input - 1) * stride + extent).saturating_sub(output)
        } else {
            0
        };
        let pad = all / 2;
        Self {
            size,
            stride,
            dilation,
            pad,
            output,
            taps: (extent - 1) / stride + 1,
            positions: (pad + output).div_ceil(stride).max(input),
            input,
        }
    }
    /// The window of the convolution: position q sees inputs q - taps + 1 to q.
    pub fn window(&self) -> WindowAxis {
        WindowAxis {
            before: self.taps - 1,
            after: self.positions - self.input,
            ..WindowAxis::new(self.taps)
        }
    }
    /// The tap of the kernel that stands at `at` in the window of a phase, if there is one.
    fn tap(&self, at: usize, phase: usize) -> Option<usize> {
        let distance = (self.taps - 1 - at) * self.stride + phase;
        distance
            .is_multiple_of(self.dilation)
            .then_some(distance / self.dilation)
            .filter(|&tap| tap < self.size)
    }
}

/// The arguments that all of them have, along `N` axes.
pub struct Arguments<const N: usize> {
    /// Channels of a result.
    pub filters: usize,
    /// Taps of the kernel.
    pub size: [usize; N],
    /// Results for every element.
    pub strides: [usize; N],
    /// Distances of taps in the results.
    pub dilation: [usize; N],
    /// What is cut off the results.
    pub padding: Padding,
    /// `output_padding`, which may be 0.
    pub more: Option<[usize; N]>,
    /// The extents of results, where the file says them, as Keras 1 does.
    pub results: Option<[usize; N]>,
    /// Where channels stand.
    pub format: Format,
    /// Whether there is a bias.
    pub bias: bool,
    /// What is applied to results.
    pub activation: Activation,
}

impl<const N: usize> Arguments<N> {
    /// Reads them.
    pub fn read(cx: &mut Cx<'_>) -> Result<Self, Stop> {
        let r = cx.read();
        let size = r.tuple::<N>("kernel_size", WINDOW);
        let strides = r.tuple_or::<N>("strides", [1; N], WINDOW);
        let format = r.format();
        let found = Self {
            filters: r.usize("filters", COUNT),
            size,
            strides,
            dilation: r.tuple_or::<N>("dilation_rate", [1; N], WINDOW),
            padding: r.plain_padding(&size, &strides),
            more: match r.fields.value("output_padding") {
                None | Some(Json::Null) => None,
                Some(_) => Some(r.tuple::<N>("output_padding", SIDE)),
            },
            results: results_of_keras1(&r, format),
            format,
            bias: r.flag("use_bias", true),
            activation: r.activation("activation", "linear"),
        };
        r.only("groups", &[json!(1)]);
        r.finish(cx)?;
        strides_or_dilation(cx, &found.strides, &found.dilation)?;
        let more = found.more.iter().flatten();
        if more.zip(found.strides).any(|(&more, stride)| more >= stride) {
            return Err(cx.inconsistent("output_padding must be less than strides"));
        }
        Ok(found)
    }
}

/// The spatial extents of `output_shape`, an argument of `Deconvolution2D` in Keras 1, which has the batch and the channels too.
fn results_of_keras1<const N: usize>(r: &Read<'_>, format: Format) -> Option<[usize; N]> {
    r.fields.config().keras1()?;
    let shape = r.fields.shape("output_shape").and_then(|shape| {
        let shape = shape.unwrap_or_default();
        let first = if format == Format::First { 2 } else { 1 };
        let extents = shape.get(first..first + N).filter(|_| shape.len() == N + 2);
        let extents: Option<Vec<usize>> = extents.and_then(|extents| extents.iter().copied().collect());
        let found = extents.and_then(|extents| <[usize; N]>::try_from(extents).ok());
        found
            .filter(|extents| extents.iter().all(|extent| WINDOW.contains(extent)))
            .ok_or_else(|| r.fields.unsupported("output_shape"))
    });
    Some(r.or(shape, [1; N]))
}

/// `Conv1DTranspose` and `Conv2DTranspose`: kernel `[size…, filters, channels]`, bias.
pub fn transposed<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    let Arguments {
        filters,
        size,
        strides,
        dilation,
        padding,
        more,
        results,
        format,
        bias,
        activation,
    } = Arguments::<N>::read(cx)?;
    let [size, strides, dilation] = [size, strides, dilation].map(|numbers| lifted(numbers, 1));
    let more = more.map(|more| lifted(more, 0));
    let image = Image::input(cx, N, format)?;
    let [batch, height, width, channels] = image.dims;
    let weights = cx.weights([
        Some(("kernel", kernel_shape::<N>(size, [filters, channels]))),
        bias.then(|| ("bias", vec![filters])),
    ]);
    let mut axes = [(0, height), (1, width)].map(|(i, input)| {
        Axis::new(
            input,
            size[i],
            strides[i],
            dilation[i],
            padding,
            more.map(|more| more[i]),
        )
    });
    let results = results.map(|results| lifted(results, 1));
    for (axis, output) in axes.iter_mut().zip(results.into_iter().flatten()) {
        *axis = axis.reaching(output, padding).ok_or_else(|| {
            cx.inconsistent(format!(
                "output_shape has an extent of {output} that {} elements do not give",
                axis.input
            ))
        })?;
    }
    let [h, w] = axes;
    if h.output == 0 || w.output == 0 {
        return Err(cx.inconsistent("output_padding leaves nothing"));
    }
    let phases = h.stride * w.stride;
    let kernel = Shape::checked([h.taps, w.taps, channels, phases * filters])?;
    let kernel = weights.derived(cx, "phases", &kernel, |weights| {
        // An image has one depth.
        let depth = Axis::new(1, 1, 1, 1, Padding::Valid, None);
        Some(phase_kernel(
            weights.get("kernel")?,
            [depth, h, w],
            channels,
            filters,
        ))
    })?;
    let op = Conv {
        window: axes.map(|axis| axis.window()),
        groups: 1,
        bias,
        epilogue: Tape::identity(),
    };
    let mut node = if bias {
        let tiled = Shape::new([phases * filters]);
        let bias = weights.derived(cx, "bias of phases", &tiled, |weights| tile_bias(weights, phases))?;
        cx.b().add(op, &[image.node, kernel, bias])?
    } else {
        with_bias(cx, op, &weights, &[image.node, kernel])?
    };
    // Beside the convolution an activation can be fused.
    if let Some(tape) = activation.tape() {
        node = cx.apply(tape.clone(), node)?;
    }
    node = into_space(cx, node, batch, axes, filters)?;
    let sizes = vec![batch, h.output, w.output, filters];
    node = crop(cx, node, vec![0, h.pad, w.pad, 0], sizes)?;
    node = image.restore(cx, node)?;
    match activation.tape() {
        Some(_) => one(node),
        None => one(activation.apply(cx, node)?),
    }
}

/// The kernels of all phases along depth, height and width,
/// `[taps of height, taps of width, (taps of depth, channels), (phase of height, of width, of depth, filters)]`.
pub fn phase_kernel(
    kernel: &Tensor,
    [d, h, w]: [Axis; 3],
    channels: usize,
    filters: usize,
) -> Result<Tensor> {
    let data = kernel.as_f32()?;
    let phases = d.stride * h.stride * w.stride;
    let mut result = vec![0.0; d.taps * h.taps * w.taps * channels * phases * filters];
    for (position, block) in result.chunks_mut(phases * filters).enumerate() {
        let (window, channel) = (position / channels, position % channels);
        let (window, at_d) = (window / d.taps, window % d.taps);
        let (at_h, at_w) = (window / w.taps, window % w.taps);
        for (phase, row) in block.chunks_mut(filters).enumerate() {
            let (phase, of_d) = (phase / d.stride, phase % d.stride);
            let of_d = d.tap(at_d, of_d);
            let taps = (of_d, h.tap(at_h, phase / w.stride), w.tap(at_w, phase % w.stride));
            let (Some(kd), Some(ky), Some(kx)) = taps else {
                continue;
            };
            for (filter, value) in row.iter_mut().enumerate() {
                let place = ((kd * h.size + ky) * w.size + kx) * filters + filter;
                *value = data[place * channels + channel];
            }
        }
    }
    Tensor::f32([h.taps, w.taps, d.taps * channels, phases * filters], result)
}

/// The bias of all phases.
pub fn tile_bias(weights: &Weights<'_>, phases: usize) -> Option<Result<Tensor>> {
    let bias = weights.get("bias")?.as_f32().ok()?;
    Some(Tensor::f32([phases * bias.len()], bias.repeat(phases)))
}

/// Moves `[batch, height, width, (phase, phase, filters)]` to `[batch, height·phases, width·phases, filters]`.
fn into_space(
    cx: &mut Cx<'_>,
    node: NodeId,
    batch: usize,
    [h, w]: [Axis; 2],
    filters: usize,
) -> Result<NodeId> {
    depth_to_space(
        cx,
        node,
        [batch, h.positions, w.positions, filters],
        [h.stride, w.stride],
    )
}

/// Moves blocks of channels `(row, column, channel)` into space; `dims` has the extents before, with the channels
/// that stay.
pub fn depth_to_space(cx: &mut Cx<'_>, node: NodeId, dims: [usize; 4], block: [usize; 2]) -> Result<NodeId> {
    let [batch, height, width, channels] = dims;
    let [bh, bw] = block;
    if bh * bw == 1 {
        return Ok(node);
    }
    let node = cx.b().reshape(node, [batch, height, width, bh, bw, channels])?;
    let node = cx.b().transpose(node, [0, 1, 3, 2, 4, 5])?;
    cx.b().reshape(node, [batch, height * bh, width * bw, channels])
}
