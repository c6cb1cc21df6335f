//! Shapes of a model's inputs: from the command line, else from the file.

use super::class::Role;
use super::dtype::KerasDType;
use super::lower::TensorInfo;
use super::model::{self, Layer, Network, TensorRef};
use super::ranges::AXIS;
use crate::error::{Collector, Error, ErrorKind, Result};
use crate::tensor::Shape;
use std::collections::HashMap;

/// Shapes that the user gives, batch included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputShapes(Vec<(Option<String>, Vec<usize>)>);

impl InputShapes {
    /// Adds a shape; without a name it is that of the model's only input.
    pub fn add(&mut self, name: Option<String>, dims: Vec<usize>) {
        self.0.push((name, dims));
    }
    /// Reads `[NAME=]D,D,…` as on the command line.
    ///
    /// # Errors
    /// When that is not what `text` is.
    pub fn parse(&mut self, text: &str) -> Result<()> {
        let (name, dims) = match text.rsplit_once('=') {
            Some((name, dims)) => (Some(name.to_owned()), dims),
            None => (None, text),
        };
        let numbers: Option<Vec<usize>> = dims
            .split([',', 'x'])
            .map(|d| d.trim().parse().ok().filter(|&d| d > 0))
            .collect();
        let numbers = numbers.ok_or_else(|| {
            Error::new(ErrorKind::Usage(format!("{text:?} is not a shape")))
                .in_field("--input-shape")
                .help("write positive numbers with commas, the batch first, such as 1,224,224,3")
        })?;
        self.add(name, numbers);
        Ok(())
    }

    /// What was given for an input.
    fn of(&self, name: &str) -> Option<&[usize]> {
        let mine = |(of, _): &&(Option<String>, Vec<usize>)| of.as_deref().is_none_or(|of| of == name);
        self.0.iter().find(mine).map(|(_, dims)| dims.as_slice())
    }
}

/// A shape as Keras has it: open dimensions are `None`.
type Open = Vec<Option<usize>>;

/// The inputs with full shapes; `None` for those that have a problem.
pub(super) fn resolve(
    net: &Network,
    given: &InputShapes,
    problems: &mut Collector,
) -> Vec<Option<TensorInfo>> {
    check_names(net, given, problems);
    let several = net.inputs.len() > 1;
    let takers = Takers::new(net);
    net.inputs
        .iter()
        .map(|port| {
            let (open, dtype) = problems.keep(declared(net, port))?;
            let open = open.map(|open| takers.learned(port.tensor, open));
            let dims = problems.keep(complete(port, open, given.of(&port.name), several))?;
            Some(TensorInfo {
                name: port.name.clone(),
                shape: Shape::new(dims),
                dtype,
            })
        })
        .collect()
}

/// Every shape must be for one input, and every input have at most one.
fn check_names(net: &Network, given: &InputShapes, problems: &mut Collector) {
    let names: Vec<_> = net.inputs.iter().map(|port| port.name.as_str()).collect();
    let usage = |message: String| Error::new(ErrorKind::Usage(message)).in_field("--input-shape");
    let known = format!("the inputs are {names:?}");
    for (i, (name, _)) in given.0.iter().enumerate() {
        match name {
            Some(name) if !names.contains(&name.as_str()) => {
                problems.push(usage(format!("the model has no input {name:?}")).help(known.as_str()));
            }
            None if names.len() > 1 => {
                let help = format!("write NAME=D,D,…; {known}");
                problems.push(usage(format!("the model has {} inputs", names.len())).help(help));
            }
            _ => {}
        }
        if given.0.iter().take(i).any(|(earlier, _)| earlier == name) {
            problems.push(usage("a shape is given twice".to_owned()));
        }
    }
}

/// Shape and type of an input as the file has them; `None` for a shape it does not say.
fn declared(net: &Network, port: &model::Port) -> Result<(Option<Open>, KerasDType)> {
    let fields = net.layer(port.tensor.layer).config.fields();
    let shape = fields.shape("batch_shape")?;
    let dtype = fields.dtype("dtype")?.unwrap_or(KerasDType::Float);
    if fields.value("ragged").and_then(serde_json::Value::as_bool) == Some(true) {
        return Err(fields
            .unsupported("ragged")
            .help("pad the sequences to one length"));
    }
    if fields.value("sparse").and_then(serde_json::Value::as_bool) == Some(true) {
        return Err(fields
            .unsupported("sparse")
            .help("save the model with a dense input"));
    }
    Ok((shape, dtype))
}

/// Which layers of a model take its inputs, and where among their tensors. Known for all inputs at once, since there may
/// be many of both.
struct Takers<'m> {
    net: &'m Network,
    of: HashMap<TensorRef, Vec<(usize, usize)>>,
    /// The same of the models inside, by their layer.
    inner: HashMap<usize, Takers<'m>>,
}

impl<'m> Takers<'m> {
    fn new(net: &'m Network) -> Self {
        let mut of: HashMap<TensorRef, Vec<(usize, usize)>> =
            net.inputs.iter().map(|port| (port.tensor, Vec::new())).collect();
        let mut inner = HashMap::new();
        for (index, layer) in net.layers.iter().enumerate() {
            for call in &layer.calls {
                for (place, tensor) in call.tensors().into_iter().enumerate() {
                    // A layer takes a tensor where it does so first.
                    if let Some(takers) = of.get_mut(&tensor)
                        && takers.last().is_none_or(|(last, _)| *last != index)
                    {
                        takers.push((index, place));
                    }
                }
            }
            inner.extend(layer.network.as_ref().map(|net| (index, Takers::new(net))));
        }
        Self { net, of, inner }
    }

    /// A shape with what weights know of it: a Normalization that was adapted before it had an input leaves the whole
    /// shape open in the file, but has statistics of every feature.
    fn learned(&self, tensor: TensorRef, mut open: Open) -> Open {
        for &(index, place) in self.of.get(&tensor).into_iter().flatten() {
            match (self.inner.get(&index), self.net.layers.get(index)) {
                (Some(inner), _) => {
                    if let Some(port) = inner.net.inputs.get(place) {
                        open = inner.learned(port.tensor, open);
                    }
                }
                (None, Some(layer)) if layer.role() == Role::Statistics => fill_normalized(layer, &mut open),
                _ => {}
            }
        }
        open
    }
}

/// Fills the axes along which a Normalization has statistics.
fn fill_normalized(layer: &Layer, open: &mut Open) {
    let fields = layer.config.fields();
    let axes = match fields.value("axis") {
        None => Ok(vec![-1]),
        Some(serde_json::Value::Null) => Ok(Vec::new()),
        Some(_) => fields.ints("axis", AXIS),
    };
    let rank = open.len();
    // Whatever is wrong with the axes is said when the layer is lowered.
    let place = |axis: i64| match usize::try_from(axis) {
        Ok(axis) => Some(axis),
        Err(_) => usize::try_from(axis.unsigned_abs())
            .ok()
            .and_then(|back| rank.checked_sub(back)),
    };
    let mut axes: Vec<_> = axes.unwrap_or_default().into_iter().filter_map(place).collect();
    axes.sort_unstable();
    let Some(mean) = layer.weights.first() else { return };
    for (axis, &extent) in axes.into_iter().zip(mean.tensor.shape().dims()) {
        if let Some(extent_of_axis @ None) = open.get_mut(axis) {
            *extent_of_axis = Some(extent);
        }
    }
}

/// Fills the open dimensions.
fn complete(
    port: &model::Port,
    open: Option<Open>,
    given: Option<&[usize]>,
    several: bool,
) -> Result<Vec<usize>> {
    let at = |error: Error| error.in_layer(port.name.as_str(), "InputLayer");
    if open.as_ref().is_some_and(Vec::is_empty) {
        return Err(at(Error::inconsistent("the shape has no batch")).in_field("batch_shape"));
    }
    let Some(given) = given else {
        let closed: Option<Vec<usize>> = open.as_ref().and_then(|open| {
            let batch = open.first().map(|batch| Some(batch.unwrap_or(1)));
            batch.into_iter().chain(open.iter().skip(1).copied()).collect()
        });
        return closed.ok_or_else(|| {
            let shape = open.as_deref().map_or("unknown".to_owned(), shown);
            at(Error::new(ErrorKind::OpenShape { shape })).help(remedy(port, open.as_deref(), several))
        });
    };
    let open = open.unwrap_or_else(|| vec![None; given.len()]);
    let fits = open.len() == given.len() && open.iter().zip(given).all(|(o, g)| o.is_none_or(|o| o == *g));
    if fits {
        return Ok(given.to_vec());
    }
    let message = format!("shape {} does not fit {}", Shape::new(given), shown(&open));
    let error = Error::new(ErrorKind::Usage(message)).in_field("--input-shape");
    Err(at(error).help(remedy(port, Some(&open), several)))
}

/// The option that would settle the shape.
fn remedy(port: &model::Port, open: Option<&[Option<usize>]>, several: bool) -> String {
    let Some(open) = open else {
        return "give it with --input-shape, the batch first, such as --input-shape 1,224,224,3".to_owned();
    };
    let name = if several {
        format!("{}=", port.name)
    } else {
        String::new()
    };
    // Images have two open sides, sequences one open length.
    let guess = if open.len() == 4 { 224 } else { 100 };
    let dims: Vec<_> = open
        .iter()
        .enumerate()
        .map(|(i, d)| d.unwrap_or(if i == 0 { 1 } else { guess }).to_string())
        .collect();
    format!("give it, for example --input-shape {name}{}", dims.join(","))
}

fn shown(open: &[Option<usize>]) -> String {
    let dims: Vec<_> = open
        .iter()
        .map(|d| d.map_or("None".to_owned(), |d| d.to_string()))
        .collect();
    format!("({})", dims.join(", "))
}
