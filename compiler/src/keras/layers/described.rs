//! Layers of the user's, whose work is described in the place of their Python code: see `keras::customs`.

use super::context::{Cx, Outcome, Stop};
use super::lambda::{COST, Owned, Place, Value, evaluate, of_argument, tensors};
use super::{count_of, fixed_of, known, last};
use crate::budget::Resource;
use crate::error::{Error, ErrorKind};
use crate::keras::config::Config;
use crate::keras::customs::{CONFIG, Definition, Described};
use crate::keras::model::Weight;
use crate::keras::object::Object;
use crate::text::{NAME, brief};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, HashSet};

/// The class of such a layer, and the key of its config under which its description stands.
pub const CUSTOM: &str = "__custom__";

/// A description with where it comes from.
struct Found {
    file: String,
    name: String,
    described: Described,
}

impl Found {
    fn of(config: &Config) -> Result<Self, Error> {
        let missing = || Error::internal("a layer of the user's without its description");
        let map = config.values().get(CUSTOM).and_then(Json::as_object);
        let map = map.ok_or_else(missing)?;
        let text = |key: &str| map.get(key).and_then(Json::as_str).map(str::to_owned);
        let definition = map.get("definition").ok_or_else(missing)?;
        match Definition::read(definition, &mut Vec::new()) {
            Some(Definition::Layer(described)) => Ok(Self {
                file: text("file").unwrap_or_default(),
                name: text("name").unwrap_or_default(),
                described,
            }),
            _ => Err(missing()),
        }
    }
    /// An error in the description.
    fn error(&self, cx: &Cx<'_>, field: &str, message: String) -> Stop {
        let error = cx.site.config.error(ErrorKind::Inconsistent(message));
        let field = format!("{}: {field}", self.name);
        let error = error.in_field(field).in_file(self.file.as_str());
        error
            .help("change the definition so that it fits the layer")
            .into()
    }
    /// The layers inside.
    fn layers(&self, cx: &Cx<'_>) -> Result<Vec<(String, Object)>, Stop> {
        let arguments = cx.site.config.values();
        let object = |name: &str| {
            let filled = self.described.layer(name, arguments)?;
            Object::parse(&filled, |class, values| cx.site.config.inner(name, class, values))
        };
        let found = self.described.layers.iter().map(|(name, _)| match object(name) {
            Some(object) => Ok((name.clone(), object)),
            None => Err(self.error(cx, "layers", format!("{name:?} is no layer"))),
        });
        found.collect()
    }
}

/// How many weights a layer of the user's has.
pub fn weights(config: &Config) -> usize {
    let Ok(found) = Found::of(config) else { return 0 };
    let inside = |(name, _): &(String, Json)| {
        let filled = found.described.layer(name, config.values())?;
        let object = Object::parse(&filled, |class, values| config.inner(name, class, values))?;
        Some(count_of(&object))
    };
    let inside = found.described.layers.iter().filter_map(inside).sum::<usize>();
    found.described.weights.len() + inside
}

/// A layer of the user's.
pub fn described(cx: &mut Cx<'_>) -> Outcome {
    let memory = cx.site.config.memory();
    cx.state.budget.take(Resource::Arguments, COST * memory)?;
    let found = Found::of(cx.site.config)?;
    let function = found.described.function();
    let function = function.map_err(|message| found.error(cx, "call", message))?;
    let mut named = inputs(cx, &found)?;
    let own = shared_out(cx, &found)?.own;
    for (name, weight) in found.described.weights.iter().zip(own) {
        let tensor = cx.site.weights.get(weight).map(|weight| weight.tensor.clone());
        let tensor = tensor.ok_or_else(|| Error::internal("a weight was lost"))?;
        named.push((name.clone(), Value::tensor(cx.constant(name, 0, || Ok(tensor))?)));
    }
    let layers = found.described.layers.iter();
    named.extend(layers.map(|(name, _)| (name.clone(), Value::Layer(name.clone()))));
    named.push((CONFIG.to_owned(), arguments(cx.site.config)));
    let calls = cx.state.called(&cx.site.path);
    let place = Place {
        path: format!("{}/call_{calls}", cx.site.path),
        own: false,
    };
    let result = evaluate(cx, &place, &function, Vec::new(), named)?;
    let mut values = tensors(cx, &result)?;
    // Masks that layers inside have given their results stay.
    if values.iter().any(|value| value.mask.is_none()) {
        let mask = mask(cx, &found)?;
        values
            .iter_mut()
            .for_each(|value| value.mask = value.mask.or(mask));
    }
    Ok(values)
}

/// The arguments of the layer as a dict; what no expression holds stays out of it.
fn arguments(config: &Config) -> Value {
    let values = config.values().iter().filter(|(key, _)| *key != CUSTOM);
    Value::Dict(
        values
            .filter_map(|(key, value)| Some((key.clone(), Value::of_json(value)?)))
            .collect(),
    )
}

/// What the layer is called with, by the names of its inputs.
fn inputs(cx: &mut Cx<'_>, found: &Found) -> Result<Vec<(String, Value)>, Stop> {
    let mut named = Vec::new();
    let mut open = Vec::new();
    for name in &found.described.inputs {
        match cx.kwarg(name).as_ref().map(of_argument) {
            Some(Some(value)) => named.push((name.clone(), value)),
            _ => open.push(name.clone()),
        }
    }
    let mut given = Vec::new();
    while let Some(argument) = cx.arg(given.len()) {
        let value = of_argument(argument);
        given.push(value.ok_or_else(|| cx.inconsistent("it is called with what is no tensor"))?);
    }
    // Several tensors may come in one list.
    if let ([Value::List(items)], true) = (&given[..], open.len() > 1) {
        given = items.clone();
    }
    if given.len() != open.len() {
        let message = format!(
            "it is called with {} tensors, and has the inputs {open:?}",
            given.len()
        );
        return Err(found.error(cx, "inputs", message));
    }
    named.extend(open.into_iter().zip(given));
    Ok(named)
}

/// The mask of what it gives.
fn mask(cx: &mut Cx<'_>, found: &Found) -> Result<Option<crate::graph::NodeId>, Stop> {
    let Some(mask) = cx.mask()? else { return Ok(None) };
    match found.described.mask {
        Some(pass) => Ok(pass.then_some(mask)),
        None => {
            let message =
                "its input has a mask: say \"pass\" if the mask goes on to the next layers, or \"end\"";
            Err(found.error(cx, "mask", message.to_owned()))
        }
    }
}

/// Places of weights among those of the layer.
#[derive(Default)]
struct Shares {
    own: Vec<usize>,
    /// Those of each layer inside, in order.
    inside: Vec<Vec<usize>>,
}

/// Which weight belongs to what.
fn shared_out(cx: &Cx<'_>, found: &Found) -> Result<Shares, Stop> {
    let layers = found.layers(cx)?;
    let weights = cx.site.weights;
    let own = found.described.weights.len();
    let counts: Vec<usize> = layers.iter().map(|(_, object)| count_of(object)).collect();
    let all = own + counts.iter().sum::<usize>();
    if all != weights.len() {
        let names: Vec<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
        let message = format!(
            "the definition has {all} weights, and the file {}: {names:?}",
            weights.len()
        );
        return Err(found.error(cx, "weights", message));
    }
    let shares = if is_tree(weights) {
        by_attribute(&layers, weights)
    } else {
        by_prefix(weights, own, &counts).unwrap_or_else(|| in_order(own, &layers, &counts))
    };
    let fits = shares.own.len() == own && shares.inside.iter().map(Vec::len).eq(counts.iter().copied());
    if !fits {
        let names: Vec<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
        let message = format!("the layers inside do not have the weights that the file has: {names:?}");
        return Err(found.error(cx, "layers", message));
    }
    let own = by_name(cx, found, &shares.own)?;
    Ok(Shares { own, ..shares })
}

/// Whether they are numbered, as in a tree of attributes.
fn is_tree(weights: &[Weight]) -> bool {
    weights
        .iter()
        .all(|weight| weight.own_name().parse::<usize>().is_ok())
}

/// In a tree the names begin with the attribute that holds the layer.
fn by_attribute(layers: &[(String, Object)], weights: &[Weight]) -> Shares {
    let of = |attribute: &str| {
        let places = weights.iter().enumerate().filter(|(_, weight)| {
            let first = weight.name.split_once('/').map_or("", |(first, _)| first);
            first == attribute || first == format!("_{attribute}")
        });
        places.map(|(place, _)| place).collect()
    };
    let own = weights
        .iter()
        .enumerate()
        .filter(|(_, weight)| !weight.name.contains('/'));
    Shares {
        own: own.map(|(place, _)| place).collect(),
        inside: layers.iter().map(|(name, _)| of(name)).collect(),
    }
}

/// What stands before the last slash of a name.
fn prefix(weight: &Weight) -> &str {
    weight.name.rsplit_once('/').map_or("", |(before, _)| before)
}

/// In a `.h5` those of a layer share what stands before the last slash, the weights that training leaves alone too.
fn by_prefix(weights: &[Weight], own: usize, counts: &[usize]) -> Option<Shares> {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    for (place, weight) in weights.iter().enumerate() {
        let prefix = prefix(weight);
        match groups.iter_mut().find(|(of, _)| *of == prefix) {
            Some((_, places)) => places.push(place),
            None => groups.push((prefix, vec![place])),
        }
    }
    let mut shares = Shares::default();
    if own > 0 {
        let shortest =
            (0..groups.len()).min_by_key(|&at| groups.get(at).map_or(0, |(prefix, _)| prefix.len()))?;
        shares.own = groups.remove(shortest).1;
    }
    let mut groups = groups.into_iter();
    for &count in counts {
        let places = if count == 0 { Vec::new() } else { groups.next()?.1 };
        shares.inside.push(places);
    }
    let fits = shares.own.len() == own && shares.inside.iter().map(Vec::len).eq(counts.iter().copied());
    (fits && groups.next().is_none()).then_some(shares)
}

/// Without names: those that are trained, each layer's after its own, and behind them the others.
fn in_order(own: usize, layers: &[(String, Object)], counts: &[usize]) -> Shares {
    let fixed: Vec<usize> = layers
        .iter()
        .zip(counts)
        .map(|((_, object), &count)| fixed_of(known(&object.class), &object.config, count))
        .collect();
    let mut next = 0..;
    let mut shares = Shares {
        own: next.by_ref().take(own).collect(),
        inside: vec![Vec::new(); counts.len()],
    };
    for trained in [true, false] {
        for ((share, &count), &fixed) in shares.inside.iter_mut().zip(counts).zip(&fixed) {
            let some = if trained {
                count - fixed.min(count)
            } else {
                fixed.min(count)
            };
            share.extend(next.by_ref().take(some));
        }
    }
    shares
}

/// Its own weights in the order of the definition: by their names, where the file has such.
fn by_name(cx: &Cx<'_>, found: &Found, places: &[usize]) -> Result<Vec<usize>, Stop> {
    let names: Vec<&str> = places
        .iter()
        .filter_map(|&place| cx.site.weights.get(place))
        .map(Weight::own_name)
        .collect();
    let distinct: HashSet<&str> = names.iter().copied().collect();
    let numbered = names.iter().all(|name| name.parse::<usize>().is_ok());
    if numbered || distinct.len() < names.len() {
        return Ok(places.to_vec());
    }
    let by_name: BTreeMap<&str, usize> = names.iter().copied().zip(places.iter().copied()).collect();
    let place = |name: &String| {
        by_name.get(name.as_str()).copied().ok_or_else(|| {
            let message = format!("the file has no weight {:?}; it has {names:?}", brief(name, NAME));
            found.error(cx, "weights", message)
        })
    };
    found.described.weights.iter().map(place).collect()
}

/// Calls a layer inside.
pub fn call(cx: &mut Cx<'_>, name: &str, given: &[Value]) -> Result<Vec<super::KerasTensor>, Stop> {
    // The description is read anew.
    let memory = cx.site.config.memory();
    cx.state.budget.take(Resource::Arguments, COST * memory)?;
    let found = Found::of(cx.site.config)?;
    let layers = found.layers(cx)?;
    let shares = shared_out(cx, &found)?;
    let place = layers.iter().position(|(of, _)| of == name);
    let parts = place.and_then(|place| Some((layers.get(place)?, shares.inside.get(place)?)));
    let ((_, object), places) = parts.ok_or_else(|| Error::internal("a layer inside was lost"))?;
    let weights = places
        .iter()
        .filter_map(|&place| cx.site.weights.get(place).cloned());
    let weights: Vec<Weight> = weights.collect();
    let owned: Option<Vec<Owned>> = given.iter().map(Owned::of).collect();
    let owned = owned.ok_or_else(|| found.error(cx, "call", format!("{name} is called with no tensor")))?;
    let args = owned.iter().map(Owned::arg).collect();
    super::inner(cx, object, name, &weights, args)
}

/// What a definition of a layer may look like, for a message: its inputs, weights and arguments as the file has them.
pub fn example(class: &str, inputs: usize, weights: &[Weight]) -> String {
    let letters: Vec<String> = match inputs {
        0 | 1 => vec!["x".to_owned()],
        more => (1..=more).map(|number| format!("x{number}")).collect(),
    };
    let prefixes = weights.iter().map(prefix);
    let shortest = prefixes.min_by_key(|prefix| prefix.len()).unwrap_or_default();
    let mut layers: Vec<Json> = Vec::new();
    let mut own: Vec<String> = Vec::new();
    for (place, weight) in weights.iter().enumerate() {
        let (of, name) = (prefix(weight), weight.own_name());
        if of != shortest {
            // The attribute that holds a layer is not known from a `.h5`, and its name there need not be one of Python.
            let name: String = last(of)
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                .collect();
            let layer = serde_json::json!({"name": name, "class_name": "Dense", "config": {}});
            if !layers.contains(&layer) {
                layers.push(layer);
            }
        } else if name.parse::<usize>().is_ok() || own.iter().any(|known| known == name) {
            own.push(format!("w{place}"));
        } else {
            own.push(name.to_owned());
        }
    }
    let mut entries = Map::new();
    entries.insert("inputs".to_owned(), letters.clone().into());
    let factors = letters.iter().chain(&own).cloned().collect::<Vec<_>>();
    entries.insert("call".to_owned(), factors.join(" * ").into());
    if !own.is_empty() {
        entries.insert("weights".to_owned(), own.into());
    }
    if !layers.is_empty() {
        entries.insert("layers".to_owned(), layers.into());
    }
    serde_json::json!({class: entries}).to_string()
}
