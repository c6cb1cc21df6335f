//! Inputs that take pictures: what turns channels of 0 to 255 into what the network was trained on is put in front of it.
//!
//! A page's pixels become channels in red, green, blue, or grey, before the graph; the order of the channels, a scale, means and
//! deviations are operations of the graph.

mod families;
mod parse;

pub use families::proposal;

use super::dtype::KerasDType;
use super::lower::{Lowered, TensorInfo};
use super::model::KerasModel;
use crate::error::{Collector, Error, ErrorKind, Errors, Result};
use crate::graph::{Builder, Graph, NodeId};
use crate::ops::Slice;
use crate::pointwise::{Binary, Tape, library};
use crate::preparation::{Picture, Resize};
use crate::tensor::Tensor;
use parse::{Chosen, OPTION};

/// Which channels a network takes, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Grey, by ITU-R 601-2 as Pillow computes it.
    Gray,
}

/// What a network was trained on: (x·scale - mean)/std of each channel, in the order of the network's channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// Its channels.
    pub channels: Channels,
    /// A factor for all channels, or one for each.
    pub scale: Vec<f64>,
    /// What is subtracted after that.
    pub mean: Vec<f64>,
    /// What that is divided by.
    pub std: Vec<f64>,
    /// How pictures of other sizes are taken.
    pub resize: Option<Resize>,
}

/// What `--image` says of inputs: each once, or the only one without a name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pictures(Vec<(Option<String>, Chosen)>);

/// The pictures that inputs take, by their names.
pub type Taken = Vec<(String, Picture)>;

impl Pictures {
    /// Reads `[NAME=]rgb,…` as on the command line.
    ///
    /// # Errors
    /// When that is not what `text` is.
    pub fn parse(&mut self, text: &str) -> Result<()> {
        let (name, chosen) = parse::parse(text)?;
        if self.0.iter().any(|(known, _)| *known == name) {
            return Err(usage("an input is given twice".to_owned()));
        }
        self.0.push((name, chosen));
        Ok(())
    }

    /// Puts preprocessing in front of a graph; gives what its inputs take, and a note for each that was recognised.
    ///
    /// # Errors
    /// When the model has no such inputs, or they are no pictures of these channels.
    pub fn apply(
        &self,
        model: &KerasModel,
        lowered: &mut Lowered,
    ) -> std::result::Result<(Taken, Vec<String>), Errors> {
        let mut problems = Collector::default();
        let (mut taken, mut notes) = (Vec::new(), Vec::new());
        let passed = match &lowered.prepared {
            Some(prepared) => prepared.passed.clone(),
            None => lowered.inputs[..lowered.inputs.len() - lowered.states.len()].to_vec(),
        };
        for (name, chosen) in &self.0 {
            let found = find(&passed, name.as_deref()).and_then(|port| {
                let preprocessing = match chosen {
                    Chosen::Given(given) => given.clone(),
                    Chosen::Auto => recognised(model, &port.name, &mut notes)?,
                };
                let picture = picture(port, &preprocessing)?;
                if taken.iter().any(|(known, _)| *known == port.name) {
                    return Err(usage(format!("input {:?} is given twice", port.name)));
                }
                prepend(&mut lowered.graph, port, &picture, &preprocessing)?;
                taken.push((port.name.clone(), picture));
                Ok(())
            });
            problems.keep(found);
        }
        problems.finish((taken, notes))
    }
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage(message)).in_field(OPTION)
}

/// What a family of networks takes, with a note that says so.
fn recognised(model: &KerasModel, input: &str, notes: &mut Vec<String>) -> Result<Preprocessing> {
    let Some((family, text)) = proposal(model, input) else {
        let message = "the model is none of keras.applications that is known by its name and layers";
        let help = "say what it was trained on, as in --image rgb,scale=1/127.5,mean=1,resize=bilinear";
        return Err(usage(message.to_owned()).help(help));
    };
    notes.push(format!("input {input:?} is that of {family}: --image {text}"));
    match parse::parse(text)? {
        (None, Chosen::Given(given)) => Ok(given),
        _ => Err(Error::internal("a family has no preprocessing")),
    }
}

/// The input of that name, or the only one.
fn find<'p>(passed: &'p [TensorInfo], name: Option<&str>) -> Result<&'p TensorInfo> {
    let names: Vec<_> = passed.iter().map(|port| port.name.as_str()).collect();
    match (name, passed) {
        (None, [only]) => Ok(only),
        (None, _) => {
            let help = format!("write NAME=rgb,…; the inputs are {names:?}");
            Err(usage(format!("the model has {} inputs", passed.len())).help(help))
        }
        (Some(name), _) => passed.iter().find(|port| port.name == name).ok_or_else(|| {
            usage(format!("the model has no input {name:?}")).help(format!("the inputs are {names:?}"))
        }),
    }
}

/// How pictures become an input of `[batch, height, width, channels]`, or `[batch, channels, height, width]`, or without channels.
fn picture(port: &TensorInfo, preprocessing: &Preprocessing) -> Result<Picture> {
    let wanted = match preprocessing.channels {
        Channels::Gray => 1,
        Channels::Rgb | Channels::Bgr => 3,
    };
    let at = |message: String| Error::new(ErrorKind::Usage(message)).in_field(OPTION);
    let (height, width, first) = match *port.shape.dims() {
        [_, height, width, channels] if channels == wanted => (height, width, false),
        [_, channels, height, width] if channels == wanted => (height, width, true),
        [_, height, width] if wanted == 1 => (height, width, false),
        _ => {
            let shape = format!("{}", port.shape);
            let message = format!("input {:?} of shape {shape} has not {wanted} channels", port.name);
            let help = "rgb and bgr are for inputs of [batch, height, width, 3], gray for one channel";
            return Err(at(message).help(help));
        }
    };
    let whole = match port.dtype {
        KerasDType::Float => false,
        KerasDType::Int {
            bits: 8,
            signed: true,
        }
        | KerasDType::Bool
        | KerasDType::Text => {
            let message = format!("input {:?} cannot hold numbers from 0 to 255", port.name);
            return Err(at(message).help("save the model with an input of uint8 or float32"));
        }
        KerasDType::Int { .. } => true,
    };
    let filter = preprocessing.resize.map(|resize| resize.filter);
    if whole && (preprocessing.computes() || filter.is_some_and(|filter| !filter.is_whole())) {
        let message = format!("input {:?} takes integers, which have no fractions", port.name);
        let help = "leave scale, mean and std out, and choose bilinear in place of ops-bilinear";
        return Err(at(message).help(help));
    }
    Ok(Picture {
        height,
        width,
        channels: wanted,
        first,
        resize: preprocessing.resize,
    })
}

impl Preprocessing {
    /// Whether it does anything but to order channels.
    fn computes(&self) -> bool {
        self.coefficients() != [(1.0, 0.0)]
    }

    /// Factor and summand of all channels, or of each.
    fn coefficients(&self) -> Vec<(f64, f64)> {
        let count = [&self.scale, &self.mean, &self.std].map(Vec::len);
        let count = count.into_iter().fold(1, usize::max);
        let at = |values: &[f64], i: usize| values.get(i).or(values.first()).copied();
        let all: Vec<_> = (0..count)
            .map(|i| {
                let std = at(&self.std, i).unwrap_or(1.0);
                let (scale, mean) = (
                    at(&self.scale, i).unwrap_or(1.0),
                    at(&self.mean, i).unwrap_or(0.0),
                );
                // No negative zero, which would be another summand.
                (scale / std, 0.0 - mean / std)
            })
            .collect();
        match all.split_first() {
            Some((one, rest)) if rest.iter().all(|other| other == one) => vec![*one],
            _ => all,
        }
    }
}

/// Lets whoever uses an input use what preprocessing makes of it.
fn prepend(graph: &mut Graph, port: &TensorInfo, picture: &Picture, wanted: &Preprocessing) -> Result<()> {
    let is_named = |&&node: &&NodeId| graph.node(node).input_name() == port.name;
    // What nothing reads is no input of the graph.
    let Some(&input) = graph.inputs().iter().find(is_named) else {
        return Ok(());
    };
    let dims = graph.ty(input).shape.dims().to_vec();
    let axis = if picture.first { 1 } else { dims.len() - 1 };
    let coefficients = wanted.coefficients();
    // The numbers are computed first, so that what orders channels stands next to what frames the picture.
    let turned = wanted.channels == Channels::Bgr;
    let mut x = input;
    if wanted.computes() {
        let mut b = Builder::new(graph, port.name.as_str());
        let computed = match &coefficients[..] {
            [(scale, shift)] => b.map(library::scale_shift(*scale as f32, *shift as f32), &[input])?,
            each => {
                let mut shape = vec![1; dims.len()];
                shape[axis] = each.len();
                let mut constant = |of: fn(&(f64, f64)) -> f64| {
                    let mut values: Vec<_> = each.iter().map(|pair| of(pair) as f32).collect();
                    if turned {
                        values.reverse();
                    }
                    b.constant(Tensor::f32(shape.clone(), values)?)
                };
                let (scale, shift) = (constant(|pair| pair.0)?, constant(|pair| pair.1)?);
                let tape = Tape::binary(Binary::Mul).then(&Tape::binary(Binary::Add));
                b.map(tape, &[input, scale, shift])?
            }
        };
        graph.redirect(input, computed)?;
        x = computed;
    }
    if turned {
        let mut starts = vec![0; dims.len()];
        let mut steps = vec![1; dims.len()];
        (starts[axis], steps[axis]) = (2, -1);
        let slice = Slice {
            starts,
            sizes: dims,
            steps,
        };
        let reversed = Builder::new(graph, port.name.as_str()).add(slice, &[x])?;
        graph.redirect(x, reversed)?;
    }
    Ok(())
}
