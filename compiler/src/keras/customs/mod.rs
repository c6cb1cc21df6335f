//! What classes and functions of the user's compute, as the user says it: `--custom FILE.json`.

mod definition;

pub(super) use definition::{CONFIG, Definition, Described};

use super::class::{ClassName, Origin, Role};
use super::layers::{self, CUSTOM, EXPRESSION};
use super::model::{Layer, Network};
use super::object::class_of;
use crate::error::{Collector, Error, ErrorKind, Errors};
use serde_json::{Map, Value, json};

/// Most bytes of a file with definitions.
const MOST_BYTES: u64 = 1 << 20;

/// Definitions by the names of classes and functions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Customs(Vec<Entry>);

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    /// The file that has it.
    file: String,
    /// `Class`, or `package>Class` as Keras registers it.
    name: String,
    definition: Definition,
}

impl Entry {
    /// Whether it is about a class or a function as a file names it.
    fn is_of(&self, found: &ClassName) -> bool {
        match self.name.split_once('>') {
            Some((package, name)) => {
                name == found.written && found.origin == Origin::Custom(package.to_owned())
            }
            None => self.name == found.written && found.origin != Origin::Operation,
        }
    }
}

impl Customs {
    /// Reads a file of definitions.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn read(&mut self, file: &std::path::Path) -> Result<(), Errors> {
        let name = file.display().to_string();
        let io = |error: std::io::Error| Error::new(ErrorKind::Io(error.to_string())).in_file(name.as_str());
        let size = std::fs::metadata(file).map_err(io)?.len();
        if size > MOST_BYTES {
            let what = "the size in bytes".to_owned();
            let kind = ErrorKind::TooLarge {
                what,
                found: size,
                limit: MOST_BYTES,
            };
            return Err(Error::new(kind)
                .in_file(name)
                .help("definitions are short")
                .into());
        }
        let bytes = std::fs::read(file).map_err(io)?;
        let text = String::from_utf8(bytes).map_err(|_| {
            let error = Error::malformed("it is no text").in_file(name.as_str());
            error.help("definitions stand in a JSON file")
        })?;
        self.parse(&name, &text)
    }

    /// Reads definitions as JSON: an object with the names of classes and functions.
    ///
    /// # Errors
    /// All problems, with the name of the file.
    pub fn parse(&mut self, file: &str, text: &str) -> Result<(), Errors> {
        let json: Value = serde_json::from_str(text).map_err(|error| {
            let error = Error::malformed(format!("it is not valid JSON: {error}")).in_file(file);
            error.help("definitions stand in an object, by the names of classes and functions")
        })?;
        let Value::Object(map) = json else {
            let error = Error::malformed("it is not an object").in_file(file);
            return Err(error
                .help("definitions stand in an object, by the names of classes and functions")
                .into());
        };
        let mut problems = Collector::default();
        for (name, value) in map {
            let mut found = Vec::new();
            let definition = Definition::read(&value, &mut found);
            if self.0.iter().any(|entry| entry.name == name) {
                let error = Error::new(ErrorKind::Usage("it is defined twice".to_owned()));
                found.push(error.help("leave one of the two away"));
            }
            for error in found {
                let field = match &error.place.field {
                    Some(field) => format!("{name}: {field}"),
                    None => name.clone(),
                };
                let error = Error {
                    place: Default::default(),
                    ..error
                };
                problems.push(error.in_field(field).in_file(file));
            }
            if let Some(definition) = definition {
                let file = file.to_owned();
                self.0.push(Entry {
                    file,
                    name,
                    definition,
                });
            }
        }
        problems.finish(())
    }

    /// Puts the definitions into the layers that they are for.
    pub(super) fn apply(&self, root: &mut Network, problems: &mut Collector) {
        let mut giving = Giving {
            customs: self,
            used: vec![false; self.0.len()],
            unknown: Vec::new(),
        };
        if self.0.is_empty() {
            return;
        }
        giving.network(root, problems);
        for (entry, _) in self.0.iter().zip(&giving.used).filter(|(_, used)| !**used) {
            let what = match entry.definition {
                Definition::Function(_) => "function",
                Definition::Layer(_) => "layer of class",
            };
            let error = Error::new(ErrorKind::Usage(format!(
                "the model has no {what} {:?}",
                entry.name
            )));
            let help = match &giving.unknown[..] {
                [] => "all its classes are known".to_owned(),
                names => format!("its classes that are not known are {names:?}"),
            };
            problems.push(error.in_field("--custom").in_file(entry.file.as_str()).help(help));
        }
    }
}

/// Goes through a model with the definitions.
struct Giving<'c> {
    customs: &'c Customs,
    /// Which of them were used.
    used: Vec<bool>,
    /// Classes that nothing is known of.
    unknown: Vec<String>,
}

impl<'c> Giving<'c> {
    fn network(&mut self, network: &mut Network, problems: &mut Collector) {
        for layer in &mut network.layers {
            self.layer(layer, problems);
        }
    }

    fn layer(&mut self, layer: &mut Layer, problems: &mut Collector) {
        if let Some(inner) = &mut layer.network {
            return self.network(inner, problems);
        }
        if let Some(inner) = &mut layer.wrapped {
            self.layer(inner, problems);
        }
        let mut values = layer.config.values().clone();
        let before = values.clone();
        let in_activation = layer.role() == Role::Python;
        self.values(&mut values, in_activation);
        if layer.class.is_none() && layer.origin != Origin::Operation {
            let class = ClassName {
                written: layer.written.clone(),
                origin: layer.origin.clone(),
            };
            match self.described(&class) {
                Some((entry, described)) => {
                    for argument in described.used_arguments() {
                        if !values.contains_key(&argument) {
                            problems.push(layer.at(no_argument(entry, &argument, &values)));
                        }
                    }
                    let definition = stored(entry, described);
                    values.insert(CUSTOM.to_owned(), definition);
                    layer.class = layers::known(&custom());
                }
                None => self.note(&class),
            }
        }
        if values != before {
            layer.config.replace(values);
        }
    }

    fn note(&mut self, class: &ClassName) {
        /// Most names that a message lists.
        const LISTED: usize = 20;
        let name = match &class.origin {
            Origin::Custom(package) => format!("{package}>{}", class.written),
            _ => class.written.clone(),
        };
        if self.unknown.len() < LISTED && !self.unknown.contains(&name) {
            self.unknown.push(name);
        }
    }

    /// What is said of a class.
    fn described(&mut self, class: &ClassName) -> Option<(&'c Entry, &'c Described)> {
        let customs = self.customs;
        let mut entries = customs.0.iter().enumerate();
        let (place, entry) = entries.find(|(_, entry)| entry.is_of(class))?;
        let Definition::Layer(described) = &entry.definition else {
            return None;
        };
        if let Some(used) = self.used.get_mut(place) {
            *used = true;
        }
        Some((entry, described))
    }

    /// What is said of a function.
    fn function(&mut self, name: &ClassName) -> Option<Value> {
        if name.origin == Origin::Keras && layers::is_activation(&name.written) {
            return None;
        }
        let customs = self.customs;
        let mut entries = customs.0.iter().enumerate();
        let (place, entry) = entries.find(|(_, entry)| entry.is_of(name))?;
        let Definition::Function(text) = &entry.definition else {
            return None;
        };
        if let Some(used) = self.used.get_mut(place) {
            *used = true;
        }
        Some(json!({"class_name": EXPRESSION, "config": text}))
    }

    /// Looks for functions and layers in the config of a layer. `python` says that the layer has a function of its own.
    fn values(&mut self, values: &mut Map<String, Value>, python: bool) {
        for (key, value) in values {
            let takes_function = key.ends_with("activation") || python && key == "function";
            let named = if takes_function {
                function_name(value)
            } else {
                None
            };
            match named.and_then(|name| self.function(&name)) {
                Some(given) => *value = given,
                None => self.value(value),
            }
        }
    }

    fn value(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(map) => {
                let class = class_of(map).filter(|class| layers::known(class).is_none());
                if let Some((entry, described)) = class.and_then(|class| self.described(&class))
                    && let Some(Value::Object(config)) = map.get_mut("config")
                {
                    config.insert(CUSTOM.to_owned(), stored(entry, described));
                    map.insert("class_name".to_owned(), CUSTOM.into());
                    for key in ["module", "registered_name"] {
                        map.remove(key);
                    }
                }
                self.values(map, false);
            }
            _ => {}
        }
    }
}

/// The name of a serialized function.
fn function_name(value: &Value) -> Option<ClassName> {
    let object = super::Object::parse(value, |_, values| super::Config::new("", "", values))?;
    Some(object.class)
}

/// The class of a layer that is described.
fn custom() -> ClassName {
    ClassName {
        written: CUSTOM.to_owned(),
        origin: Origin::Keras,
    }
}

/// A description as it stands in the config of a layer, with the file that it is from.
fn stored(entry: &Entry, described: &Described) -> Value {
    json!({"file": entry.file, "name": entry.name, "definition": described.to_json()})
}

fn no_argument(entry: &Entry, argument: &str, values: &Map<String, Value>) -> Error {
    let known: Vec<&str> = values.keys().map(String::as_str).collect();
    let message = format!("its config has no {argument:?}, which the definition uses");
    let error = Error::inconsistent(message).in_field(entry.name.as_str());
    error
        .in_file(entry.file.as_str())
        .help(format!("it has {known:?}"))
}
