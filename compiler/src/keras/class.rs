//! Classes of serialized objects: where they come from, and what is known of those of Keras besides what their layers
//! compute. [`super::layers`] states the facts of each class in one row of a table; all else asks the facts, never
//! the name.

use super::config::Config;
use serde_json::Value;

/// Where a class comes from: two may share a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A layer of Keras itself.
    Keras,
    /// A layer of Keras 1, which has classes of its own, and other names for those that stayed.
    Keras1,
    /// An operation of `keras.ops` that was applied to a symbolic tensor (Keras 3), such as
    /// `Add` in `keras.src.ops.numpy`. Not a layer: it has no weights.
    Operation,
    /// A class of the user's, with the package under which it was registered.
    Custom(String),
}

/// A class as a file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassName {
    /// Its name in the file.
    pub written: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What is known of a class of Keras.
#[derive(Debug, Clone, Copy)]
pub struct Class {
    /// Its name in the newest Keras that has it.
    pub name: &'static str,
    /// Other names: of older versions, or of variants that differ in training only.
    pub aliases: &'static [&'static str],
    /// Its names in Keras 1 where those are others.
    pub keras1: &'static [&'static str],
    /// Whether only Keras 1 has it: elsewhere a class of that name is the user's.
    pub ended: bool,
    /// Its name in Keras' own code where that is another one: files of weights count layers by it.
    pub internal: Option<&'static str>,
    /// What it is to whoever reads a model.
    pub role: Role,
    /// The keys that its config may carry besides those that its function reads and those that all layers have.
    pub keys: &'static [(&'static str, Rule)],
    /// How many weights a layer with this config has.
    pub weights: fn(&Config) -> usize,
    /// Which of its weights training leaves alone.
    pub fixed: Fixed,
    /// The order of the layers inside it, where it has several, in the tree of attributes of a `.keras` archive.
    pub children: &'static [Child],
    /// The attribute with a layer inside whose weights are the layer's own, so that an archive has them twice.
    pub same: Option<&'static str>,
    /// Whether Keras 3 writes whether the layer is trainable. Some do not, since their `get_config` does not ask their
    /// parents'.
    pub marked: bool,
    /// Whether Keras can keep its weights in few bits (`model.quantize`).
    pub quantized: bool,
    /// Whether it takes strings.
    pub strings: bool,
    /// Whether Keras registers it for `keras.applications`: then it comes as a custom class in `.h5` files.
    pub registered: bool,
}

impl Class {
    /// A class with nothing special about it.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            keras1: &[],
            ended: false,
            internal: None,
            role: Role::Plain,
            keys: &[],
            weights: |_| 0,
            fixed: Fixed::None,
            children: &[],
            same: None,
            marked: true,
            registered: false,
            quantized: false,
            strings: false,
        }
    }
}

/// There is one for each name.
impl PartialEq for Class {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What a class is to whoever reads a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A layer like others.
    Plain,
    /// A tensor that is fed in.
    Input,
    /// A model made of layers.
    Model(Form),
    /// A TensorFlow function of Keras 2: a list of one tensor is a list to it, constants may be arguments of a call, and its
    /// config is about the layer and not about the function.
    Function,
    /// A Python function.
    Python,
    /// A function that other layers take as their activation too.
    Activation,
    /// It has statistics of its input along the axes that its config names, the first weight a number for each element.
    Statistics,
    /// A loop over time.
    Recurrent(Recurrence),
    /// One step of a loop over time.
    Cell(Recurrence),
    /// Several of them, one after the other.
    Cells,
    /// A layer applied to every time step.
    TimeDistributed,
    /// A recurrent layer and another that runs the other way.
    Bidirectional,
}

/// How the config of a model describes its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As a graph.
    Functional,
    /// As a list.
    Sequential,
}

/// What a recurrent layer does in each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recurrence {
    /// A long short-term memory.
    Lstm,
    /// A gated recurrent unit.
    Gru,
    /// The same as cuDNN has it, which resets after the product with the state.
    CudnnGru,
    /// A long short-term memory of images of so many axes, with convolutions in place of products.
    ConvLstm(usize),
    /// A product and an activation.
    Simple,
    /// What the cell in its config does.
    OfCell,
}

/// Which of a layer's weights training leaves alone although the layer is trained. In `.h5` files they come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// None of them.
    None,
    /// All of them.
    All,
    /// All but the factor and the shift, which the config can switch off.
    Statistics,
    /// So many of its own, and those of the layer inside.
    Inside(usize),
}

/// A layer inside another, in the tree of attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// The attribute that holds it.
    pub attribute: &'static str,
    /// The keys of the config under which it may stand, the first that is there.
    pub keys: &'static [&'static str],
}

/// What an unread key may hold without changing what inference computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Anything: the key matters to training, building or speed only, or the reader has dealt with it.
    Anything,
    /// Only these; null is always allowed.
    Only(&'static [Value]),
}

/// Keys that any layer may have.
const COMMON: &[(&str, Rule)] = &[
    ("name", Rule::Anything),
    ("trainable", Rule::Anything),
    // Checked once for every layer when the model is read: see `dtype::effect`.
    ("dtype", Rule::Anything),
    ("autocast", Rule::Anything),
    // The shape that the layer was built for; the InputLayer says it with authority.
    ("batch_input_shape", Rule::Anything),
    ("build_config", Rule::Anything),
    ("build_input_shape", Rule::Anything),
    ("input_dtype", Rule::Anything),
];

/// How keys end that any layer may have: what shapes weights in training.
const ENDINGS: &[&str] = &["_initializer", "_regularizer", "_constraint"];

/// The rule for a key that the layer's own code did not read, of a class that may carry `keys`.
pub(super) fn rule(key: &str, keys: &[(&str, Rule)]) -> Option<Rule> {
    if ENDINGS.iter().any(|ending| key.ends_with(ending)) {
        return Some(Rule::Anything);
    }
    let all = COMMON.iter().chain(keys);
    all.into_iter()
        .find(|(name, _)| *name == key)
        .map(|(_, rule)| *rule)
}
