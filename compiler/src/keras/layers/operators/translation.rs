//! `keras.ops.image.scale_and_translate`: along each axis a product with weights that follow from the scale and the
//! translation, which must be known.

use super::arguments::Arguments;
use super::fourier::times;
use crate::keras::layers::context::{Arg, Cx, Outcome, Stop, one};
use crate::keras::layers::interpolation::Kernel;
use crate::tensor::DType;
use serde_json::Value as Json;

type Args<'a, 'b> = &'b Arguments<'a>;

const METHODS: &[(&str, Kernel)] = &[
    ("linear", Kernel::Triangle),
    ("bilinear", Kernel::Triangle),
    ("trilinear", Kernel::Triangle),
    ("cubic", Kernel::Keys),
    ("bicubic", Kernel::Keys),
    ("tricubic", Kernel::Keys),
    ("lanczos3", Kernel::Lanczos(3)),
    ("lanczos5", Kernel::Lanczos(5)),
];

/// How the elements of one axis are found.
struct Along {
    input: usize,
    output: usize,
    scale: f32,
    translation: f32,
    kernel: Kernel,
    antialias: bool,
}

impl Along {
    /// The weights `[input, output]`, as `_compute_weight_mat` of `keras.src.backend.tensorflow.image` has them.
    fn weights(&self) -> Vec<f64> {
        let inverse = 1.0 / self.scale;
        let width = if self.antialias { inverse.max(1.0) } else { 1.0 };
        let mut all = vec![0.0; self.input * self.output];
        for result in 0..self.output {
            let at = (result as f32 + 0.5) * inverse - self.translation * inverse - 0.5;
            if !(at >= -0.5 && at <= self.input as f32 - 0.5) {
                continue;
            }
            let weight = |element: usize| self.kernel.at(f64::from((at - element as f32).abs() / width));
            let sum: f64 = (0..self.input).map(weight).sum();
            if sum.abs() > 1000.0 * f64::from(f32::EPSILON) {
                for element in 0..self.input {
                    all[element * self.output + result] = weight(element) / sum;
                }
            }
        }
        all
    }
}

/// The argument that has a number for each axis.
fn for_axes(
    cx: &mut Cx<'_>,
    a: Args<'_, '_>,
    index: usize,
    name: &str,
    count: usize,
) -> Result<Vec<f32>, Stop> {
    let found = a.literal(cx, index, &[name])?;
    let found = a.required(cx, found, name)?;
    match super::numbers(&found) {
        Some((_, numbers)) if numbers.len() == count => Ok(numbers.iter().map(|&n| n as f32).collect()),
        _ => Err(a.unsupported(cx, &[name], &found)),
    }
}

/// The extents of the result, of which the batch may be open: 0 then.
fn output_shape(cx: &mut Cx<'_>, a: Args<'_, '_>, rank: usize) -> Result<Vec<usize>, Stop> {
    let found = a.literal(cx, 1, &["output_shape"])?;
    let mut found = a.required(cx, found, "output_shape")?;
    let given = found.clone();
    let items = match &mut found {
        Json::Object(map) => map.get_mut("items"),
        list => Some(list),
    };
    if let Some(first) = items
        .and_then(|items| items.get_mut(0))
        .filter(|first| first.is_null())
    {
        *first = 0.into();
    }
    let extents = super::arguments::integers(&found).filter(|extents| extents.len() == rank);
    let extents = extents.and_then(|extents| extents.iter().map(|&n| usize::try_from(n).ok()).collect());
    extents.ok_or_else(|| a.unsupported(cx, &["output_shape"], &given))
}

/// `scale_and_translate`.
pub fn scale_and_translate(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Outcome {
    if let Some(Arg::KerasTensor(value)) = cx.argument(0, "images")
        && cx.state.graph.ty(value.node).dtype == DType::I32
    {
        return Err(cx.inconsistent(
            "its images are integers, of which Keras cannot make others: cast them to floats",
        ));
    }
    let x = a.tensor(cx, 0, &["images"])?;
    let rank = cx.dims(x).len();
    let axes = a.integers(cx, 9, &["spatial_dims"])?;
    let axes = a.required(cx, axes, "spatial_dims")?;
    let shape = output_shape(cx, a, rank)?;
    let scales = for_axes(cx, a, 2, "scale", axes.len())?;
    let translations = for_axes(cx, a, 3, "translation", axes.len())?;
    let antialias = a.flag(cx, 9, &["antialias"], true)?;
    let method = a.text(cx, 9, &["method"])?;
    let method = a.required(cx, method, "method")?;
    let kernel = METHODS.iter().find(|(name, _)| *name == method);
    let Some(&(_, kernel)) = kernel else {
        return Err(a.unsupported(cx, &["method"], &method.into()));
    };
    if axes.is_empty() {
        return one(x);
    }
    let mut y = x;
    for (index, (&axis, (&scale, &translation))) in
        axes.iter().zip(scales.iter().zip(&translations)).enumerate()
    {
        let axis = cx.axis(axis, rank)?;
        let output = shape[axis];
        let input = cx.dims(y)[axis];
        let along = Along {
            input,
            output,
            scale,
            translation,
            kernel,
            antialias,
        };
        // Before the weights are computed.
        let count = crate::tensor::Shape::checked([input, output])?.count();
        cx.make_room(2 * count)?;
        let weights = along.weights();
        let role = format!("weights {index} of {kernel:?} by {scale} and {translation}, {antialias}");
        y = times(cx, y, rank - 1 - axis, &role, output, |i, j| {
            weights[i * output + j]
        })?;
    }
    one(y)
}
