//! Layers whose weights Keras 3 keeps in few bits. Kernels are unpacked and scaled here, once; where inputs are rounded to
//! integers as well, products are of integers, as Keras computes them.
//!
//! Such a product is a sum of products of integers of 8 bits, in floats: it is exact up to 2^24, which 1,040 products of the
//! largest numbers reach, and beyond that its rounding is that of any other sum of floats, where Keras' is exact.

mod kernels;

use super::context::{Cx, Stop};
use super::contraction::{Labelled, product};
use super::dense::projected;
use super::read::Read;
use super::weights::Weights;
use crate::error::Result;
use crate::graph::NodeId;
use crate::keras::quantization::{AbsMax, Kind, Quantization, adaption};
use crate::ops::ReduceKind;
use crate::pointwise::{Binary, Tape, Unary, library};
use crate::tensor::Shape;
use kernels::Matrix;
pub use kernels::Table;

/// The largest number of e4m3.
const FLOAT8_MAX: f32 = 448.0;

impl Read<'_> {
    /// How the layer keeps its weights; `None` if they are floats.
    pub fn quantization(&self) -> Option<Quantization> {
        self.or(self.fields.quantization(), None)
    }
}

/// A weight by its name, and its shape.
type Part = (&'static str, Vec<usize>);

/// The kernel of a layer: its shape, also as a matrix, and that of its scales where it has 8 bits.
pub struct Kernel {
    /// The shape.
    pub shape: Vec<usize>,
    /// Rows and columns.
    pub matrix: [usize; 2],
    /// The shape of the scales of integers of 8 bits.
    pub scale: Vec<usize>,
    /// The shape of the bias, if there is one.
    pub bias: Option<Vec<usize>>,
}

/// The weights of a layer with a kernel in few bits.
pub struct Quantized<'a> {
    kind: Kind,
    kernel: Kernel,
    weights: Weights<'a>,
    /// The factor of a low-rank adaption.
    adaption: Option<f32>,
}

impl<'a> Quantized<'a> {
    /// Takes the weights.
    pub fn take(cx: &mut Cx<'a>, kind: Kind, kernel: Kernel) -> Result<Self, Stop> {
        let adapted = adapted(cx, "lora_kernel_a");
        let mut parts = parts(kind, &kernel);
        let mut factor = None;
        if adapted {
            let (found, rank) = adaption(cx.site.config)?;
            factor = Some(found);
            let (last, rows) = kernel
                .shape
                .split_last()
                .map_or((1, &[][..]), |(last, rows)| (*last, rows));
            parts.push(("lora_kernel_a", [rows, &[rank]].concat()));
            parts.push(("lora_kernel_b", vec![rank, last]));
        }
        if matches!(kind, Kind::Grouped { .. }) && cx.site.weights.len() + 1 == parts.len() {
            let message = "the zero points of its kernel are not in the file";
            let error = cx.inconsistent(message);
            let Stop::Because(error) = error else {
                return Err(error);
            };
            return Err(error
                .help("Keras 3.15 leaves them out of a .keras file: save the model as .h5, which has them")
                .into());
        }
        let weights = cx.weights_of(parts);
        Ok(Self {
            kind,
            kernel,
            weights,
            adaption: factor,
        })
    }

    /// The inputs as they go into the product, and what the product is divided by then, with extent 1 along the axes that
    /// are summed over.
    pub fn inputs(
        &self,
        cx: &mut Cx<'_>,
        round: Option<AbsMax>,
        x: NodeId,
        axes: &[usize],
    ) -> Result<(NodeId, Option<NodeId>), Stop> {
        match (self.kind, round) {
            (Kind::Float8 { .. }, _) => {
                let scale = self.weights.reshaped(cx, "inputs_scale", &[1])?;
                let x = cx.b().map(Tape::binary(Binary::Div), &[x, scale])?;
                let x = cx.apply(library::clip::with(-FLOAT8_MAX, FLOAT8_MAX), x)?;
                let x = cx.apply(library::float8::tape(), x)?;
                Ok((cx.b().map(Tape::binary(Binary::Mul), &[x, scale])?, None))
            }
            (Kind::Grouped { .. }, _) | (_, None) => Ok((x, None)),
            (_, Some(round)) => {
                let (x, scale) = rounded(cx, round, x, axes)?;
                Ok((x, Some(scale)))
            }
        }
    }

    /// The kernel as it goes into the product, and what the product is divided by then for each column.
    pub fn kernel(&self, cx: &mut Cx<'_>) -> Result<(NodeId, Option<NodeId>), Stop> {
        let (kind, matrix) = (self.kind, Matrix(self.kernel.matrix));
        let shape = Shape::new(self.kernel.shape.clone());
        if kind == Kind::Int8 {
            let node = self.weights.node(cx, "kernel")?;
            return Ok((node, Some(self.weights.node(cx, "kernel_scale")?)));
        }
        let node = self.weights.derived(cx, "unpacked kernel", &shape, |weights| {
            let tensor = kernels::kernel(kind, matrix, weights)?;
            Some(tensor.and_then(|tensor| tensor.reshape(shape.clone())))
        })?;
        Ok((node, None))
    }

    /// `x` through the low-rank adaption, if there is one: the labels are those of `x`, the kernel and the result.
    pub fn adapted(
        &self,
        cx: &mut Cx<'_>,
        x: NodeId,
        labels: [&[char]; 3],
        y: NodeId,
    ) -> Result<NodeId, Stop> {
        let Some(factor) = self.adaption else { return Ok(y) };
        let a = self.weights.node(cx, "lora_kernel_a")?;
        let b = self.weights.node(cx, "lora_kernel_b")?;
        let [of_x, of_kernel, of_y] = labels;
        let inner = product(cx, Labelled::new(x, of_x), Labelled::new(a, of_kernel), of_y)?;
        let columns = self.kernel.shape.last().copied().unwrap_or(1);
        let outer = projected(cx, inner, &[b], 1, &[columns])?;
        let scaled = cx.apply(Tape::binary_const(Binary::Mul, factor), outer)?;
        Ok(cx.b().map(Tape::binary(Binary::Add), &[y, scaled])?)
    }

    /// The bias, if there is one. That beside floats of 8 bits is rounded to bfloat16.
    pub fn biased(&self, cx: &mut Cx<'_>, y: NodeId) -> Result<NodeId, Stop> {
        let Some(shape) = &self.kernel.bias else {
            return Ok(y);
        };
        let bias = match self.kind {
            Kind::Float8 { .. } => {
                let shape = Shape::new(shape.clone());
                self.weights.derived(cx, "rounded bias", &shape, |weights| {
                    Some(kernels::bfloat16(weights.get("bias")?))
                })?
            }
            _ => self.weights.node(cx, "bias")?,
        };
        Ok(cx.b().map(Tape::binary(Binary::Add), &[y, bias])?)
    }
}

/// `y` by the product of what it is to be divided by.
pub fn divided(cx: &mut Cx<'_>, y: NodeId, by: [Option<NodeId>; 2]) -> Result<NodeId, Stop> {
    Ok(match by {
        [None, None] => y,
        [Some(by), None] | [None, Some(by)] => cx.b().map(Tape::binary(Binary::Div), &[y, by])?,
        [Some(a), Some(b)] => cx.b().map(library::rescaled::tape(), &[y, a, b])?,
    })
}

/// `abs_max_quantize`: x times a scale, rounded, and that scale: the highest number by the largest absolute value along the
/// axes, which stay with extent 1. A GPU that divides less exactly than IEEE 754 may round to the neighbour where the product
/// lies right between two numbers.
pub fn rounded(cx: &mut Cx<'_>, round: AbsMax, x: NodeId, axes: &[usize]) -> Result<(NodeId, NodeId), Stop> {
    let AbsMax { low, high, epsilon } = round;
    let size = cx.apply(Tape::unary(Unary::Abs), x)?;
    let most = cx.b().reduce(ReduceKind::Max, axes, size)?;
    let least = (Tape::binary_const(Binary::Add, epsilon), vec![0]);
    let scale = Tape::binary(Binary::Div).substitute(&[(Tape::constant(high), vec![]), least], 1);
    let scale = cx.apply(scale, most)?;
    let whole = Tape::binary(Binary::Mul)
        .then(&Tape::unary(Unary::Round))
        .then(&library::clip::with(low, high));
    Ok((cx.b().map(whole, &[x, scale])?, scale))
}

/// Whether the file has a low-rank adaption beside the weights.
fn adapted(cx: &Cx<'_>, name: &str) -> bool {
    cx.site.weights.iter().any(|weight| weight.own_name() == name)
}

/// The weights of a kernel and its bias, in the order of `variable_serialization_spec`.
fn parts(kind: Kind, kernel: &Kernel) -> Vec<Part> {
    let [rows, columns] = kernel.matrix;
    let bias = kernel.bias.clone().map(|shape| ("bias", shape));
    let mut parts: Vec<Part> = match kind {
        Kind::Grouped { bits, group, scaled } => {
            let groups = vec![columns, group.map_or(1, |group| rows.div_ceil(group))];
            let packed = if bits == 4 { columns.div_ceil(2) } else { columns };
            let mut parts = vec![
                ("kernel", vec![packed, rows]),
                ("kernel_scale", groups.clone()),
                ("kernel_zero", groups),
            ];
            parts.extend(scaled.then(|| ("awq_scales", vec![rows])));
            parts.push(("g_idx", vec![rows]));
            return bias.into_iter().chain(parts).collect();
        }
        Kind::Int4 { .. } => vec![("kernel", vec![rows, columns.div_ceil(2)])],
        Kind::Int8 | Kind::Float8 { .. } => vec![("kernel", kernel.shape.clone())],
    };
    parts.extend(bias);
    match kind {
        Kind::Int8 => parts.push(("kernel_scale", kernel.scale.clone())),
        Kind::Int4 { block: None } => parts.push(("kernel_scale", vec![columns])),
        Kind::Int4 { block: Some(block) } => {
            let groups = vec![rows.div_ceil(block), columns];
            parts.push(("kernel_scale", groups.clone()));
            parts.push(("kernel_zero", groups));
            parts.push(("g_idx", vec![rows]));
        }
        Kind::Float8 { history } => {
            for (scale, largest) in [
                ("inputs_scale", "inputs_amax_history"),
                ("kernel_scale", "kernel_amax_history"),
                ("outputs_grad_scale", "outputs_grad_amax_history"),
            ] {
                parts.push((scale, Vec::new()));
                parts.push((largest, vec![history]));
            }
        }
        Kind::Grouped { .. } => {}
    }
    parts
}

/// Refuses a way to keep weights that no Keras has for a table.
pub fn expect_table(cx: &Cx<'_>, kind: Kind) -> Result<(), Stop> {
    match kind {
        Kind::Int8 | Kind::Int4 { .. } => Ok(()),
        Kind::Float8 { .. } | Kind::Grouped { .. } => {
            Err(cx.site.config.fields().unsupported("dtype").into())
        }
    }
}
