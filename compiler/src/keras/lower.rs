//! From a [`KerasModel`] to a [`Graph`]: Keras ends here.
//!
//! Every call of every layer becomes operations, in the order of the schedule; nested models are inlined, and
//! a layer that is called several times uses the same constants each time. What each layer does is in
//! [`layers`]. Problems are collected: after one the work goes on wherever the shape of the result is
//! known, and is quiet about what only follows from it.

use super::dtype::KerasDType;
use super::given::taken;
use super::layers::{self, Arg, CalledLayer, KerasTensor, Outcome, Stop};
use super::model::{Argument, Call, KerasModel, Layer, Network, Semantics, TensorRef};
use super::ports;
use super::state::State;
use super::text::{Kind, Prepared, Texts};
use crate::budget::Resource;
use crate::error::{Collector, Error, ErrorKind, Errors};
use crate::graph::{Graph, NodeId};
use crate::ops::Op;
use crate::tensor::{DType, Shape, TensorType};
use std::collections::{HashMap, HashSet};

pub use super::ports::InputShapes;

/// A model as a graph, with what its users see of it.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// The computation. Its inputs and outputs are named as Keras names those of the model.
    pub graph: Graph,
    /// The inputs in the graph's order: those of the model in Keras' order, what stands for prepared values, and the states that
    /// layers keep.
    pub inputs: Vec<TensorInfo>,
    /// The outputs in Keras' order, which is also the graph's, and behind them the same states.
    pub outputs: Vec<TensorInfo>,
    /// What goes from one prediction to the next, and is 0 at first.
    pub states: Vec<KeptState>,
    /// How the model's inputs become the graph's, where strings or hashes are among them.
    pub prepared: Option<Prepared>,
    /// For every layer, by its path: the shapes of what its first call gives.
    pub shapes: HashMap<String, Vec<Shape>>,
}

/// A state that a layer keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptState {
    /// Which input it is.
    pub input: usize,
    /// Which output gives the next one.
    pub output: usize,
}

/// An input or output of a lowered model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in Keras.
    pub name: String,
    /// Its shape, batch included.
    pub shape: Shape,
    /// Its element type as Keras has it.
    pub dtype: KerasDType,
}

/// Lowers a model. `input_shapes` fills open dimensions; an open batch is 1.
///
/// # Errors
/// All problems of all layers.
pub fn lower(model: &KerasModel, input_shapes: &InputShapes) -> Result<Lowered, Errors> {
    let mut state = State::new(model.version.semantics, model.budget.fork());
    layers::refuse_unsupported(&model.root, &mut HashSet::new(), &mut state.problems);
    let ports = ports::resolve(&model.root, input_shapes, &mut state.problems);
    let mut passed = Vec::new();
    let mut values = Vec::new();
    for port in ports {
        let node = port
            .as_ref()
            .and_then(|port| state.problems.keep(input_node(&mut state.graph, port)));
        let kind = port.as_ref().map_or(Kind::Truth, |port| Kind::of(port.dtype));
        state.texts.pass(node, kind);
        values.push(node.map(KerasTensor::new));
        passed.extend(port);
    }
    let mut lowering = Lowering {
        state,
        shapes: HashMap::new(),
    };
    let mut results = lowering.network(&model.root, values);
    for (port, value) in model.root.outputs.iter().zip(&mut results) {
        let undefined = value.and_then(|value| lowering.state.undefined.get(&value.node));
        if let Some(why) = undefined {
            let layer = model.root.layer(port.tensor.layer);
            lowering.state.problems.push(layer.at(layers::undefined(why)));
            *value = None;
        }
    }
    let Lowering { state, shapes } = lowering;
    let State {
        mut graph,
        mut problems,
        kept,
        mut texts,
        ..
    } = state;
    let mut outputs = give(
        &model.root,
        model.version.semantics,
        results,
        &mut graph,
        &mut texts,
        &mut problems,
    );
    texts.forget_unused(&mut graph);
    let states: Vec<_> = kept.iter().flat_map(|kept| kept.before.iter().copied()).collect();
    graph.put_behind(&states);
    let mut inputs = texts.inputs(&graph, &passed);
    let (mut states, mut infos) = (Vec::new(), Vec::new());
    for kept in kept {
        for (&before, &after) in kept.before.iter().zip(&kept.after) {
            let name = graph.node(before).input_name().to_owned();
            if inputs.iter().chain(&outputs).any(|port| port.name == name) {
                let message = format!("input or output {name:?} is called as a state is");
                problems.push(Error::new(ErrorKind::BadGraph(message)).help("rename its layer"));
                continue;
            }
            let Some(info) = problems.keep(add_output(&mut graph, &name, after)) else {
                break;
            };
            states.push(KeptState {
                input: inputs.len() + states.len(),
                output: outputs.len() + states.len(),
            });
            infos.push(info);
        }
    }
    let all = outputs.len() == model.root.outputs.len();
    inputs.extend(infos.iter().cloned());
    outputs.extend(infos);
    let prepared = texts.finish(passed);
    let lowered = problems.finish(Lowered {
        graph,
        inputs,
        outputs,
        states,
        prepared,
        shapes,
    })?;
    if all {
        Ok(lowered)
    } else {
        Err(Error::internal("an output was lost without a word").into())
    }
}

/// Adds the outputs of the model.
fn give(
    root: &Network,
    semantics: Semantics,
    results: Vec<Option<KerasTensor>>,
    graph: &mut Graph,
    texts: &mut Texts,
    problems: &mut Collector,
) -> Vec<TensorInfo> {
    let mut outputs = Vec::new();
    let names = root.output_names(semantics);
    for ((name, port), value) in names.into_iter().zip(&root.outputs).zip(results) {
        let Some(value) = value else { continue };
        if let Some(words) = texts.words(graph, value.node).cloned() {
            texts.preparation.spoken.push((outputs.len(), words));
        } else if texts.is_text(graph, value.node) {
            let layer = root.layer(port.tensor.layer);
            problems.push(layer.at(layers::text_as_output()));
            continue;
        }
        match problems.keep(add_output(graph, &name, value.node)) {
            Some(info) => outputs.push(info),
            None => break,
        }
    }
    outputs
}

/// Adds an output of a graph.
fn add_output(graph: &mut Graph, name: &str, node: NodeId) -> Result<TensorInfo, Error> {
    let taken = graph.budget().take(Resource::Nodes, 1_u64);
    taken.map_err(|error| error.in_node(name))?;
    graph.add_output(name, node);
    let ty = graph.ty(node);
    Ok(TensorInfo {
        name: name.to_owned(),
        shape: ty.shape.clone(),
        dtype: match ty.dtype {
            DType::F32 => KerasDType::Float,
            DType::I32 => KerasDType::INT32,
        },
    })
}

/// The node of a graph input. Bools come as integers.
fn input_node(graph: &mut Graph, port: &TensorInfo) -> Result<NodeId, Error> {
    let ty = TensorType {
        shape: Shape::checked(port.shape.dims())
            .map_err(|error| error.in_layer(port.name.as_str(), "InputLayer"))?,
        dtype: match port.dtype {
            KerasDType::Float => DType::F32,
            // What stands for strings has their shape only.
            KerasDType::Int { .. } | KerasDType::Bool | KerasDType::Text => DType::I32,
        },
    };
    let input = crate::ops::Input {
        name: port.name.clone(),
        ty,
    };
    let node = graph.add(port.name.as_str(), Op::Input(input), &[]);
    node.map_err(|error| error.in_layer(port.name.as_str(), "InputLayer"))
}

/// Goes through the calls of a model.
struct Lowering {
    state: State,
    /// For every layer: the shapes of what its first call gives.
    shapes: HashMap<String, Vec<Shape>>,
}

impl Lowering {
    /// Adds all calls of a network. An unknown input or output is `None`.
    fn network(&mut self, net: &Network, inputs: Vec<Option<KerasTensor>>) -> Vec<Option<KerasTensor>> {
        let mut values: HashMap<(usize, usize), Vec<Option<KerasTensor>>> = HashMap::new();
        for &step in &net.schedule {
            let (layer, call) = net.step(step);
            if !self.may_go_on(layer) {
                return vec![None; net.outputs.len()];
            }
            let results = if layer.is_input() {
                let port = net.inputs.iter().position(|port| port.tensor.layer == step.layer);
                vec![port.and_then(|index| inputs.get(index).copied().flatten())]
            } else {
                self.call(layer, call, &mut |tensor, problems| {
                    lookup(&values, net, tensor, problems)
                })
            };
            self.note_shapes(layer, &results);
            values.insert((step.layer.0, step.call), results);
        }
        net.outputs
            .iter()
            .map(|port| lookup(&values, net, port.tensor, &mut self.state.problems))
            .collect()
    }

    /// Counts a call of a layer. Once something is used up, which has been reported, nothing more is done.
    fn may_go_on(&mut self, layer: &Layer) -> bool {
        if self.state.budget.is_over() {
            return false;
        }
        let taken = self.state.budget.take(Resource::Calls, 1_u64);
        self.state
            .problems
            .keep(taken.map_err(|error| layer.at(error)))
            .is_some()
    }

    fn note_shapes(&mut self, layer: &Layer, results: &[Option<KerasTensor>]) {
        let shape =
            |value: &Option<KerasTensor>| value.map(|value| self.state.graph.ty(value.node).shape.clone());
        let shapes: Option<Vec<_>> = results.iter().map(shape).collect();
        if let Some(shapes) = shapes {
            self.shapes.entry(layer.path.clone()).or_insert(shapes);
        }
    }

    /// Adds one call of one layer; gives nothing when what it gives cannot be known.
    fn call(&mut self, layer: &Layer, call: &Call, find: Find<'_>) -> Vec<Option<KerasTensor>> {
        if let Some(net) = &layer.network {
            return self.nested(net, layer, call, find);
        }
        let mut args = Vec::new();
        let mut kwargs = Vec::new();
        let mut known = true;
        for arg in &call.args {
            let arg = bind(arg, find, &mut self.state.problems);
            known &= arg.is_some();
            args.extend(arg);
        }
        for (name, arg) in &call.kwargs {
            let arg = bind(arg, find, &mut self.state.problems);
            known &= arg.is_some();
            kwargs.extend(arg.map(|arg| (name.as_str(), arg)));
        }
        if !known {
            return Vec::new();
        }
        let outcome = match &layer.wrapped {
            Some(inner) => self.each_step(layer, inner, args, kwargs),
            None if layers::is_refused(layer) => Err(Stop::Told),
            None => layers::lower(&mut self.state, site(layer), args, kwargs),
        };
        match outcome {
            Ok(values) => values.into_iter().map(Some).collect(),
            Err(Stop::Told) => Vec::new(),
            Err(Stop::Because(error)) => {
                self.state.problems.push(layer.at(error));
                Vec::new()
            }
        }
    }

    /// Adds a call of a layer that applies the model inside to every time step.
    fn each_step<'a>(
        &mut self,
        layer: &'a Layer,
        inner: &'a Layer,
        args: Vec<Arg<'a>>,
        kwargs: Vec<(&'a str, Arg<'a>)>,
    ) -> Outcome {
        let folded = layers::fold(&mut self.state, site(layer), args, kwargs)?;
        let values = match (&inner.network, &inner.wrapped) {
            (Some(net), _) if net.inputs.len() == 1 => {
                let values = self.network(net, vec![Some(folded.value)]);
                values.into_iter().collect::<Option<Vec<_>>>().ok_or(Stop::Told)?
            }
            (Some(net), _) => {
                let message = format!("the model inside takes {} tensors", net.inputs.len());
                return Err(layer.config.error(ErrorKind::Inconsistent(message)).into());
            }
            (None, Some(innermost)) => {
                let args = vec![Arg::KerasTensor(folded.value)];
                self.each_step(inner, innermost, args, Vec::new())?
            }
            (None, None) => return Err(Error::internal("a wrapper without a model").into()),
        };
        layers::unfold(&mut self.state, site(layer), folded, values)
    }

    /// Inlines a call of a nested model.
    fn nested(
        &mut self,
        net: &Network,
        layer: &Layer,
        call: &Call,
        find: Find<'_>,
    ) -> Vec<Option<KerasTensor>> {
        if let Err(error) = layers::check_training(self.state.semantics, call.kwarg("training")) {
            self.state.problems.push(layer.at(error));
        }
        let tensors = match taken(layer, net, call) {
            Ok(tensors) => tensors,
            Err(error) => {
                self.state.problems.push(error);
                return Vec::new();
            }
        };
        let given = tensors
            .into_iter()
            .map(|tensor| find(tensor, &mut self.state.problems));
        let given = given.collect();
        self.network(net, given)
    }
}

/// Where the calls of a layer stand.
fn site(layer: &Layer) -> CalledLayer<'_> {
    CalledLayer {
        path: layer.path.clone(),
        class: layer.class,
        written: &layer.written,
        origin: &layer.origin,
        config: &layer.config,
        weights: &layer.weights,
    }
}

/// Finds the value of a tensor, reporting a reference that goes nowhere.
type Find<'f> = &'f mut dyn FnMut(TensorRef, &mut Collector) -> Option<KerasTensor>;

/// The value of a tensor, if it is known.
fn lookup(
    values: &HashMap<(usize, usize), Vec<Option<KerasTensor>>>,
    net: &Network,
    tensor: TensorRef,
    problems: &mut Collector,
) -> Option<KerasTensor> {
    let results = values.get(&(tensor.layer.0, tensor.call))?;
    if results.is_empty() {
        return None;
    }
    if let Some(value) = results.get(tensor.output) {
        return *value;
    }
    let layer = net.layer(tensor.layer);
    let message = format!(
        "output {} is used, but the layer gives only {}",
        tensor.output,
        results.len()
    );
    problems.push(layer.at(Error::new(ErrorKind::BadGraph(message))));
    None
}

/// An argument with values for its tensors; `None` when one of them is unknown.
fn bind<'a>(argument: &'a Argument, find: Find<'_>, problems: &mut Collector) -> Option<Arg<'a>> {
    Some(match argument {
        Argument::Tensor(tensor) => Arg::KerasTensor(find(*tensor, problems)?),
        Argument::List(items) => Arg::List(
            items
                .iter()
                .map(|item| bind(item, find, problems))
                .collect::<Option<_>>()?,
        ),
        Argument::Dict(items) => Arg::Dict(
            items
                .iter()
                .map(|(key, item)| Some((key.as_str(), bind(item, find, problems)?)))
                .collect::<Option<_>>()?,
        ),
        Argument::Literal(value) => Arg::Literal(value),
    })
}
