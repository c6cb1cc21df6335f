//! A part of a model: other layers' outputs in place of its own, and inputs in its middle.
//!
//! [`cut`] first puts the layers of nested models in place of these ([`inline`]), so that any layer can be named, and
//! leaves out what the part does not need. All calls keep their order and their weights.

mod inline;

use super::class::ClassName;
use super::config::Config;
use super::layers;
use super::lower::lower;
use super::model::{Call, KerasModel, Layer, LayerId, Network, Port, ScheduledCall, TensorRef, unique};
use super::needed;
use super::ports::InputShapes;
use super::topology;
use crate::error::{Collector, Error, ErrorKind, Errors, Result};
use crate::tensor::{DType, Shape};
use inline::Flat;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Which part of a model is wanted. Layers are named as in errors: those of a nested model by `model/layer`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Layers whose outputs become those of the model, in this order; its own if there are none. Of a layer that is called
    /// several times the outputs of all calls, of one that gives several tensors the first, and with `LAYER:1` another.
    pub outputs: Vec<String>,
    /// Layers that are the first to be computed: the tensors that they take become the model's inputs. An input of the
    /// model that is named stays one.
    pub inputs: Vec<String>,
}

impl Part {
    /// Whether it is all of a model.
    pub fn is_all(&self) -> bool {
        self.outputs.is_empty() && self.inputs.is_empty()
    }
}

/// Makes the model that part of it.
///
/// # Errors
/// When there are no such layers, or the outputs need an input that is not named.
pub fn cut(model: &mut KerasModel, part: &Part) -> Result<(), Errors> {
    if part.is_all() {
        return Ok(());
    }
    let mut flat = inline::inline(&model.root, model.version.semantics, &model.budget.fork())?;
    let mut problems = Collector::default();
    let mut outputs = Vec::new();
    for name in &part.outputs {
        outputs.extend(problems.keep(outputs_of(&flat, name)).into_iter().flatten());
    }
    let mut begins = Vec::new();
    for name in &part.inputs {
        begins.extend(problems.keep(inputs_of(&flat, name)).into_iter().flatten());
    }
    problems.finish(())?;
    if !part.outputs.is_empty() {
        flat.net.outputs = named(&flat.net, outputs);
    }
    let mut seen = HashSet::new();
    begins.retain(|tensor| seen.insert(*tensor));
    let known = shapes(model, &flat.net, &begins);
    model.root = flat.net;
    if !begins.is_empty() {
        begin(&mut model.root, &begins, &known)?;
    }
    model.root.schedule = topology::schedule(&model.root.layers)?;
    needed::prune(&mut model.root);
    inputs_needed(model, &begins)
}

/// The tensors that a name among the outputs means: `LAYER` or `LAYER:INDEX`.
fn outputs_of(flat: &Flat, name: &str) -> Result<Vec<TensorRef>> {
    if let Some(found) = flat.models.get(name) {
        return Ok(found.outputs.clone());
    }
    let all = |layer: usize, output: usize| -> Vec<TensorRef> {
        let calls = flat.net.layers.get(layer).map_or(0, |layer| layer.calls.len());
        let tensor = |call| TensorRef {
            layer: LayerId(layer),
            call,
            output,
        };
        (0..calls).map(tensor).collect()
    };
    if let Some(layer) = flat.find(name) {
        return Ok(all(layer, 0));
    }
    if let Some((name, Ok(output))) = name
        .rsplit_once(':')
        .map(|(name, index)| (name, index.parse::<usize>()))
        && let Some(layer) = flat.find(name)
    {
        return Ok(all(layer, output));
    }
    Err(unknown(flat, name, "--outputs"))
}

/// The tensors that a name among the inputs means.
fn inputs_of(flat: &Flat, name: &str) -> Result<Vec<TensorRef>> {
    let taken = match (flat.models.get(name), flat.find(name)) {
        (Some(found), _) => found.inputs.clone(),
        (None, Some(index)) => {
            let layer = flat.net.layers.get(index);
            if layer.is_some_and(Layer::is_input) {
                return outputs_of(flat, name);
            }
            layer.map_or(Vec::new(), |layer| {
                layer.calls.iter().flat_map(Call::tensors).collect()
            })
        }
        (None, None) => return Err(unknown(flat, name, "--inputs")),
    };
    match taken.is_empty() {
        true => {
            Err(Error::new(ErrorKind::Usage(format!("layer {name:?} takes no tensor"))).in_field("--inputs"))
        }
        false => Ok(taken),
    }
}

/// Most candidates that an error lists.
const MOST: usize = 12;

/// A name that no layer has, with those that come near.
fn unknown(flat: &Flat, name: &str, option: &str) -> Error {
    let layers = flat.net.layers.iter().map(|layer| layer.path.as_str());
    let all: BTreeSet<&str> = layers.chain(flat.models.keys().map(String::as_str)).collect();
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let wanted = last(name);
    let near = |path: &&&str| {
        let own = last(path);
        !wanted.is_empty() && (own.contains(&wanted) || own.len() > 2 && wanted.contains(&own))
    };
    let mut near: Vec<&str> = all.iter().filter(near).copied().collect();
    if near.is_empty() {
        near = all.iter().copied().collect();
    }
    let more = if near.len() > MOST {
        format!(" and {} more; keras-compile inspect lists all", near.len() - MOST)
    } else {
        String::new()
    };
    let listed: Vec<String> = near.iter().take(MOST).map(|path| format!("{path:?}")).collect();
    Error::new(ErrorKind::Usage(format!("the model has no layer {name:?}")))
        .in_field(option)
        .help(format!("it has {}{more}", listed.join(", ")))
}

/// Ports with the names of their layers, of which later ones get `_1`, `_2`.
fn named(net: &Network, tensors: Vec<TensorRef>) -> Vec<Port> {
    let name = |tensor: &TensorRef| {
        net.layers
            .get(tensor.layer.0)
            .map_or("", |layer| layer.name.as_str())
    };
    let names = unique(tensors.iter().map(name));
    let port = |(name, &tensor): (String, &TensorRef)| Port {
        name,
        key: None,
        tensor,
    };
    names.into_iter().zip(&tensors).map(port).collect()
}

/// Shape and type of a tensor.
type Known = HashMap<TensorRef, (Shape, DType)>;

/// Most tensors that are looked at one by one, each with all that it is made of.
const PROBES: usize = 16;

/// Shape and type of tensors, as far as the whole model tells: that may have layers which cannot be compiled, or inputs of
/// open shapes.
fn shapes(model: &KerasModel, net: &Network, tensors: &[TensorRef]) -> Known {
    match probe(model, net, tensors) {
        Some(all) => all,
        None => {
            let each = tensors.chunks(1).take(PROBES);
            each.filter_map(|tensor| probe(model, net, tensor))
                .flatten()
                .collect()
        }
    }
}

/// The same, if all of them are known.
fn probe(model: &KerasModel, net: &Network, tensors: &[TensorRef]) -> Option<Known> {
    let mut before = KerasModel {
        root: net.clone(),
        ..model.clone()
    };
    before.root.outputs = named(net, tensors.to_vec());
    before.root.schedule = topology::schedule(&before.root.layers).ok()?;
    needed::prune(&mut before.root);
    let lowered = lower(&before, &InputShapes::default()).ok()?;
    let ty = |node| lowered.graph.ty(node);
    let types = lowered.graph.outputs().iter().map(|output| ty(output.node));
    let types = types.map(|ty| (ty.shape.clone(), ty.dtype));
    Some(tensors.iter().copied().zip(types).collect())
}

/// Puts inputs in place of tensors.
fn begin(net: &mut Network, begins: &[TensorRef], known: &Known) -> Result<()> {
    let mut ports = named(net, begins.to_vec());
    let mut placed: HashMap<TensorRef, TensorRef> = HashMap::new();
    for port in &mut ports {
        let tensor = port.tensor;
        if net.layers.get(tensor.layer.0).is_some_and(Layer::is_input) {
            continue;
        }
        if known.get(&tensor).is_some_and(|(shape, _)| shape.rank() == 0) {
            let message = format!(
                "{:?} is a number without a batch, which no input can be",
                port.name
            );
            let error = Error::new(ErrorKind::Usage(message)).in_field("--inputs");
            return Err(error.help("name a layer that takes tensors only"));
        }
        let fresh = TensorRef {
            layer: LayerId(net.layers.len()),
            call: 0,
            output: 0,
        };
        net.layers.push(input(&port.name, known.get(&tensor)));
        placed.insert(tensor, fresh);
        port.tensor = fresh;
    }
    let mut replace = |tensor: &mut TensorRef| {
        if let Some(&fresh) = placed.get(tensor) {
            *tensor = fresh;
        }
        Ok(())
    };
    for call in net.layers.iter_mut().flat_map(|layer| &mut layer.calls) {
        let keywords = call.kwargs.iter_mut().map(|(_, arg)| arg);
        for arg in call.args.iter_mut().chain(keywords) {
            topology::each(arg, &mut replace)?;
        }
    }
    for port in &mut net.outputs {
        replace(&mut port.tensor)?;
    }
    net.inputs = ports;
    Ok(())
}

/// The layer of an input.
fn input(name: &str, known: Option<&(Shape, DType)>) -> Layer {
    let shape = known.map(|(shape, _)| {
        let extents = shape.dims().iter().skip(1).map(|&extent| json!(extent));
        Value::Array([Value::Null].into_iter().chain(extents).collect())
    });
    let dtype = match known {
        Some((_, DType::I32)) => "int32",
        _ => "float32",
    };
    let values = Map::from_iter([
        ("batch_shape".to_owned(), shape.unwrap_or_default()),
        ("dtype".to_owned(), json!(dtype)),
    ]);
    let named = layers::input();
    let class = layers::known(&named);
    let ClassName { written, origin } = named;
    // No layer of the model has such a path.
    let path = format!("{name} (input)");
    Layer {
        config: Config::new(path.as_str(), written.as_str(), values),
        name: name.to_owned(),
        path,
        class,
        written,
        origin,
        weights: Vec::new(),
        calls: vec![Call::default()],
        network: None,
        wrapped: None,
    }
}

/// Leaves out inputs that nothing needs, and refuses others that were not named where some were.
fn inputs_needed(model: &mut KerasModel, begins: &[TensorRef]) -> Result<(), Errors> {
    let net = &mut model.root;
    let calls = net.schedule.iter().map(|step| net.step(*step).1);
    let mut used: HashSet<LayerId> = calls.flat_map(Call::tensors).map(|tensor| tensor.layer).collect();
    used.extend(net.outputs.iter().map(|port| port.tensor.layer));
    let mut problems = Collector::default();
    let layers = &net.layers;
    let is_input = |id: LayerId| layers.get(id.0).is_some_and(Layer::is_input);
    net.schedule
        .retain(|step: &ScheduledCall| used.contains(&step.layer) || !is_input(step.layer));
    if begins.is_empty() {
        net.inputs.retain(|port| used.contains(&port.tensor.layer));
        return problems.finish(());
    }
    let ports: HashSet<LayerId> = net.inputs.iter().map(|port| port.tensor.layer).collect();
    for step in &net.schedule {
        let layer = net.layer(step.layer);
        if layer.is_input() && !ports.contains(&step.layer) {
            let message = format!(
                "the outputs need input {:?} as well, past the layers that are named",
                layer.name
            );
            let error = Error::new(ErrorKind::Usage(message)).in_field("--inputs");
            problems.push(error.help(format!(
                "name it too, to keep it, or a layer where its way begins anew; it is taken by {}",
                takers(net, step.layer)
            )));
        }
    }
    let unused = net
        .inputs
        .iter()
        .filter(|port| !used.contains(&port.tensor.layer));
    for port in unused {
        let message = format!("no output needs the input {:?}", port.name);
        problems.push(Error::new(ErrorKind::Usage(message)).in_field("--inputs"));
    }
    if begins
        .iter()
        .any(|tensor| ports.iter().all(|id| *id != tensor.layer))
    {
        let note = "inputs in the middle of a model carry no mask, should layers before them make one";
        model.notes.push(note.to_owned());
    }
    problems.finish(())
}

/// Names of layers that take a tensor of a layer.
fn takers(net: &Network, of: LayerId) -> String {
    let takes = |layer: &&Layer| {
        layer
            .calls
            .iter()
            .flat_map(Call::tensors)
            .any(|tensor| tensor.layer == of)
    };
    let names: Vec<String> = net
        .layers
        .iter()
        .filter(takes)
        .take(MOST)
        .map(|layer| format!("{:?}", layer.path))
        .collect();
    names.join(", ")
}
