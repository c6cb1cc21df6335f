//! HDF5 files: groups, string attributes and numbers. The only place that knows `hdf5-pure`.
//!
//! Files are not trusted. Before a dataset is read, its declared size is checked against what the
//! file can hold, so that a few bytes cannot ask for gigabytes; links that lead out of the file and
//! storage outside of it are refused. Soft links, which the reader does not know, are followed by [`Paths`].

use super::numbers::{self, Encoding};
use super::paths::Paths;
use super::source::Section;
use crate::budget::{Budget, Resource};
use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};
use hdf5_pure::{
    AttrValue, ChunkIndex, Dataset, Datatype, DatatypeByteOrder, File, FormatError, Group, Source,
};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};
use std::rc::Rc;

/// Most groups that are remembered; there are a few for each layer.
const MAX_REMEMBERED: usize = 50_000;

/// What the weights code asks of an HDF5 file. Paths are relative to the root, joined with `/`;
/// the root is the empty path.
pub(super) trait Tree {
    /// The strings of an attribute of a group, one for a scalar; `None` if group or attribute is absent.
    fn strings(&self, group: &str, name: &str) -> Result<Option<Vec<String>>>;
    /// Whether an attribute is text of a fixed width, as NumPy's byte strings are stored.
    fn is_fixed_text(&self, _group: &str, _name: &str) -> Result<bool> {
        Ok(false)
    }
    /// Names of the groups in a group, in the order of the file; empty if there is no such group.
    fn groups(&self, group: &str) -> Result<Vec<String>>;
    /// Names of the datasets in a group; empty if there is no such group.
    fn datasets(&self, group: &str) -> Result<Vec<String>>;
    /// The numbers of a dataset; `None` if there is none at that path.
    fn tensor(&self, path: &str) -> Result<Option<Tensor>>;
}

/// An open file.
pub(super) struct Store {
    bytes: Box<dyn Source>,
    budget: Budget,
    groups: RefCell<HashMap<String, Option<Group>>>,
    /// Groups whose children are remembered.
    listed: RefCell<HashSet<String>>,
    /// The attributes of the group that was asked last, since questions come in series.
    attributes: RefCell<(String, Rc<HashMap<String, AttrValue>>)>,
    links: Paths,
}

impl Store {
    /// Opens `length` bytes from `start` on.
    pub(super) fn open<R: Read + Seek + Send + 'static>(
        reader: R,
        start: u64,
        length: u64,
        budget: &Budget,
    ) -> Result<Self> {
        let bytes = Section::new(reader, start, length, budget);
        Self::of(bytes, budget).map_err(|error| budget.blame(error))
    }

    fn of<R: Read + Seek + Send + 'static>(bytes: Section<R>, budget: &Budget) -> Result<Self> {
        let file = File::from_source(bytes.clone()).map_err(damaged)?;
        let groups = HashMap::from([(String::new(), Some(file.root()))]);
        Ok(Self {
            links: Paths::new(Box::new(bytes.clone()), file.superblock(), budget),
            bytes: Box::new(bytes),
            budget: budget.clone(),
            groups: RefCell::new(groups),
            listed: RefCell::default(),
            attributes: RefCell::new((String::new(), Rc::new(file.root().attrs().map_err(damaged)?))),
        })
    }

    /// The group at a path, remembered.
    fn group(&self, path: &str) -> Result<Option<Group>> {
        if let Some(found) = self.groups.borrow().get(path) {
            return Ok(found.clone());
        }
        self.budget.take(Resource::Depth, path.split('/').count())?;
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let found = match self.group(parent)? {
            Some(group) => match self.listed_child(parent, &group, path) {
                Some(child) => Some(child),
                None => self.found(parent, name, group.group(name), |target| self.group(target))?,
            },
            None => None,
        };
        self.remember(path.to_owned(), found.clone());
        Ok(found)
    }

    /// What a group has under a name: what the reader found, or else what a soft link leads to.
    fn found<T>(
        &self,
        parent: &str,
        name: &str,
        result: Result<T, hdf5_pure::Error>,
        open: impl Fn(&str) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let result = present(result);
        if matches!(result, Ok(Some(_))) {
            return result;
        }
        match self.links.target(parent, name) {
            Ok(Some(target)) => open(&target),
            Ok(None) => result,
            Err(error) => Err(error),
        }
    }

    /// Names in a group that lead to something that `open` gives, where the reader cannot list them by itself.
    fn linked<T>(&self, path: &str, open: impl Fn(&str) -> Result<Option<T>>) -> Result<Option<Vec<String>>> {
        let Some(names) = self.links.names_if_linked(path)? else {
            return Ok(None);
        };
        let mut found = Vec::new();
        for name in names {
            if open(&join(path, &name))?.is_some() {
                found.push(name);
            }
        }
        Ok(Some(found))
    }

    fn dataset(&self, path: &str) -> Result<Option<Dataset>> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.group(parent)? {
            Some(group) => self.found(parent, name, group.dataset(name), |target| self.dataset(target)),
            None => Ok(None),
        }
    }

    /// A group that is found by listing all that are beside it, once. To find a name, the reader goes through the names in
    /// a group one by one, and layers are looked for in series. A group with damaged children has no list.
    fn listed_child(&self, parent: &str, group: &Group, path: &str) -> Option<Group> {
        if !self.listed.borrow_mut().insert(parent.to_owned()) {
            return None;
        }
        let children = group.iter_groups().ok()?;
        if children.len() < MAX_REMEMBERED / 2 {
            for (name, child) in children {
                self.remember(join(parent, &name), Some(child));
            }
        }
        self.groups.borrow().get(path).cloned().flatten()
    }

    fn remember(&self, path: String, group: Option<Group>) {
        let mut groups = self.groups.borrow_mut();
        if groups.len() >= MAX_REMEMBERED {
            groups.retain(|path, _| path.is_empty());
            self.listed.borrow_mut().clear();
        }
        groups.insert(path, group);
    }

    /// Refuses a dataset whose declared size the file cannot justify.
    fn check_size(&self, shape: &Shape, element: u64, chunk: Option<Vec<u64>>) -> Result<()> {
        let times = |count: u64, extent: &u64| count.saturating_mul(*extent);
        let chunk = chunk.map_or(0, |extents| extents.iter().fold(1, times));
        // Numbers of any width become floats.
        let bytes = chunk.max(shape.count() as u64).saturating_mul(element.max(4));
        self.budget.take(Resource::Weights, bytes)
    }

    /// Refuses chunks that cannot be in the file: the reader takes memory for them before it looks.
    fn check_chunks(&self, dataset: &Dataset) -> Result<()> {
        if !dataset.is_chunked() || dataset.chunk_index().map_err(damaged)? == Some(ChunkIndex::BTreeV2) {
            return Ok(());
        }
        for chunk in dataset.chunks().map_err(damaged)? {
            let end = chunk.address.checked_add(chunk.storage_size);
            if end.is_none_or(|end| end > self.bytes.len()) {
                return Err(Error::malformed(
                    "a chunk of the dataset lies outside of the file",
                ));
            }
        }
        Ok(())
    }

    fn read_tensor(&self, dataset: &Dataset) -> Result<Tensor> {
        let dims = dataset.shape().map_err(damaged)?;
        let dims: Option<Vec<_>> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
        let Some(dims) = dims else {
            return Err(Error::malformed("a dimension of the dataset is too large"));
        };
        let shape = Shape::checked(dims)?;
        let datatype = dataset.datatype().map_err(damaged)?;
        let Some(encoding) = encoding(&datatype) else {
            return Err(Error::malformed(format!("weights cannot be of type {datatype}")));
        };
        let chunk = dataset.chunk_shape().map_err(damaged)?;
        self.check_size(&shape, encoding.width() as u64, chunk)?;
        self.check_chunks(dataset)?;
        let bytes = dataset.read_raw().map_err(damaged)?;
        if bytes.len() != shape.count() * encoding.width() {
            return Err(Error::malformed(format!(
                "the dataset holds {} bytes, its shape {shape} needs {}",
                bytes.len(),
                shape.count() * encoding.width()
            )));
        }
        Tensor::f32(shape, numbers::decode(&bytes, encoding))
    }

    fn strings_of(&self, group: &str, name: &str) -> Result<Option<Vec<String>>> {
        let Some(found) = self.group(group)? else {
            return Ok(None);
        };
        if self.attributes.borrow().0 != group {
            let attributes = Rc::new(found.attrs().map_err(damaged)?);
            self.attributes.replace((group.to_owned(), attributes));
        }
        let attributes = Rc::clone(&self.attributes.borrow().1);
        match attributes.get(name) {
            Some(value) => match strings(value) {
                Some(strings) => Ok(Some(strings)),
                None => Err(Error::malformed(format!(
                    "attribute {name} of group /{group} is not text"
                ))),
            },
            // The reader leaves out what it cannot decode.
            None if found.attr_datatypes().map_err(damaged)?.contains_key(name) => Err(Error::malformed(
                format!("attribute {name} of group /{group} is damaged"),
            )),
            None => Ok(None),
        }
    }

    fn groups_in(&self, path: &str) -> Result<Vec<String>> {
        let Some(group) = self.group(path)? else {
            return Ok(Vec::new());
        };
        if let Some(names) = self.linked(path, |path| self.group(path))? {
            return Ok(names);
        }
        let mut names = Vec::new();
        for (name, child) in group.iter_groups().map_err(damaged)? {
            self.remember(join(path, &name), Some(child));
            names.push(name);
        }
        Ok(names)
    }

    fn datasets_in(&self, path: &str) -> Result<Vec<String>> {
        let Some(group) = self.group(path)? else {
            return Ok(Vec::new());
        };
        match self.linked(path, |path| self.dataset(path))? {
            Some(names) => Ok(names),
            None => group.datasets().map_err(damaged),
        }
    }

    fn tensor_at(&self, path: &str) -> Result<Option<Tensor>> {
        match self.dataset(path)? {
            Some(dataset) => self.read_tensor(&dataset).map(Some),
            None => Ok(None),
        }
    }
}

impl Tree for Store {
    fn strings(&self, group: &str, name: &str) -> Result<Option<Vec<String>>> {
        let found = self.strings_of(group, name);
        found.map_err(|error| self.budget.blame(error))
    }
    fn is_fixed_text(&self, group: &str, name: &str) -> Result<bool> {
        let types = match self.group(group)? {
            Some(group) => group.attr_datatypes().map_err(damaged)?,
            None => return Ok(false),
        };
        Ok(matches!(types.get(name), Some(Datatype::String { .. })))
    }
    fn groups(&self, group: &str) -> Result<Vec<String>> {
        self.groups_in(group).map_err(|error| self.budget.blame(error))
    }
    fn datasets(&self, group: &str) -> Result<Vec<String>> {
        self.datasets_in(group).map_err(|error| self.budget.blame(error))
    }
    fn tensor(&self, path: &str) -> Result<Option<Tensor>> {
        self.tensor_at(path).map_err(|error| self.budget.blame(error))
    }
}

/// The path of a name in a group.
fn join(group: &str, name: &str) -> String {
    match group.is_empty() {
        true => name.to_owned(),
        false => format!("{group}/{name}"),
    }
}

/// The strings of an attribute. `np.array([])` has element type float64: an empty list.
fn strings(value: &AttrValue) -> Option<Vec<String>> {
    match value.as_strings() {
        Some(strings) => Some(strings.to_vec()),
        None => matches!(value.to_f64s(), Some(numbers) if numbers.is_empty()).then(Vec::new),
    }
}

/// How numbers of this type are stored; `None` for types that weights cannot have.
fn encoding(datatype: &Datatype) -> Option<Encoding> {
    let little = |order: &DatatypeByteOrder| match order {
        DatatypeByteOrder::LittleEndian => Some(true),
        DatatypeByteOrder::BigEndian => Some(false),
        _ => None,
    };
    match datatype {
        Datatype::FloatingPoint {
            size,
            byte_order,
            layout,
        } => {
            let bits = (layout.exponent_size, layout.mantissa_size, layout.exponent_bias);
            Encoding::float(*size, bits, little(byte_order)?)
        }
        Datatype::FixedPoint {
            size,
            byte_order,
            layout,
        } => Encoding::integer(*size, layout.signed, little(byte_order)?),
        // h5py's np.bool_.
        Datatype::Enumeration { base_type, .. } => encoding(base_type),
        // ml_dtypes' bfloat16, which NumPy and h5py know as two bytes without a meaning.
        Datatype::Opaque { size: 2, .. } => Some(Encoding::BFloat16 { little: true }),
        _ => None,
    }
}

/// `None` for what is not there.
fn present<T>(result: Result<T, hdf5_pure::Error>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(hdf5_pure::Error::Format(FormatError::PathNotFound(_))) => Ok(None),
        Err(hdf5_pure::Error::NotAGroup(_) | hdf5_pure::Error::NotADataset(_)) => Ok(None),
        Err(error) => Err(damaged(error)),
    }
}

fn damaged(error: hdf5_pure::Error) -> Error {
    let error = match error {
        hdf5_pure::Error::Format(error) => error,
        error => return Error::malformed(format!("HDF5: {error}")),
    };
    let stored_oddly = matches!(
        error,
        FormatError::UnsupportedFilter(_)
            | FormatError::UnsupportedVirtualLayout
            | FormatError::UnsupportedExternalStorage
    );
    let found = Error::malformed(format!("HDF5: {error}"));
    match stored_oddly {
        true => found.help("save the model again with Keras, which stores weights plainly"),
        false => found,
    }
}
