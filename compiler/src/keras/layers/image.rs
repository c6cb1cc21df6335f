//! Layers that prepare images: `keras.layers.CenterCrop`, `RandomCrop`, `AutoContrast`, and all augmentation that does
//! nothing at inference.

use super::context::{Cx, Outcome, Stop, one};
use super::interpolation::Interpolation;
use super::resize::resized;
use super::shape::crop;
use super::spatial::{Format, channels_first, channels_last};
use crate::graph::NodeId;
use crate::keras::ranges::{ANY, COUNT};
use crate::ops::{Pad, ReduceKind};
use crate::pointwise::{Binary, Compare, TapeBuilder};

/// Random augmentation: at inference the input, as floats.
pub fn augmentation(cx: &mut Cx<'_>) -> Outcome {
    cx.check_training()?;
    one(cx.float_input()?)
}

/// `CenterCrop`: the middle of an image; a smaller one is fitted to the target.
pub fn center_crop(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let target = [r.usize("height", COUNT), r.usize("width", COUNT)];
    let format = r.format();
    r.finish(cx)?;
    let x = cx.float_input()?;
    let image = Resizable::of(cx, x, format)?;
    let [height, width] = image.extents;
    if height < target[0] || width < target[1] {
        return one(image.fitted(cx, target, Fit::Crop, Interpolation::Bilinear)?);
    }
    let middle = image.middle(cx, target)?;
    one(image.restore(cx, middle)?)
}

/// `RandomCrop`: at inference Keras 2 fits the image to the target, and Keras 3 gives it as it is.
pub fn random_crop(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let target = [r.usize("height", COUNT), r.usize("width", COUNT)];
    let format = r.format();
    r.finish(cx)?;
    cx.check_training()?;
    if cx.is_keras3() {
        return one(cx.input()?.node);
    }
    let x = cx.float_input()?;
    let image = Resizable::of(cx, x, format)?;
    one(image.fitted(cx, target, Fit::Crop, Interpolation::Bilinear)?)
}

/// `AutoContrast`: stretches every channel of every image to the whole range of values. A channel of one value stays.
pub fn auto_contrast(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let range = r.floats_or("value_range", &[0.0, 255.0], ANY);
    // Axes 1 and 2 are taken whatever stands there.
    r.format();
    r.finish(cx)?;
    let &[low, high] = &range[..] else {
        return Err(cx.inconsistent(format!("value_range {range:?} is not a pair of numbers")));
    };
    let x = cx.float_input()?;
    cx.expect_rank(x, 4)?;
    let (low, high) = (low.min(high) as f32, low.max(high) as f32);
    let min = cx.b().reduce(ReduceKind::Min, [1, 2], x)?;
    let max = cx.b().reduce(ReduceKind::Max, [1, 2], x)?;
    let mut t = TapeBuilder::new(3);
    let (value, darkest, brightest) = (t.input(0), t.input(1), t.input(2));
    let (zero, one_whole, width, low) = (
        t.constant(0.0),
        t.constant(1.0),
        t.constant(high - low),
        t.constant(low),
    );
    let span = t.binary(Binary::Sub, brightest, darkest);
    let above = t.binary(Binary::Sub, value, darkest);
    let share = t.binary(Binary::Div, above, span);
    let share = t.binary(Binary::Max, share, zero);
    let share = t.binary(Binary::Min, share, one_whole);
    let stretched = t.binary(Binary::Mul, share, width);
    let stretched = t.binary(Binary::Add, stretched, low);
    let flat = t.compare(Compare::Eq, span, zero);
    let result = t.select(flat, value, stretched);
    one(cx.b().map(t.finish(result), &[x, min, max])?)
}

/// What is done about an image of another aspect ratio than the target's before it is resized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fit {
    /// Nothing: it is stretched.
    Stretch,
    /// It is cropped at two sides.
    Crop,
    /// It is padded at two sides with this value.
    Pad(f32),
}

impl Fit {
    /// What the arguments ask for, of which Keras takes one at a time.
    pub fn of(cx: &Cx<'_>, crop: bool, pad: bool, fill: f64) -> Result<Self, Stop> {
        match (crop, pad) {
            (false, false) => Ok(Self::Stretch),
            (true, false) => Ok(Self::Crop),
            (false, true) => Ok(Self::Pad(fill as f32)),
            (true, true) => {
                Err(cx.inconsistent("crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other"))
            }
        }
    }
}

/// A batch of images with channels last.
pub struct Resizable {
    node: NodeId,
    /// Height and width.
    pub extents: [usize; 2],
    format: Format,
    /// Whether Keras has it as one image without a batch.
    alone: bool,
}

impl Resizable {
    /// A tensor `[batch, height, width, channels]` or `[height, width, channels]`, or with channels before the height.
    pub fn of(cx: &mut Cx<'_>, x: NodeId, format: Format) -> Result<Self, Stop> {
        let mut dims = cx.dims(x);
        let alone = dims.len() == 3;
        if alone {
            dims.insert(0, 1);
        }
        let x = cx.b().reshape(x, dims)?;
        cx.expect_rank(x, 4)?;
        let node = channels_last(cx, x, format)?;
        match cx.dims(node)[..] {
            [_, height, width, _] => Ok(Self {
                node,
                extents: [height, width],
                format,
                alone,
            }),
            _ => Err(cx.inconsistent("it takes a tensor of rank 3 or 4")),
        }
    }
    /// A result in the form in which Keras has the image.
    pub fn restore(&self, cx: &mut Cx<'_>, result: NodeId) -> Result<NodeId, Stop> {
        let result = channels_first(cx, result, self.format)?;
        let dims = cx.dims(result);
        Ok(match dims.split_first() {
            Some((_, rest)) if self.alone => cx.b().reshape(result, rest.to_vec())?,
            _ => result,
        })
    }
    /// Its middle, of these extents.
    fn middle(&self, cx: &mut Cx<'_>, extents: [usize; 2]) -> Result<NodeId, Stop> {
        let mut sizes = cx.dims(self.node);
        let mut starts = vec![0; sizes.len()];
        for (axis, extent) in (1..).zip(extents) {
            starts[axis] = sizes[axis].saturating_sub(extent) / 2;
            sizes[axis] = extent;
        }
        Ok(crop(cx, self.node, starts, sizes)?)
    }
    /// The extents of an image as high or as wide as this one with the aspect ratio of the target: for each, what it
    /// would be for the other one of this image.
    fn other(&self, [target_height, target_width]: [usize; 2]) -> [usize; 2] {
        let [height, width] = self.extents;
        [
            width.saturating_mul(target_height) / target_width.max(1),
            height.saturating_mul(target_width) / target_height.max(1),
        ]
    }
    /// The largest part in its middle with the aspect ratio of the target.
    fn cropped(&self, cx: &mut Cx<'_>, target: [usize; 2]) -> Result<NodeId, Stop> {
        let other = self.other(target);
        let extents = [0, 1].map(|a| self.extents[a].min(other[a]).max(1));
        self.middle(cx, extents)
    }
    /// The smallest image around it with the aspect ratio of the target, one less where the rest is odd.
    fn padded(&self, cx: &mut Cx<'_>, target: [usize; 2], value: f32) -> Result<NodeId, Stop> {
        let other = self.other(target);
        let sides = [0, 1].map(|a| other[a].saturating_sub(self.extents[a]) / 2);
        let [height, width] = sides.map(|side| (side, side));
        if sides == [0, 0] {
            return Ok(self.node);
        }
        let pads = vec![(0, 0), height, width, (0, 0)];
        Ok(cx.b().add(Pad { pads, value }, &[self.node])?)
    }
    /// The image with other extents.
    pub fn fitted(
        &self,
        cx: &mut Cx<'_>,
        target: [usize; 2],
        fit: Fit,
        interpolation: Interpolation,
    ) -> Result<NodeId, Stop> {
        let node = match fit {
            Fit::Stretch => self.node,
            Fit::Crop => self.cropped(cx, target)?,
            Fit::Pad(value) => self.padded(cx, target, value)?,
        };
        let node = resized(cx, node, target, interpolation)?;
        self.restore(cx, node)
    }
}
