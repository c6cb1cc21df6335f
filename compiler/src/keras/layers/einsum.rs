//! `keras.layers.EinsumDense`.

use super::context::{Cx, Outcome, Stop, one};
use super::contraction::{Labelled, label, product};
use super::quantized::{Kernel, Quantized, divided};
use super::read::Read;
use crate::graph::NodeId;
use crate::keras::fields::Fields;
use crate::keras::quantization::{AbsMax, Kind, Quantization};
use crate::pointwise::{Binary, Tape};
use crate::tensor::Shape;

/// `EinsumDense`: a sum of products of the input and a kernel, whose axes the equation names, and a bias along some of
/// the result's axes.
pub fn einsum_dense(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let equation = r.or(Equation::read(&r.fields), Equation::default());
    let target = open_shape(&r);
    let bias_axes = r.or(r.fields.opt_str("bias_axes"), None);
    let activation = r.activation("activation", "linear");
    let quantization = r.quantization();
    r.finish(cx)?;
    let x = cx.float_input()?;
    let shapes = equation.shapes(cx, &cx.dims(x), &target, bias_axes)?;
    if let Some(quantization) = quantization {
        let y = in_few_bits(cx, x, quantization, &equation.kernel, shapes)?;
        return one(activation.apply(cx, y)?);
    }
    let weights = cx.weights([
        Some(("kernel", shapes.kernel)),
        shapes.bias.map(|shape| ("bias", shape)),
    ]);
    let kernel = Labelled::new(weights.node(cx, "kernel")?, equation.kernel);
    let mut y = product(cx, Labelled::new(x, shapes.input), kernel, &shapes.output)?;
    if weights.has("bias") {
        let bias = weights.node(cx, "bias")?;
        y = cx.b().map(Tape::binary(Binary::Add), &[y, bias])?;
    }
    one(activation.apply(cx, y)?)
}

/// The same with a kernel in few bits (`_int8_call` and others), before the activation.
fn in_few_bits(
    cx: &mut Cx<'_>,
    x: NodeId,
    quantization: Quantization,
    labels: &[char],
    shapes: Shapes,
) -> Result<NodeId, Stop> {
    let Shapes {
        input,
        kernel,
        bias,
        output,
    } = shapes;
    Shape::checked(kernel.clone())?;
    // Scales of integers of 8 bits lie along the axes of the output.
    let scale = output.iter().map(|label| {
        labels
            .iter()
            .position(|other| other == label)
            .map_or(1, |axis| kernel[axis])
    });
    let sums = |label: &char| !output.contains(label);
    let weights = Quantized::take(
        cx,
        quantization.kind,
        Kernel {
            matrix: matrix(cx, quantization.kind, labels, &kernel, &output)?,
            scale: scale.collect(),
            shape: kernel,
            bias,
        },
    )?;
    let axes: Vec<usize> = (0..input.len()).filter(|&axis| sums(&input[axis])).collect();
    let round = quantization.inputs_or((quantization.kind == Kind::Int8).then_some(AbsMax::DEFAULT));
    let (inputs, by) = weights.inputs(cx, round, x, &axes)?;
    let by = match by {
        Some(by) => Some(along(cx, by, &input, &output)?),
        None => None,
    };
    let (kernel, scale) = weights.kernel(cx)?;
    let y = product(
        cx,
        Labelled::new(inputs, &input[..]),
        Labelled::new(kernel, labels),
        &output,
    )?;
    let y = divided(cx, y, [by, scale])?;
    let y = weights.adapted(cx, x, [&input, labels, &output], y)?;
    weights.biased(cx, y)
}

/// Rows and columns of a kernel in few bits. GPTQ and AWQ cut it before or behind its second axis, by which axis is the
/// longest; else rows are what is summed over.
fn matrix(
    cx: &Cx<'_>,
    kind: Kind,
    labels: &[char],
    kernel: &[usize],
    output: &[char],
) -> Result<[usize; 2], Stop> {
    if let Kind::Grouped { .. } = kind {
        return match *kernel {
            [rows, columns] => Ok([rows, columns]),
            [a, b, c] if a >= b && a >= c => Ok([a, b * c]),
            [a, b, c] => Ok([a * b, c]),
            _ => Err(cx.inconsistent("a kernel of GPTQ or AWQ has two or three axes")),
        };
    }
    let rows = labels
        .iter()
        .zip(kernel)
        .filter(|(label, _)| !output.contains(label));
    let rows: usize = rows.map(|(_, extent)| extent).product();
    Ok([rows, kernel.iter().product::<usize>() / rows.max(1)])
}

/// A tensor with the axes of the input, of extent 1 where the output has them not, along the axes of the output.
fn along(cx: &mut Cx<'_>, node: NodeId, input: &[char], output: &[char]) -> Result<NodeId, Stop> {
    let dims = cx.dims(node);
    let kept: Vec<usize> = (0..input.len())
        .filter(|&axis| output.contains(&input[axis]))
        .collect();
    let node = cx
        .b()
        .reshape(node, kept.iter().map(|&axis| dims[axis]).collect::<Vec<_>>())?;
    let labels: Vec<char> = kept.iter().map(|&axis| input[axis]).collect();
    let order: Vec<char> = output
        .iter()
        .copied()
        .filter(|label| labels.contains(label))
        .collect();
    let node = Labelled::new(node, labels).ordered(cx, &order)?;
    let extent = |label: &char| {
        input
            .iter()
            .position(|other| other == label)
            .map_or(1, |axis| dims[axis])
    };
    Ok(cx
        .b()
        .reshape(node, output.iter().map(extent).collect::<Vec<_>>())?)
}

/// `output_shape` without the batch: a list with open extents, or one extent.
fn open_shape(r: &Read<'_>) -> Vec<Option<usize>> {
    if r.fields
        .value("output_shape")
        .is_some_and(|value| value.is_number())
    {
        return vec![Some(r.usize("output_shape", crate::keras::ranges::COUNT))];
    }
    let shape = r.or(r.fields.shape("output_shape"), None);
    shape.unwrap_or_default()
}

/// Where an ellipsis stands for axes that the equation does not name.
#[derive(Clone, Copy, PartialEq, Default)]
enum Ellipsis {
    #[default]
    Nowhere,
    Left,
    Right,
}

/// `input,kernel->output`.
#[derive(Default)]
struct Equation {
    input: Vec<char>,
    kernel: Vec<char>,
    output: Vec<char>,
    ellipsis: Ellipsis,
}

/// What an equation means for one input.
struct Shapes {
    /// A label for every axis of the input.
    input: Vec<char>,
    kernel: Vec<usize>,
    /// That of the bias, if there is one.
    bias: Option<Vec<usize>>,
    /// A label for every axis of the output.
    output: Vec<char>,
}

impl Equation {
    /// One of the three forms that Keras takes. A label twice in one tensor picks its diagonal, which is refused.
    fn read(fields: &Fields<'_>) -> crate::error::Result<Self> {
        let text = fields.str("equation")?;
        Self::parse(text).ok_or_else(|| {
            fields
                .unsupported("equation")
                .help("it can be \"x,y->z\", \"...x,y->...z\" or \"x...,y->z...\", with every letter once in each part")
        })
    }
    fn parse(text: &str) -> Option<Self> {
        let (sides, output) = text.split_once("->")?;
        let (input, kernel) = sides.split_once(',')?;
        let (ellipsis, input, output) = match (input.strip_prefix("..."), input.strip_suffix("...")) {
            (Some(input), _) => (Ellipsis::Left, input, output.strip_prefix("...")?),
            (None, Some(input)) => (Ellipsis::Right, input, output.strip_suffix("...")?),
            (None, None) => (Ellipsis::Nowhere, input, output),
        };
        let labels = |part: &str| {
            let labels: Vec<char> = part.chars().collect();
            let once = |(i, c): (usize, &char)| c.is_ascii_alphabetic() && !labels[..i].contains(c);
            let sound = !labels.is_empty() && labels.iter().enumerate().all(once);
            sound.then_some(labels)
        };
        Some(Self {
            input: labels(input)?,
            kernel: labels(kernel)?,
            output: labels(output)?,
            ellipsis,
        })
    }

    /// `_analyze_einsum_string`: the shapes of the weights for an input of shape `dims`. `target` is the shape of the output
    /// without the batch and without what the ellipsis stands for.
    fn shapes(
        &self,
        cx: &Cx<'_>,
        dims: &[usize],
        target: &[Option<usize>],
        bias_axes: Option<&str>,
    ) -> Result<Shapes, Stop> {
        let elided = match (dims.len().checked_sub(self.input.len()), self.ellipsis) {
            (Some(0), Ellipsis::Nowhere) => 0,
            (Some(elided), Ellipsis::Left | Ellipsis::Right) => elided,
            _ => {
                let rank = dims.len();
                return Err(cx.inconsistent(format!("its equation is not for a tensor of rank {rank}")));
            }
        };
        let left = if self.ellipsis == Ellipsis::Left {
            elided
        } else {
            0
        };
        let unnamed: Vec<char> = (0..elided).map(label).collect();
        let with_unnamed = |labels: &[char]| match self.ellipsis {
            Ellipsis::Right => [labels, &unnamed].concat(),
            Ellipsis::Left | Ellipsis::Nowhere => [&unnamed, labels].concat(),
        };
        let of_input = |label: &char| {
            let axis = self.input.iter().position(|other| other == label);
            axis.and_then(|axis| dims.get(axis + left).copied())
        };
        // The batch comes first, whether the equation names it or not.
        let of_output = |label: &char| {
            let axis = self.output.iter().position(|other| other == label)?;
            match (axis + left).checked_sub(left.max(1)) {
                Some(place) => target.get(place).copied().flatten(),
                None => dims.first().copied(),
            }
        };
        let known = |label: &char| {
            let (from_input, stated) = (of_input(label), of_output(label));
            if let (Some(a), Some(b)) = (from_input, stated)
                && a != b
            {
                return Err(cx.inconsistent(format!("axis {label:?} has {a} elements and {b} elements")));
            }
            from_input.or(stated).ok_or_else(|| {
                cx.inconsistent(format!("output_shape leaves the extent of axis {label:?} open"))
            })
        };
        if let Some(label) = self
            .output
            .iter()
            .find(|label| !self.input.contains(label) && !self.kernel.contains(label))
        {
            return Err(cx.inconsistent(format!(
                "axis {label:?} of the output is in neither input nor kernel"
            )));
        }
        let extents: Vec<usize> = self.output.iter().map(known).collect::<Result<_, _>>()?;
        let bias = match bias_axes {
            None => None,
            Some(axes) => {
                let first = self.output.iter().position(|label| axes.contains(*label));
                let (Some(first), true) = (first, axes.chars().all(|axis| self.output.contains(&axis)))
                else {
                    return Err(cx.inconsistent(format!("bias_axes {axes:?} are not axes of the output")));
                };
                let named = self.output.iter().zip(&extents).skip(first);
                let extent =
                    |(label, &extent): (&char, &usize)| if axes.contains(*label) { extent } else { 1 };
                Some(named.map(extent).chain(vec![1; elided - left]).collect())
            }
        };
        Ok(Shapes {
            input: with_unnamed(&self.input),
            kernel: self.kernel.iter().map(known).collect::<Result<_, _>>()?,
            bias,
            output: with_unnamed(&self.output),
        })
    }
}
