//! A Keras model without its dialect: what every container and version is read into.
//!
//! Nothing here depends on the file it came from. Sequential models are chains of calls like
//! functional ones, names are resolved to indices, and every reference has been checked: it names a
//! layer and a call that exist, and no call depends on itself.

use super::class::{Class, Origin, Role};
use super::config::Config;
use crate::budget::Budget;
use crate::error::Error;
use crate::tensor::Tensor;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Which semantics the numbers follow: defaults and formulas differ between them
/// (`hard_sigmoid`, GRU's `reset_after`, LeakyReLU's slope …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Semantics {
    /// Keras 1, whose layers are put as those of Keras 2 when they are read.
    Keras1,
    /// Keras 2, multi-backend or `tf.keras` / `tf_keras`.
    Keras2,
    /// Keras 3.
    Keras3,
}

/// The Keras that wrote the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The semantics to follow.
    pub semantics: Semantics,
    /// The version as the file states it (`2.0.9`, `2.4.0`, `3.15.1`), if it does.
    pub text: Option<String>,
}

/// A whole model as read from its files.
#[derive(Debug, Clone, PartialEq)]
pub struct KerasModel {
    /// The Keras that wrote it.
    pub version: Version,
    /// The model's name; files of Keras 1 and 2.0 have none for Sequential models, then it is `sequential`.
    pub name: String,
    /// Its layers and how they are connected.
    pub root: Network,
    /// What a user should know although nothing is wrong, for example that a float16 policy
    /// computes in float32 here. One line each.
    pub notes: Vec<String>,
    /// What reading it took of the budget of its compilation, which goes on from there.
    pub budget: Budget,
}

/// A Functional or Sequential model, outermost or nested.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The model's name.
    pub name: String,
    /// The tensors fed in, in the order in which Keras takes them.
    pub inputs: Vec<Port>,
    /// The tensors given out, in the order in which Keras gives them.
    pub outputs: Vec<Port>,
    /// The layers in the order of the file, which is the order of `model.layers`
    /// (with the InputLayer of a Sequential model in front).
    pub layers: Vec<Layer>,
    /// Every call that an output needs once, each after the calls it takes tensors from. A shared layer is
    /// called several times, so that no order of the *layers* alone would do.
    pub schedule: Vec<ScheduledCall>,
}

/// An input or output of a [`Network`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The name that Keras gives it: the layer's name; of several outputs from layers of one name the
    /// later ones get `_1`, `_2`.
    pub name: String,
    /// The key under which a dict holds it, if the model was made with a dict of inputs or outputs.
    pub key: Option<String>,
    /// The tensor itself.
    pub tensor: TensorRef,
}

/// Index of a layer in [`Network::layers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerId(pub usize);

/// One call of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScheduledCall {
    /// The layer.
    pub layer: LayerId,
    /// Index into its [`Layer::calls`].
    pub call: usize,
}

/// A tensor inside one network: an output of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorRef {
    /// The layer that made it.
    pub layer: LayerId,
    /// Which call of that layer: index into [`Layer::calls`].
    pub call: usize,
    /// Which of the outputs of that call; 0 unless the layer gives several. Checked only by whoever
    /// knows how many outputs the layer has.
    pub output: usize,
}

/// One layer with its configuration, weights and calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The layer's name, unique within its network.
    pub name: String,
    /// The names from the outermost model to this layer, joined with `/`; the outermost model's own
    /// name is not part of it. Errors name this.
    pub path: String,
    /// The class as the file names it, for messages and where Keras calls something after it.
    pub written: String,
    /// Where the class comes from.
    pub origin: Origin,
    /// What is known of the class; nothing of a class that is not Keras' own, or unheard of.
    pub class: Option<&'static Class>,
    /// The arguments it was made with.
    pub config: Config,
    /// Its weights in Keras' order (`trainable_weights + non_trainable_weights`). A wrapper
    /// (Bidirectional, TimeDistributed, RNN) holds those of what it wraps. Empty if `network` or `wrapped` is set.
    pub weights: Vec<Weight>,
    /// How it is called. An InputLayer has one call without arguments.
    pub calls: Vec<Call>,
    /// The layers inside, if this layer is itself a Functional or Sequential model.
    pub network: Option<Network>,
    /// The model that this layer applies to every time step, or another layer that does so with a model. What other
    /// wrappers hold is in their config.
    pub wrapped: Option<Box<Layer>>,
}

/// One weight of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// The name that the file gives it (`conv2d/kernel:0`, `conv2d/kernel`, `vars/0`). For messages and
    /// for telling forward from backward; the order is what counts.
    pub name: String,
    /// The values; every float type of a file becomes f32.
    pub tensor: Tensor,
}

/// One call of a layer: the arguments of Python's `layer(*args, **kwargs)`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// Positional arguments. Keras 2 files record only the first one here; others are in `kwargs`.
    pub args: Vec<Argument>,
    /// Keyword arguments in the order of the file.
    pub kwargs: Vec<(String, Argument)>,
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// A tensor that another call made.
    Tensor(TensorRef),
    /// A list or tuple.
    List(Vec<Argument>),
    /// A dict, in the order of the file.
    Dict(Vec<(String, Argument)>),
    /// Anything else, as the file has it: numbers, strings, null, constants.
    Literal(Value),
}

/// Names of which later ones get `_1`, `_2` where they are equal, as tf.keras counts, which also avoids the names of others.
pub fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut taken = HashSet::new();
    let mut all = Vec::new();
    for name in names {
        let mut unique = name.to_owned();
        while !taken.insert(unique.clone()) {
            let count = counts.entry(name).or_insert(0);
            *count += 1;
            unique = format!("{name}_{count}");
        }
        all.push(unique);
    }
    all
}

impl Network {
    /// What the outputs are called: by their layers, and by the keys of a dict where Keras 3 predicts one.
    pub fn output_names(&self, semantics: Semantics) -> Vec<String> {
        let name = |port: &'_ Port| match (semantics, &port.key) {
            (Semantics::Keras3, Some(key)) => key.clone(),
            _ => port.name.clone(),
        };
        let names: Vec<String> = self.outputs.iter().map(name).collect();
        unique(names.iter().map(String::as_str))
    }
    /// Whether an output needs the layer.
    pub fn uses(&self, id: LayerId) -> bool {
        self.schedule.iter().any(|step| step.layer == id)
    }
    /// The layer with this index.
    ///
    /// # Panics
    /// When the index belongs to another network, which no reference inside this one does.
    pub fn layer(&self, id: LayerId) -> &Layer {
        &self.layers[id.0]
    }
    /// The layers with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (LayerId, &Layer)> {
        self.layers
            .iter()
            .enumerate()
            .map(|(i, layer)| (LayerId(i), layer))
    }
    /// The layer and the call of a step.
    ///
    /// # Panics
    /// When the step belongs to another network.
    pub fn step(&self, step: ScheduledCall) -> (&Layer, &Call) {
        let layer = self.layer(step.layer);
        (layer, &layer.calls[step.call])
    }
}

impl Layer {
    /// An error at this layer, unless it says where it is.
    pub fn at(&self, error: Error) -> Error {
        error.in_layer(self.path.as_str(), self.written.as_str())
    }
    /// What its class is to whoever reads a model.
    pub fn role(&self) -> Role {
        self.class.map_or(Role::Plain, |class| class.role)
    }
    /// Whether it is where a tensor is fed in.
    pub fn is_input(&self) -> bool {
        self.role() == Role::Input
    }
    /// The layers right inside it: those of a model, or the one that is wrapped.
    pub fn inner(&self) -> impl Iterator<Item = &Layer> {
        let layers = self.network.iter().flat_map(|network| &network.layers);
        layers.chain(self.wrapped.as_deref())
    }
    /// The same.
    pub fn inner_mut(&mut self) -> impl Iterator<Item = &mut Layer> {
        let layers = self.network.iter_mut().flat_map(|network| &mut network.layers);
        layers.chain(self.wrapped.as_deref_mut())
    }
    /// Whether its config says that it is not trained.
    pub fn is_frozen(&self) -> bool {
        self.config.values().get("trainable") == Some(&Value::Bool(false))
    }
    /// Number of elements of all its weights, those of layers inside included.
    pub fn parameters(&self) -> usize {
        let own: usize = self.weights.iter().map(|w| w.tensor.shape().count()).sum();
        own + self.inner().map(Layer::parameters).sum::<usize>()
    }
}

impl Weight {
    /// The last part of its name, without TensorFlow's number of a result.
    pub fn own_name(&self) -> &str {
        let name = self.name.rsplit('/').next().unwrap_or(&self.name);
        name.split(':').next().unwrap_or(name)
    }
}

impl Call {
    /// All tensors it takes, positional arguments first, in order.
    pub fn tensors(&self) -> Vec<TensorRef> {
        let mut found = Vec::new();
        self.args.iter().for_each(|arg| arg.collect(&mut found));
        self.kwargs.iter().for_each(|(_, arg)| arg.collect(&mut found));
        found
    }
    /// The keyword argument of that name.
    pub fn kwarg(&self, name: &str) -> Option<&Argument> {
        self.kwargs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, arg)| arg)
    }
}

impl Argument {
    /// The tensors inside, in order.
    pub fn tensors(&self) -> Vec<TensorRef> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }
    fn collect(&self, found: &mut Vec<TensorRef>) {
        match self {
            Self::Tensor(tensor) => found.push(*tensor),
            Self::List(items) => items.iter().for_each(|item| item.collect(found)),
            Self::Dict(items) => items.iter().for_each(|(_, item)| item.collect(found)),
            Self::Literal(_) => {}
        }
    }
    /// Whether it is Python's `None`.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Literal(Value::Null))
    }
}
