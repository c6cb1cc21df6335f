//! Convolutions whose weights differ from place to place: `keras.layers.LocallyConnected1D`, `LocallyConnected2D` of Keras 2.
//!
//! Each place of the result is a group of a convolution of one pixel: its channels are what the place sees.

use super::context::{Cx, Outcome, one};
use super::conv::kernel_shape;
use super::spatial::{Format, Image, Padding, lifted};
use super::weights::Weights;
use crate::budget::Resource;
use crate::error::Result;
use crate::graph::NodeId;
use crate::keras::ranges::{COUNT, WINDOW};
use crate::ops::{Conv, Gather, WindowAxis};
use crate::pointwise::Tape;
use crate::tensor::{Shape, Tensor};

/// How a layer stores its kernel: `implementation` in its config.
#[derive(Clone, Copy)]
enum Stored {
    /// `[places, window · channels, filters]`.
    Windows,
    /// A matrix of all inputs and all results, with all axes of both. What is not connected does not count.
    Dense,
    /// A number for each connection: by results, and of each by inputs, both as they lie in memory.
    Sparse,
}

/// Arguments about windows, lifted to two axes.
struct Windows {
    size: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
}

/// What sees what. Extents are of rows and columns; a sequence has one row.
struct Geometry {
    stored: Stored,
    format: Format,
    input: [usize; 2],
    size: [usize; 2],
    strides: [usize; 2],
    /// How far in front of `place · stride` a window begins.
    before: [usize; 2],
    output: [usize; 2],
    channels: usize,
    filters: usize,
}

impl Geometry {
    /// The windows of `conv_utils.conv_connected_inputs`: padded ones are centred on multiples of the stride.
    fn new(
        (stored, format): (Stored, Format),
        [height, width, channels]: [usize; 3],
        windows: &Windows,
        filters: usize,
    ) -> Result<Self> {
        let &Windows {
            size,
            strides,
            padding,
        } = windows;
        let input = [height, width];
        let same = padding == Padding::Same;
        let mut output = [1; 2];
        for axis in 0..2 {
            output[axis] = match same {
                true => input[axis].div_ceil(strides[axis]),
                false => padding
                    .window(size[axis], strides[axis], 1, input[axis])
                    .output(input[axis])?,
            };
        }
        Ok(Self {
            stored,
            format,
            input,
            size,
            strides,
            before: size.map(|size| if same { size / 2 } else { 0 }),
            output,
            channels,
            filters,
        })
    }
    fn places(&self) -> usize {
        self.output[0].saturating_mul(self.output[1])
    }
    /// Inputs that a place sees: taps of the window, each with all channels.
    fn seen(&self) -> usize {
        self.size[0]
            .saturating_mul(self.size[1])
            .saturating_mul(self.channels)
    }
    /// The coordinate along an axis that a tap of a place falls on, if that is inside.
    fn coordinate(&self, axis: usize, place: usize, tap: usize) -> Option<usize> {
        let padded = place * self.strides[axis] + tap;
        padded
            .checked_sub(self.before[axis])
            .filter(|&at| at < self.input[axis])
    }
    /// The row and the column that tap `tap` of place `place` falls on.
    fn pixel(&self, place: usize, tap: usize) -> Option<[usize; 2]> {
        let row = self.coordinate(0, place / self.output[1], tap / self.size[1])?;
        let column = self.coordinate(1, place % self.output[1], tap % self.size[1])?;
        Some([row, column])
    }
    /// How many pairs of places and taps fall inside.
    fn inside(&self) -> usize {
        let along = |axis: usize| -> usize {
            let begin = |place: usize| place * self.strides[axis];
            let end = self.input[axis] + self.before[axis];
            let inside = |place| {
                let last = (begin(place) + self.size[axis]).min(end);
                last.saturating_sub(begin(place).max(self.before[axis]))
            };
            (0..self.output[axis]).map(inside).sum()
        };
        let (rows, columns) = (along(0), along(1));
        rows.saturating_mul(columns)
    }
    /// The shape of the kernel in a file, for a layer of `N` axes.
    fn kernel<const N: usize>(&self) -> Vec<usize> {
        let all = |size: [usize; 2], channels| {
            let mut dims = kernel_shape::<N>(size, [channels, 0]);
            dims.truncate(N + 1);
            if self.format == Format::First {
                dims.rotate_right(1);
            }
            dims
        };
        match self.stored {
            Stored::Windows => vec![self.places(), self.seen(), self.filters],
            Stored::Dense => [all(self.input, self.channels), all(self.output, self.filters)].concat(),
            Stored::Sparse => vec![
                self.inside()
                    .saturating_mul(self.channels)
                    .saturating_mul(self.filters),
            ],
        }
    }
    /// Where element `[at, channel]` of a grid lies in memory.
    fn index(&self, grid: [usize; 2], channels: usize, at: [usize; 2], channel: usize) -> usize {
        let pixel = at[0] * grid[1] + at[1];
        match self.format {
            Format::Last => pixel * channels + channel,
            Format::First => channel * grid[0] * grid[1] + pixel,
        }
    }
    /// Calls `put` with place, tap, channel, filter and the place in the file of every number of the kernel that counts.
    fn each(&self, mut put: impl FnMut([usize; 4], usize)) {
        let taps = self.size[0] * self.size[1];
        let results = self.places() * self.filters;
        let mut next = 0;
        let outer: [usize; 2] = match self.format {
            Format::Last => [self.places(), self.filters],
            Format::First => [self.filters, self.places()],
        };
        for (first, second) in
            (0..outer[0]).flat_map(|first| (0..outer[1]).map(move |second| (first, second)))
        {
            let (place, filter) = match self.format {
                Format::Last => (first, second),
                Format::First => (second, first),
            };
            let mut connect = |tap: usize, channel: usize| {
                let pixel = self.pixel(place, tap);
                let seen = match self.format {
                    Format::Last => tap * self.channels + channel,
                    Format::First => channel * taps + tap,
                };
                let from = match (self.stored, pixel) {
                    (_, None) => return,
                    (Stored::Windows, _) => (place * self.seen() + seen) * self.filters + filter,
                    (Stored::Dense, Some(pixel)) => {
                        let at = [place / self.output[1], place % self.output[1]];
                        let input = self.index(self.input, self.channels, pixel, channel);
                        input * results + self.index(self.output, self.filters, at, filter)
                    }
                    (Stored::Sparse, _) => next,
                };
                next += 1;
                put([place, tap, channel, filter], from);
            };
            match self.format {
                Format::Last => {
                    (0..taps).for_each(|tap| (0..self.channels).for_each(|channel| connect(tap, channel)))
                }
                Format::First => {
                    (0..self.channels).for_each(|channel| (0..taps).for_each(|tap| connect(tap, channel)))
                }
            }
        }
    }
    /// The kernel of the grouped convolution, `[1, 1, taps · channels, places · filters]`.
    fn grouped(&self, kernel: &Tensor) -> Result<Tensor> {
        let data = kernel.as_f32()?;
        let columns = self.places() * self.filters;
        let mut values = vec![0.0; self.seen() * columns];
        self.each(|[place, tap, channel, filter], from| {
            values[(tap * self.channels + channel) * columns + place * self.filters + filter] = data[from];
        });
        Tensor::f32([1, 1, self.seen(), columns], values)
    }
    /// The bias by places and filters. Where channels stand first, `backend.bias_add` takes a bias `[…, filters]` for one
    /// `[filters, …]` without moving its numbers.
    fn bias(&self, bias: &Tensor) -> Result<Tensor> {
        let count = self.places() * self.filters;
        let Format::First = self.format else {
            return bias.reshape([count]);
        };
        let data = bias.as_f32()?;
        let of = |i: usize| data[i % self.filters * self.places() + i / self.filters];
        Tensor::f32([count], (0..count).map(of).collect::<Vec<_>>())
    }
}

/// `LocallyConnected1D` and `LocallyConnected2D`: kernel as its `implementation` says, bias `[places…, filters]`.
pub fn connected<const N: usize>(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let filters = r.usize("filters", COUNT);
    let windows = Windows {
        size: lifted(r.tuple::<N>("kernel_size", WINDOW), 1),
        strides: lifted(r.tuple_or::<N>("strides", [1; N], WINDOW), 1),
        padding: r.padding(false),
    };
    let format = r.format();
    let bias = r.flag("use_bias", true);
    let activation = r.activation("activation", "linear");
    let stored = match r.usize_or("implementation", 1, 1..=3) {
        1 => Stored::Windows,
        2 => Stored::Dense,
        _ => Stored::Sparse,
    };
    r.finish(cx)?;
    if matches!(stored, Stored::Windows) && windows.padding != Padding::Valid {
        return Err(cx.inconsistent("implementation 1 takes no padding"));
    }
    let image = Image::input(cx, N, format)?;
    let [batch, height, width, channels] = image.dims;
    let geometry = Geometry::new((stored, format), [height, width, channels], &windows, filters)?;
    cx.state.budget.take(Resource::Parts, geometry.places())?;
    let weights = cx.weights([
        Some(("kernel", geometry.kernel::<N>())),
        bias.then(|| {
            (
                "bias",
                kernel_shape::<N>(geometry.output, [filters, 1])[..=N].to_vec(),
            )
        }),
    ]);
    let seen = neighbourhoods(cx, &image, &geometry)?;
    let node = product(cx, seen, &geometry, &weights)?;
    let node = cx
        .b()
        .reshape(node, [&[batch], &geometry.output[..], &[filters]].concat())?;
    one(image.finish(cx, node, &activation)?)
}

/// What each place sees, `[batch, 1, 1, places · taps · channels]`. Beyond the edge that is any pixel, which counts nothing.
fn neighbourhoods(cx: &mut Cx<'_>, image: &Image, geometry: &Geometry) -> Result<NodeId> {
    let [batch, height, width, channels] = image.dims;
    let taps = geometry.size[0].saturating_mul(geometry.size[1]);
    let count = Shape::checked([geometry.places().saturating_mul(taps)])?.count();
    let pixels = cx.constant("pixels", count, || {
        let each = (0..geometry.places()).flat_map(|place| (0..taps).map(move |tap| (place, tap)));
        let at = |(place, tap)| {
            geometry
                .pixel(place, tap)
                .map_or(0, |[row, column]| row * width + column)
        };
        Tensor::i32([count], each.map(|pair| at(pair) as i32).collect::<Vec<_>>())
    })?;
    let flat = cx.b().reshape(image.node, [batch, height * width, channels])?;
    let gather = Gather {
        axis: 1,
        negative: false,
    };
    let seen = cx.b().add(gather, &[flat, pixels])?;
    cx.b().reshape(seen, [batch, 1, 1, count * channels])
}

/// What the places see times the weights of each, plus the bias: `[batch, 1, 1, places · filters]`.
fn product(cx: &mut Cx<'_>, seen: NodeId, geometry: &Geometry, weights: &Weights<'_>) -> Result<NodeId> {
    let columns = geometry.places().saturating_mul(geometry.filters);
    let shape = Shape::checked([1, 1, geometry.seen(), columns])?;
    let kernel = weights.derived(cx, "kernel of places", &shape, |w| {
        Some(geometry.grouped(w.get("kernel")?))
    })?;
    let mut inputs = vec![seen, kernel];
    if weights.has("bias") {
        let shape = Shape::new([columns]);
        inputs.push(weights.derived(cx, "bias of places", &shape, |w| {
            Some(geometry.bias(w.get("bias")?))
        })?);
    }
    let op = Conv {
        window: [WindowAxis::new(1); 2],
        groups: geometry.places(),
        bias: weights.has("bias"),
        epilogue: Tape::identity(),
    };
    cx.b().add(op, &inputs)
}
