//! Serialized Python objects in all their dialects.

use super::class::{ClassName, Origin};
use super::config::Config;
use super::fields::Fields;
use super::layers::EXPRESSION;
use crate::error::Result;
use serde_json::{Map, Value};

/// An object inside a config, in whichever dialect it was written: a plain string,
/// `{"class_name", "config"}`, or Keras 3's with module and registered name.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The class, or the name of a function (`"relu"`).
    pub class: ClassName,
    /// Its arguments; empty for a function.
    pub config: Config,
}

impl Object {
    /// Reads one; `None` when it is none. `config` wraps the arguments of a class.
    pub(super) fn parse(
        value: &Value,
        config: impl FnOnce(&str, Map<String, Value>) -> Config,
    ) -> Option<Self> {
        let map = match value {
            Value::String(name) => {
                let class = split_package(name);
                let config = config(&class.written, Map::new());
                return Some(Self { class, config });
            }
            Value::Object(map) => map,
            _ => return None,
        };
        let class = class_of(map)?;
        let config = match map.get("config") {
            // A function: `{"class_name": "function", "config": "relu", …}`.
            Some(Value::String(name)) => {
                let mut function = split_package(name);
                if function.origin == Origin::Keras {
                    function.origin = class.origin;
                }
                let config = config(&function.written, Map::new());
                return Some(Self {
                    class: function,
                    config,
                });
            }
            Some(Value::Object(inner)) => config(&class.written, inner.clone()),
            None | Some(Value::Null) => config(&class.written, Map::new()),
            Some(_) => return None,
        };
        Some(Self { class, config })
    }
}

impl Fields<'_> {
    /// A serialized object; `None` when absent or null.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn object(&self, key: &str) -> Result<Option<Object>> {
        self.parse_opt(key, |value| self.object_of(key, value))
    }
    /// Serialized objects in a list.
    ///
    /// # Errors
    /// When the key is absent or holds anything else.
    pub fn objects(&self, key: &str) -> Result<Vec<Object>> {
        self.parse(key, |value| {
            let items = value.as_array()?.iter();
            items.map(|item| self.object_of(key, item)).collect()
        })
    }
    /// The object that a value under `key` is, in the dialect of this config.
    fn object_of(&self, key: &str, value: &Value) -> Option<Object> {
        let config = self.config();
        let mut object = Object::parse(value, |class, values| config.inner(key, class, values))?;
        if config.keras1().is_some() {
            object.class = object.class.of_keras1();
        }
        Some(object)
    }
}

impl ClassName {
    /// The class as a file of Keras 1 means it.
    pub(super) fn of_keras1(self) -> Self {
        match self.origin {
            Origin::Keras => Self {
                origin: Origin::Keras1,
                ..self
            },
            _ => self,
        }
    }
}

/// Whether a value is a Python function in byte code, in one of the ways that Keras has written it: the code with
/// its defaults and closure in a list, alone, under `value`, or in an object of class `__lambda__`; or as the user gives it, as an expression.
pub(super) fn is_lambda(value: &Value) -> bool {
    match value {
        Value::Array(items) => matches!(items.as_slice(), [Value::String(_), _, _]),
        Value::Object(map) => match map.get("class_name").and_then(Value::as_str) {
            Some(class) => class == "__lambda__" || class == EXPRESSION,
            None => map.get("value").is_some_and(is_lambda),
        },
        _ => false,
    }
}

/// The class of a serialized object; `None` without a class name.
pub(super) fn class_of(map: &Map<String, Value>) -> Option<ClassName> {
    let ClassName {
        written,
        origin: package,
    } = split_package(map.get("class_name")?.as_str()?);
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    let origin = match (text("module"), text("registered_name")) {
        (Some(module), _) if is_operations(module) => Origin::Operation,
        (Some(module), _) if is_keras(module) => package,
        // Functions of the user and classes that are registered without a package.
        (Some(module), name) => match split_package(name.unwrap_or_default()).origin {
            Origin::Keras => Origin::Custom(module.to_owned()),
            packed => packed,
        },
        (None, _) => package,
    };
    Some(ClassName { written, origin })
}

/// `Package>Class` as Keras registers custom classes.
fn split_package(name: &str) -> ClassName {
    let (written, origin) = match name.split_once('>') {
        Some((package, class)) => (class, Origin::Custom(package.to_owned())),
        None => (name, Origin::Keras),
    };
    ClassName {
        written: written.to_owned(),
        origin,
    }
}

fn is_keras(module: &str) -> bool {
    let roots = ["keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras"];
    let under = |root: &&str| {
        module
            .strip_prefix(*root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    roots.iter().any(under)
}

fn is_operations(module: &str) -> bool {
    is_keras(module) && module.split('.').any(|part| part == "ops")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> (String, Origin) {
        let object = Object::parse(&value, |_, values| Config::new("", "", values)).unwrap();
        (object.class.written, object.class.origin)
    }

    #[test]
    fn lambdas() {
        let code = json!(["4wEAAAA=", null, null]);
        assert!(is_lambda(&code) && is_lambda(&json!({"value": code})));
        assert!(is_lambda(
            &json!({"class_name": "__lambda__", "config": {"value": {"code": "4wEAAAA="}}})
        ));
        assert!(!is_lambda(&json!("relu")) && !is_lambda(&json!({"class_name": "ReLU", "config": {}})));
    }

    #[test]
    fn every_dialect() {
        let keras = |class: &str| (class.to_owned(), Origin::Keras);
        let custom = |class: &str, package: &str| (class.to_owned(), Origin::Custom(package.to_owned()));
        assert_eq!(parse(json!("relu")), keras("relu"));
        assert_eq!(parse(json!("Mine>swish")), custom("swish", "Mine"));
        assert_eq!(
            parse(json!({"class_name": "LeakyReLU", "config": {"alpha": 0.1}})),
            keras("LeakyReLU")
        );
        assert_eq!(
            parse(
                json!({"module": "keras.layers", "class_name": "Dense", "config": {}, "registered_name": null})
            ),
            keras("Dense")
        );
        assert_eq!(
            parse(json!({"module": "keras.src.ops.numpy", "class_name": "Add", "config": {}})),
            ("Add".to_owned(), Origin::Operation)
        );
        assert_eq!(
            parse(
                json!({"module": "keras_hub.layers", "class_name": "L", "config": {}, "registered_name": "hub>L"})
            ),
            custom("L", "hub")
        );
        assert_eq!(
            parse(
                json!({"module": "builtins", "class_name": "function", "config": "f", "registered_name": "f"})
            ),
            custom("f", "builtins")
        );
        assert_eq!(
            parse(json!({"module": "keras.activations", "class_name": "function", "config": "gelu"})),
            keras("gelu")
        );
    }
}
