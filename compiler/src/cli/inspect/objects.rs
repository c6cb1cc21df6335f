//! The same as objects of JSON.

use super::super::json::{self, BundleFile, Port, Problem, WeightBytes};
use super::summary::{connections, parameters, saved_by};
use super::unsupported;
use keras_compile::Source;
use keras_compile::bundle::{self, Inspection};
use keras_compile::error::{Collector, Errors};
use keras_compile::keras::{self, KerasModel, Network};
use keras_compile::tensor::Shape;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What is said of a model.
#[derive(Serialize)]
struct ModelObject<'a> {
    version: u32,
    kind: &'static str,
    model: &'a str,
    /// The version of Keras that saved it.
    keras: &'a str,
    layers: Vec<LayerObject<'a>>,
    parameters: usize,
    /// Those that training leaves.
    non_trainable: usize,
    notes: &'a [String],
    problems: Vec<Problem>,
}

/// A layer, those of a nested model after it.
#[derive(Serialize)]
struct LayerObject<'a> {
    /// Its name, after those of the models that it is in.
    path: &'a str,
    class: &'a str,
    /// Of what it gives, batch first; none where the model has problems.
    shapes: Vec<Vec<usize>>,
    parameters: usize,
    /// The layers whose tensors it takes.
    inputs: Vec<&'a str>,
    supported: bool,
    /// Whether an output needs it.
    needed: bool,
}

/// What is said of a bundle.
#[derive(Serialize)]
struct BundleObject<'a> {
    version: u32,
    kind: &'static str,
    model: &'a str,
    generator: &'a str,
    inputs: Vec<Port<'a>>,
    outputs: Vec<Port<'a>>,
    states: Vec<Port<'a>>,
    files: Vec<BundleFile<'a>>,
    bytes: u64,
    weights: WeightBytes,
    backends: BTreeMap<&'a str, Loaded>,
    problems: Vec<Problem>,
}

/// What a backend takes of a machine.
#[derive(Serialize)]
struct Loaded {
    steps: usize,
    /// Bytes of a loaded model.
    memory: u64,
}

/// What is said where nothing could be read.
#[derive(Serialize)]
struct Unread {
    version: u32,
    kind: Option<&'static str>,
    problems: Vec<Problem>,
}

/// Tells of problems with which nothing else can be told.
fn told<T>(read: Result<T, Errors>) -> Result<T, Errors> {
    if let Err(errors) = &read {
        json::write(&Unread {
            version: json::VERSION,
            kind: None,
            problems: Problem::all(errors),
        })?;
    }
    read
}

/// Writes the layers of a model.
pub(super) fn model(source: &Source) -> Result<(), Errors> {
    let model: KerasModel = told(source.read())?;
    let file = source.model.display().to_string();
    let (shapes, errors) = match keras::lower(&model, &source.input_shapes) {
        Ok(lowered) => (lowered.shapes, None),
        Err(errors) => (HashMap::new(), Some(errors.map(|error| error.in_file(&file)))),
    };
    let mut layers = Vec::new();
    add(&model.root, true, &shapes, errors.as_ref(), &mut layers);
    let [total, fixed] = parameters(&model);
    json::write(&ModelObject {
        version: json::VERSION,
        kind: "model",
        model: &model.name,
        keras: saved_by(&model),
        layers,
        parameters: total,
        non_trainable: fixed,
        notes: &model.notes,
        problems: errors.as_ref().map(Problem::all).unwrap_or_default(),
    })?;
    errors.map_or(Ok(()), Err)
}

/// Adds the layers of a model, which an output needs or not.
fn add<'a>(
    network: &'a Network,
    needed: bool,
    shapes: &HashMap<String, Vec<Shape>>,
    errors: Option<&Errors>,
    layers: &mut Vec<LayerObject<'a>>,
) {
    for (id, layer) in network.iter() {
        let needed = needed && network.uses(id);
        let own = shapes.get(&layer.path).map_or(&[][..], Vec::as_slice);
        layers.push(LayerObject {
            path: &layer.path,
            class: &layer.written,
            shapes: own.iter().map(|shape| shape.dims().to_vec()).collect(),
            parameters: layer.parameters(),
            inputs: connections(network, id),
            supported: errors.is_none_or(|errors| unsupported(errors, &layer.path).is_none()),
            needed,
        });
        if let Some(inner) = &layer.network {
            add(inner, needed, shapes, errors, layers);
        }
    }
}

/// Writes what is in a bundle.
pub(super) fn bundle(directory: &Path) -> Result<(), Errors> {
    let read = bundle::inspect(directory).map_err(Errors::from);
    let Inspection { manifest, problems } = told(read)?;
    let sections = manifest.backends.iter();
    let loaded = sections.map(|(name, section)| {
        let (steps, memory) = (section.steps, section.memory);
        (name.as_str(), Loaded { steps, memory })
    });
    json::write(&BundleObject {
        version: json::VERSION,
        kind: "bundle",
        model: &manifest.model,
        generator: &manifest.generator,
        inputs: Port::all(manifest.passed()),
        outputs: Port::all(manifest.given()),
        states: Port::all(manifest.states()),
        files: BundleFile::all(&manifest),
        bytes: manifest.total().1,
        weights: WeightBytes::of(&manifest),
        backends: loaded.collect(),
        problems: problems.iter().map(Problem::of).collect(),
    })?;
    let mut collector = Collector::default();
    problems.into_iter().for_each(|problem| collector.push(problem));
    collector.finish(())
}
