//! `keras.layers.EinsumDense`.

use super::context::{Cx, Outcome, Stop, one};
use super::contraction::{Labelled, label, product};
use super::read::Read;
use crate::keras::fields::Fields;
use crate::pointwise::{Binary, Tape};

/// `EinsumDense`: a sum of products of the input and a kernel, whose axes the equation names, and a bias along some of
/// the result's axes.
pub fn einsum_dense(cx: &mut Cx<'_>) -> Outcome {
    let r = cx.read();
    let equation = r.or(Equation::read(&r.fields), Equation::default());
    let target = open_shape(&r);
    let bias_axes = r.or(r.fields.opt_str("bias_axes"), None);
    let activation = r.activation("activation", "linear");
    r.finish(cx)?;
    let x = cx.float_input()?;
    let shapes = equation.shapes(cx, &cx.dims(x), &target, bias_axes)?;
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
