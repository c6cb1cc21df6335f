//! Reads every Keras dialect; no Keras word lives outside this module.
//!
//! [`read`] goes from files to a [`KerasModel`]: `archive` recognises the container by its bytes,
//! `architecture` and `topology` read the layers and how they are connected, `weights` finds the
//! weights of each layer. What comes out is free of dialect; [`Config`] is where a layer's arguments
//! are read with types. [`lower`] then turns layers into operations. Files are not trusted: sizes are checked before memory is taken, nesting is
//! bounded, nothing is executed or written, and all problems found are reported at once.

mod architecture;
mod archive;
pub mod config;
mod dtype;
pub mod fields;
mod hdf5;
mod json;
pub mod layers;
mod lower;
mod links;
pub mod model;
mod numbers;
pub mod object;
mod ports;
mod source;
pub mod summary;
mod topology;
mod version;
mod weights;

pub use config::{Config, KerasDType};
pub use fields::Fields;
pub use lower::{InputShapes, Lowered, Port, lower};
pub use model::{
    Argument, Call, KerasModel, Layer, LayerId, Network, Origin, Semantics, Step, TensorRef, Version, Weight,
};
pub use object::Object;

use crate::error::{Collector, Error, ErrorKind, Errors, Result};
use archive::Container;
use hdf5::{Store, Tree};
use serde_json::Value;
use std::path::Path;
use weights::Layout;

/// Reads a model from `.h5`, `.keras` or a `.json` architecture with its weights in a second file.
///
/// # Errors
/// All problems found in the files.
pub fn read(model: &Path, weights: Option<&Path>) -> Result<KerasModel, Errors> {
    let in_file = |path: &Path| {
        let name = path.display().to_string();
        move |error: Error| error.in_file(name.as_str())
    };
    let source = Source::open(model).map_err(in_file(model))?;
    let (store, weights_path) = match weights {
        Some(path) => (Some(weights_of(path).map_err(in_file(path))?), path),
        None => (source.weights, model),
    };
    let Some((store, layout)) = store else {
        let error = Error::new(ErrorKind::Usage(
            "the file holds an architecture without weights".to_owned(),
        ));
        return Err(error
            .help("name the file with the weights with --weights")
            .in_file(model.display().to_string())
            .into());
    };
    let mut reader = architecture::Reader::new(source.version.semantics);
    let root = reader.model(source.config);
    let notes = reader.notes();
    let mut problems = Collector::default();
    problems.keep_all(
        std::mem::take(&mut reader.problems)
            .finish(())
            .map_err(|e| e.map(in_file(model))),
    );
    let Some(root) = root else {
        return problems
            .finish(())
            .and_then(|()| Err(Error::internal("a model was lost").into()));
    };
    let name = root.name.clone();
    let mut found = KerasModel {
        version: source.version,
        name,
        root,
        notes,
    };
    let mut missing = Collector::default();
    weights::load(&mut found, &store, layout, &reader.shared, &mut missing);
    problems.keep_all(missing.finish(()).map_err(|e| e.map(in_file(weights_path))));
    problems.finish(found)
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
    let version = version::of_architecture(&json)?;
    let mut reader = architecture::Reader::new(version.semantics);
    let root = reader.model(json);
    let notes = reader.notes();
    let mut root = reader
        .problems
        .finish(root)?
        .ok_or_else(|| Error::internal("a model was lost"))?;
    weights::fill(&mut root, weights);
    Ok(KerasModel {
        version,
        name: root.name.clone(),
        root,
        notes,
    })
}

/// What one file gives: an architecture and, mostly, weights.
struct Source {
    version: Version,
    config: Value,
    weights: Option<(Store, Layout)>,
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        match archive::open(path)? {
            Container::Json(config) => Ok(Self {
                version: version::of_architecture(&config)?,
                config,
                weights: None,
            }),
            Container::Keras {
                config,
                metadata,
                weights,
            } => Ok(Self {
                version: version::of_archive(metadata.as_ref(), &config)?,
                weights: Some(weights_in(weights.ok_or_else(|| {
                    Error::new(ErrorKind::MissingWeight).in_field("model.weights.h5")
                })?)?),
                config,
            }),
            Container::Hdf5(store) => Self::hdf5(store),
        }
    }

    fn hdf5(store: Store) -> Result<Self> {
        let text = store.strings("", "model_config")?.and_then(|mut text| text.pop());
        let Some(text) = text else {
            let error = match Layout::of(&store)? {
                Some(_) => Error::malformed("the file holds weights without an architecture").help(
                    "give the architecture, model.to_json() in a file, as the model and this with --weights",
                ),
                None => Error::malformed("the file is HDF5, but holds neither a Keras model nor weights"),
            };
            return Err(error);
        };
        let config = json::parse(&text, "model_config")?;
        let stated = store
            .strings("", "keras_version")?
            .and_then(|mut text| text.pop());
        Ok(Self {
            version: version::of(stated, &config)?,
            config,
            weights: Some(weights_in(store)?),
        })
    }
}

/// The weights of a file that may hold a model around them.
fn weights_of(path: &Path) -> Result<(Store, Layout)> {
    match archive::open(path)? {
        Container::Hdf5(store)
        | Container::Keras {
            weights: Some(store), ..
        } => weights_in(store),
        Container::Keras { weights: None, .. } | Container::Json(_) => {
            Err(Error::malformed("the file holds no weights"))
        }
    }
}

fn weights_in(store: Store) -> Result<(Store, Layout)> {
    let Some(layout) = Layout::of(&store)? else {
        return Err(Error::malformed("the file holds no weights of a Keras model"));
    };
    if let Layout::Legacy(group) = layout {
        version::check_backend(&store, group)?;
    }
    Ok((store, layout))
}
