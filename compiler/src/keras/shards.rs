//! Weights in several files: `model.save_weights("x.weights.json", max_shard_size=…)` of Keras 3 (`ShardedH5IOStore`) writes
//! a map of groups to files beside it, each of which has a part of the tree.

use super::archive::{Container, ModelFile, open};
use super::hdf5::{Store, Tree};
use crate::budget::{Budget, Resource};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The files as one tree.
pub(super) struct Shards(Vec<Store>);

/// Whether a document is the map of such files.
pub(super) fn is_map(value: &Value) -> bool {
    value.get("weight_map").is_some_and(Value::is_object) && value.get("class_name").is_none()
}

impl Shards {
    /// Opens the files of a map, which lie beside it.
    pub(super) fn open(map: &Value, place: &ModelFile, budget: &Budget) -> Result<Self> {
        let folder = match place {
            ModelFile::Path(path) => path.parent().unwrap_or(Path::new("")),
            ModelFile::Bytes(..) => return Err(Error::malformed("the files that it names are not at hand")),
        };
        let mut names = BTreeSet::new();
        let groups = map.get("weight_map").and_then(Value::as_object);
        for value in groups.into_iter().flat_map(|groups| groups.values()) {
            match value {
                Value::String(name) => {
                    names.insert(name.as_str());
                }
                Value::Array(several) => names.extend(several.iter().filter_map(Value::as_str)),
                _ => return Err(Error::malformed("its weight_map does not name files")),
            }
        }
        budget.take(Resource::Members, names.len())?;
        let open = |name: &str| {
            if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', ':']) {
                return Err(Error::malformed(format!(
                    "it names a file {name:?} outside of its folder"
                )));
            }
            let path = folder.join(name);
            let missing = |error: Error| {
                error
                    .in_field(name)
                    .help("keep all files that save_weights wrote in one folder")
            };
            if !path.exists() {
                return Err(missing(Error::malformed(
                    "a file with a part of the weights is not there",
                )));
            }
            match open(&ModelFile::Path(&path), budget).map_err(missing)? {
                Container::Hdf5(store) => Ok(store),
                _ => Err(missing(Error::malformed(
                    "a file with a part of the weights is not HDF5",
                ))),
            }
        };
        Ok(Self(names.into_iter().map(open).collect::<Result<_>>()?))
    }

    /// All that the files list, each name once.
    fn all(&self, list: impl Fn(&Store) -> Result<Vec<String>>) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for store in &self.0 {
            found.extend(list(store)?.into_iter().filter(|name| seen.insert(name.clone())));
        }
        Ok(found)
    }

    /// What the first file has that has something.
    fn first<T>(&self, find: impl Fn(&Store) -> Result<Option<T>>) -> Result<Option<T>> {
        for store in &self.0 {
            if let Some(found) = find(store)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Tree for Shards {
    fn strings(&self, group: &str, name: &str) -> Result<Option<Vec<String>>> {
        self.first(|store| store.strings(group, name))
    }
    fn groups(&self, group: &str) -> Result<Vec<String>> {
        self.all(|store| store.groups(group))
    }
    fn datasets(&self, group: &str) -> Result<Vec<String>> {
        self.all(|store| store.datasets(group))
    }
    fn tensor(&self, path: &str) -> Result<Option<Tensor>> {
        self.first(|store| store.tensor(path))
    }
}
