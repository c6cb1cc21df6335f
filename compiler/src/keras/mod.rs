//! Reads every Keras dialect; no Keras word lives outside this module.
//!
//! [`read`] goes from files to a [`KerasModel`]: `archive` recognises the container by its bytes,
//! `architecture` and `topology` read the layers and how they are connected, `weights` finds the
//! weights of each layer. What comes out is free of dialect; [`Config`] is where a layer's arguments
//! are read with types. [`lower()`] then turns layers into operations. Files are not trusted: sizes are checked before memory is taken, nesting is
//! bounded, nothing is executed or written, and all problems found are reported at once.

mod architecture;
mod archive;
mod assets;
mod blocks;
pub mod class;
pub mod config;
mod customs;
mod dtype;
mod expression;
pub mod fields;
mod foreign;
mod given;
mod hdf5;
mod json;
mod keras1;
mod lambdas;
pub mod layers;
#[cfg(all(test, feature = "libhdf5"))]
mod libhdf5;
mod links;
mod lower;
pub mod model;
mod needed;
mod numbers;
pub mod object;
pub mod part;
mod paths;
pub mod pictures;
mod ports;
mod python;
pub mod quantization;
pub mod ranges;
mod scores;
mod shards;
mod source;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod topology;
mod values;
mod version;
mod weights;

pub use archive::ModelFile;
pub use class::Origin;
pub use config::Config;
pub use customs::Customs;
pub use dtype::KerasDType;
pub use fields::Fields;
pub use lambdas::Lambdas;
pub use lower::{InputShapes, KeptState, Lowered, TensorInfo, lower};
pub use model::{
    Argument, Call, KerasModel, Layer, LayerId, Network, ScheduledCall, Semantics, TensorRef, Version, Weight,
};
pub use object::Object;
pub use part::Part;
pub use pictures::Pictures;
pub use scores::are_shares;
pub use text::Prepared;

use crate::budget::Budget;
use crate::error::{Collector, Error, ErrorKind, Errors, Result};
use archive::Container;
use assets::Assets;
use hdf5::{Store, Tree};
use keras1::{Backend, Dialect, Names};
use serde_json::Value;
use std::path::Path;
use weights::Arrangement;

/// Weights, and where they stand in their file.
type Weights = (Box<dyn Tree>, Arrangement);

/// Reads a model from `.h5`, `.keras` or a `.json` architecture with its weights in a second file.
///
/// # Errors
/// All problems found in the files.
pub fn read(model: &Path, weights: Option<&Path>) -> Result<KerasModel, Errors> {
    read_given(model, weights, &Given::default())
}

/// What the user says of Python code that is not in a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// Functions of `Lambda` layers.
    pub lambdas: Lambdas,
    /// Classes and functions by name.
    pub customs: Customs,
}

impl Given {
    fn apply(&self, root: &mut Network, problems: &mut Collector) {
        self.lambdas.apply(root, problems);
        self.customs.apply(root, problems);
    }
}

/// The same with what is given for Python code.
///
/// # Errors
/// All problems found in the files, and what is given for what is not there.
pub fn read_given(model: &Path, weights: Option<&Path>, given: &Given) -> Result<KerasModel, Errors> {
    read_files(ModelFile::Path(model), weights.map(ModelFile::Path), given)
}

/// The same for files that need not be on a disk.
///
/// # Errors
/// All problems found in the files.
pub fn read_inputs(model: ModelFile, weights: Option<ModelFile>) -> Result<KerasModel, Errors> {
    read_files(model, weights, &Given::default())
}

fn read_files(model: ModelFile, weights: Option<ModelFile>, said: &Given) -> Result<KerasModel, Errors> {
    let in_file = |input: ModelFile| {
        let name = input.name();
        move |error: Error| remedied(error).in_file(name.as_str())
    };
    let budget = Budget::new();
    let mut problems = Collector::default();
    let source = Source::open(&model, &budget).map_err(in_file(model))?;
    let (store, weights) = match weights {
        Some(input) => {
            let found = weights_of(&input, &budget).map_err(in_file(input));
            (problems.keep(found), input)
        }
        None => (source.weights, model),
    };
    if store.is_none() && problems.is_empty() {
        let error = Error::new(ErrorKind::Usage(
            "the file holds an architecture without weights".to_owned(),
        ));
        problems.push(in_file(model)(
            error.help("name the file with the weights with --weights"),
        ));
    }
    let semantics = source.version.semantics;
    let named = store
        .as_ref()
        .map(|(tree, layout)| check_backend(semantics, tree.as_ref(), *layout));
    let named = problems.keep(named.unwrap_or(Ok((None, None))).map_err(in_file(weights)));
    let dialect = dialect(semantics, &source.config, named.unwrap_or_default());
    let mut reader = architecture::ArchitectureReader::new(semantics, dialect, &budget);
    let root = reader.model(source.config);
    let mut notes = reader.notes();
    let found = std::mem::take(&mut reader.problems).finish(());
    problems.keep_all(found.map_err(|errors| errors.map(in_file(model))));
    let (Some(mut root), Some((store, layout))) = (root, store) else {
        problems.finish(())?;
        return Err(Error::internal("a model was lost without an error").into());
    };
    let given = source.assets.give(&mut root, source.version.semantics);
    problems.keep(given.map_err(in_file(model)));
    said.apply(&mut root, &mut problems);
    notes.extend(pruned(&mut root));
    let name = root.name.clone();
    let version = source.version;
    let mut model = KerasModel {
        version,
        name,
        root,
        notes,
        budget,
    };
    let mut missing = Collector::default();
    weights::load(&mut model, store.as_ref(), layout, &mut missing);
    problems.keep_all(missing.finish(()).map_err(|errors| errors.map(in_file(weights))));
    problems.finish(model)
}

/// Builds a model from an architecture as `model.to_json()` writes it, asking `weights` for those of
/// each layer by its [`Layer::path`], for tests whose numbers are generated rather than stored.
///
/// # Errors
/// All problems found in the architecture.
pub fn from_architecture(
    json: Value,
    weights: &mut dyn FnMut(&str) -> Vec<Weight>,
) -> Result<KerasModel, Errors> {
    from_architecture_given(json, &Given::default(), weights)
}

/// The same with what is given for Python code.
///
/// # Errors
/// All problems found in the architecture.
pub fn from_architecture_given(
    json: Value,
    given: &Given,
    weights: &mut dyn FnMut(&str) -> Vec<Weight>,
) -> Result<KerasModel, Errors> {
    let version = version::of_architecture(&json)?;
    let budget = Budget::new();
    let dialect = dialect(version.semantics, &json, (None, None));
    let mut reader = architecture::ArchitectureReader::new(version.semantics, dialect, &budget);
    let root = reader.model(json);
    let mut notes = reader.notes();
    let mut problems = reader.problems;
    let mut root = root;
    if let Some(root) = &mut root {
        given.apply(root, &mut problems);
    }
    let mut root = problems
        .finish(root)?
        .ok_or_else(|| Error::internal("a model was lost"))?;
    notes.extend(pruned(&mut root));
    weights::fill(&mut root, weights)?;
    budget.open(weights::bytes(&root));
    Ok(KerasModel {
        version,
        name: root.name.clone(),
        root,
        notes,
        budget,
    })
}

/// Leaves out what no output needs, and tells of it.
fn pruned(root: &mut Network) -> Option<String> {
    let unused = needed::prune(root);
    (unused > 0).then(|| format!("layers that no output needs are left out: {unused}"))
}

/// Adds what a user can do, where nothing more fitting was said.
fn remedied(error: Error) -> Error {
    let help = match &error.kind {
        ErrorKind::Malformed(_) => "the file is damaged, or not what it seems; fetch or save it again",
        ErrorKind::MissingWeight | ErrorKind::Inconsistent(_) => {
            "save the model again, with all its weights in one file"
        }
        ErrorKind::BadGraph(_) => "the architecture was damaged or edited; save the model again",
        ErrorKind::TooLarge { .. } => "no model for a browser is like this; look where the file comes from",
        _ => return error,
    };
    error.help(help)
}

/// What one file gives: an architecture and, mostly, weights.
struct Source {
    version: Version,
    config: Value,
    weights: Option<Weights>,
    assets: Assets,
}

impl Source {
    fn open(input: &ModelFile, budget: &Budget) -> Result<Self> {
        match archive::open(input, budget)? {
            Container::Json(config) => Ok(Self {
                version: version::of_architecture(&config)?,
                config,
                weights: None,
                assets: Assets::default(),
            }),
            Container::Keras {
                config,
                metadata,
                weights,
                assets,
            } => {
                architecture::check_class(&config)?;
                Ok(Self {
                    version: version::of_archive(metadata.as_ref(), &config)?,
                    weights: weights.map(|store| weights_in(Box::new(store))).transpose()?,
                    config,
                    assets,
                })
            }
            Container::Hdf5(store) => Self::hdf5(store, budget),
            Container::Shards(_) => Err(Error::malformed(
                "the file names files with weights, without an architecture",
            )
            .help("give the architecture, model.to_json() in a file, as the model and this with --weights")),
        }
    }

    fn hdf5(store: Store, budget: &Budget) -> Result<Self> {
        let text = store.strings("", "model_config")?.and_then(|mut text| text.pop());
        let Some(text) = text else {
            let error = match Arrangement::of(&store)? {
                Some(_) => Error::malformed("the file holds weights without an architecture").help(
                    "give the architecture, model.to_json() in a file, as the model and this with --weights",
                ),
                None => Error::malformed("the file is HDF5, but holds neither a Keras model nor weights"),
            };
            return Err(error);
        };
        let config = json::parse(&text, "model_config", budget)?;
        architecture::check_class(&config)?;
        let stated = store
            .strings("", "keras_version")?
            .and_then(|mut text| text.pop());
        Ok(Self {
            version: version::of(stated, &config)?,
            config,
            weights: Some(weights_in(Box::new(store))?),
            assets: Assets::default(),
        })
    }
}

/// The weights of a file that may hold a model around them.
fn weights_of(input: &ModelFile, budget: &Budget) -> Result<Weights> {
    match archive::open(input, budget)? {
        Container::Hdf5(store)
        | Container::Keras {
            weights: Some(store), ..
        } => weights_in(Box::new(store)),
        Container::Shards(shards) => weights_in(Box::new(shards)),
        Container::Keras { weights: None, .. } | Container::Json(_) => {
            Err(Error::malformed("the file holds no weights"))
        }
    }
}

fn weights_in(store: Box<dyn Tree>) -> Result<Weights> {
    let Some(layout) = Arrangement::of(store.as_ref())? else {
        return Err(Error::malformed("the file holds no weights of a Keras model"));
    };
    Ok((store, layout))
}

/// The backend that weights are said to be of, and what their names show of it.
type Said = (Option<Backend>, Option<Names>);

/// What weights say of their backend, where that matters; those of Theano are read of Keras 1 alone.
fn check_backend(semantics: Semantics, tree: &dyn Tree, layout: Arrangement) -> Result<Said> {
    match (layout, semantics) {
        (Arrangement::Legacy(group), Semantics::Keras1) => {
            let stated = version::stated_backend(tree, group)?;
            let stated = stated.map(|name| keras1::backend(&name));
            Ok((stated, weights::names_of_keras1(tree, group)?))
        }
        (Arrangement::Legacy(group), _) => {
            version::check_backend(tree, group)?;
            Ok((None, None))
        }
        (Arrangement::Checkpoint, _) => Ok((None, None)),
    }
}

/// The dialect of an architecture of Keras 1, which may state its backend.
fn dialect(semantics: Semantics, config: &Value, (stated, names): Said) -> Option<Dialect> {
    let own = config.get("backend").and_then(Value::as_str).map(keras1::backend);
    (semantics == Semantics::Keras1).then(|| Dialect::of(config, stated.or(own), names))
}
