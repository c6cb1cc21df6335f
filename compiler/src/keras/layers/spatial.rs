//! Images and sequences: where channels stand, and what is around them.

use super::activation::Activation;
use super::context::{Cx, Stop};
use super::read::Read;
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::keras::keras1::Backend;
use crate::ops::WindowAxis;
use serde_json::Value as Json;

/// Where channels stand in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `[batch, height, width, channels]`.
    #[default]
    Last,
    /// `[batch, channels, height, width]`.
    First,
}

impl Read<'_> {
    /// Whether channels stand first.
    pub fn format(&self) -> Format {
        let keras1 = self.fields.config().keras1();
        if keras1.is_some() && self.fields.value("data_format").and_then(Json::as_str) == Some("default") {
            let help = "the file does not say it for this layer, and other layers do not say the same: \
                        save the model with one order of axes";
            return self.or(
                Err(self.fields.unsupported("data_format").help(help)),
                Format::Last,
            );
        }
        let table = match keras1 {
            Some(_) => [("tf", Format::Last), ("th", Format::First)],
            None => [("channels_last", Format::Last), ("channels_first", Format::First)],
        };
        self.choice("data_format", &table, Format::Last)
    }
    /// What is around the input of a window.
    pub fn padding(&self, causal: bool) -> Padding {
        if let Some(dialect) = self.fields.config().keras1() {
            return self.padding_of_keras1(dialect.backend);
        }
        let table = [
            ("valid", Padding::Valid),
            ("same", Padding::Same),
            ("causal", Padding::Causal),
        ];
        let table = if causal { &table[..] } else { &table[..2] };
        self.choice("padding", table, Padding::Valid)
    }
    /// What is around the input of a convolution of Keras 1.
    fn padding_of_keras1(&self, backend: Backend) -> Padding {
        let theano = backend == Backend::Theano;
        let table = [
            ("valid", Padding::Valid),
            ("same", if theano { Padding::Half } else { Padding::Same }),
            // TensorFlow has no such thing.
            ("full", Padding::Full),
        ];
        self.choice(
            "padding",
            if theano { &table } else { &table[..2] },
            Padding::Valid,
        )
    }
    /// What is around the input of a window of pooling, or of a transposed convolution. Theano's `same` is that of others for windows
    /// of 1 and 3 that move by 1; what else it is depends on its version.
    pub fn plain_padding(&self, windows: &[usize], strides: &[usize]) -> Padding {
        match self.padding(false) {
            Padding::Half | Padding::Full => {}
            padding => return padding,
        }
        let same =
            windows.iter().all(|size| matches!(size, 1 | 3)) && strides.iter().all(|&stride| stride == 1);
        if self.fields.value("padding").and_then(Json::as_str) != Some("same") || !same {
            let help = "the file was saved on Theano, which pads as no other backend does: save the model on TensorFlow";
            self.or_harmless(Err(self.fields.unsupported("padding").help(help)), ());
        }
        Padding::Same
    }
}

/// What is around the input of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Nothing.
    Valid,
    /// So much that there is one result per stride, as TensorFlow pads: the odd one at the end.
    Same,
    /// So much before that no result sees what comes after it.
    Causal,
    /// Half of the window on both sides, as Theano pads where Keras 1 says `same`: as many results as `Same` has.
    Half,
    /// All but one element of the window on both sides.
    Full,
}

impl Padding {
    /// The window along one axis of `input` elements. Attributes are bounded by [`crate::tensor::MAX_ELEMENTS`].
    pub fn window(self, size: usize, stride: usize, dilation: usize, input: usize) -> WindowAxis {
        let extent = (size - 1) * dilation + 1;
        let (before, after) = match self {
            Self::Valid => (0, 0),
            Self::Causal => (extent - 1, 0),
            Self::Full => (extent - 1, extent - 1),
            Self::Half => {
                let before = extent / 2;
                let reach = (input.div_ceil(stride) - 1) * stride + extent;
                (before, reach.saturating_sub(input + before))
            }
            Self::Same => {
                let outputs = input.div_ceil(stride);
                let all = ((outputs - 1) * stride + extent).saturating_sub(input);
                (all / 2, all - all / 2)
            }
        };
        WindowAxis {
            size,
            stride,
            dilation,
            before,
            after,
        }
    }
    /// The windows along the two axes of an image.
    pub fn windows(
        self,
        size: [usize; 2],
        strides: [usize; 2],
        dilation: [usize; 2],
        input: [usize; 2],
    ) -> [WindowAxis; 2] {
        [0, 1].map(|a| self.window(size[a], strides[a], dilation[a], input[a]))
    }
}

/// An image in NHWC that stands for a tensor of the layer: sequences are images of height 1.
pub struct Image {
    /// The image.
    pub node: NodeId,
    /// Its extents.
    pub dims: [usize; 4],
    format: Format,
    axes: usize,
}

impl Image {
    /// Brings the layer's only input, of `axes` (1 or 2) spatial axes, into the form of an image.
    pub fn input(cx: &mut Cx<'_>, axes: usize, format: Format) -> Result<Self, Stop> {
        let node = cx.float_input()?;
        cx.expect_rank(node, axes + 2)?;
        let mut node = channels_last(cx, node, format)?;
        let dims = match cx.dims(node)[..] {
            [n, h, w, c] => [n, h, w, c],
            [n, w, c] => [n, 1, w, c],
            _ => return Err(Error::internal("an image of another rank").into()),
        };
        node = cx.b().reshape(node, dims)?;
        Ok(Self {
            node,
            dims,
            format,
            axes,
        })
    }
    /// Gives a result the layer's form back.
    pub fn restore(&self, cx: &mut Cx<'_>, mut node: NodeId) -> Result<NodeId> {
        if let (1, &[n, _, w, c]) = (self.axes, &cx.dims(node)[..]) {
            node = cx.b().reshape(node, [n, w, c])?;
        }
        channels_first(cx, node, self.format)
    }
    /// Applies the layer's activation and gives the result the layer's form back. A function of each element alone
    /// is applied to the image, where it can be fused; others see the axes that Keras sees.
    pub fn finish(&self, cx: &mut Cx<'_>, node: NodeId, activation: &Activation) -> Result<NodeId, Stop> {
        match activation.tape() {
            Some(tape) => {
                let node = cx.apply(tape.clone(), node)?;
                Ok(self.restore(cx, node)?)
            }
            None => {
                let node = self.restore(cx, node)?;
                activation.apply(cx, node)
            }
        }
    }
}

/// `N` attributes as those of an image: what a sequence lacks is `fill`.
pub fn lifted<T: Copy, const N: usize>(values: [T; N], fill: T) -> [T; 2] {
    match values[..] {
        [height, width, ..] => [height, width],
        [width] => [fill, width],
        [] => [fill; 2],
    }
}

/// Moves channels from the second place to the last.
pub fn channels_last(cx: &mut Cx<'_>, node: NodeId, format: Format) -> Result<NodeId> {
    let rank = cx.dims(node).len();
    if format == Format::Last || rank < 3 {
        return Ok(node);
    }
    let perm: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
    cx.b().transpose(node, perm)
}

/// Moves channels from the last place to the second.
pub fn channels_first(cx: &mut Cx<'_>, node: NodeId, format: Format) -> Result<NodeId> {
    let rank = cx.dims(node).len();
    if format == Format::Last || rank < 3 {
        return Ok(node);
    }
    let perm: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    cx.b().transpose(node, perm)
}
