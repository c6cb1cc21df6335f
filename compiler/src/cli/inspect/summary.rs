//! The layers of a model, as `model.summary()` prints them, and whether they are supported.

use super::super::print;
use super::unsupported;
use keras_compile::Source;
use keras_compile::error::{Error, Errors};
use keras_compile::keras::{self, KerasModel, Layer, LayerId, Network, Semantics, layers};
use keras_compile::report::{Align, Table, bytes, grouped};
use keras_compile::tensor::Shape;
use keras_compile::text::{NAME, brief};
use std::collections::HashMap;

/// Prints the layers; layers that are not supported are errors, after the table.
pub fn model(source: &Source) -> Result<(), Errors> {
    let model = source.read()?;
    let file = source.model.display().to_string();
    let (shapes, errors) = match keras::lower(&model, &source.input_shapes) {
        Ok(lowered) => (lowered.shapes, None),
        Err(errors) => (HashMap::new(), Some(errors.map(|error| error.in_file(&file)))),
    };
    let mut rows = Rows::new(shapes, errors.as_ref());
    rows.network(&model.root, "", true);
    let version = saved_by(&model);
    let mut text = format!(
        "model {}, saved by Keras {}\n\n",
        quoted(&brief(&model.name, NAME)),
        brief(&version, NAME)
    );
    text += &rows.table.to_string();
    text += &totals(&model);
    for note in &model.notes {
        text += &format!("note: {}\n", note);
    }
    for port in &model.root.inputs {
        if let Some((family, image)) = keras::pictures::proposal(&model, &port.name) {
            let name = quoted(&brief(&port.name, NAME));
            text += &format!("note: input {name} is that of {family}: pictures go in with --image {image}\n");
        }
    }
    print(&text)?;
    errors.map_or(Ok(()), Err)
}

/// The version of Keras that a model is of, as its file tells it.
pub(super) fn saved_by(model: &KerasModel) -> &str {
    let semantics = match model.version.semantics {
        Semantics::Keras1 => "1",
        Semantics::Keras2 => "2",
        Semantics::Keras3 => "3",
    };
    model.version.text.as_deref().unwrap_or(semantics)
}

/// Names as messages show them.
fn quoted(name: &str) -> String {
    format!("{name:?}")
}

/// Fills the table.
struct Rows<'a> {
    table: Table,
    /// Of what each layer gives, by its path. Empty when there are errors.
    shapes: HashMap<String, Vec<Shape>>,
    errors: Option<&'a Errors>,
}

impl<'a> Rows<'a> {
    fn new(shapes: HashMap<String, Vec<Shape>>, errors: Option<&'a Errors>) -> Self {
        let table = Table::new(&[
            ("layer (type)", Align::Left),
            ("output shape", Align::Left),
            ("params", Align::Right),
            ("connected to", Align::Left),
            ("supported", Align::Left),
        ]);
        Self {
            table,
            shapes,
            errors,
        }
    }

    /// Adds the layers of a model, which an output needs or not.
    fn network(&mut self, network: &Network, indent: &str, needed: bool) {
        for (id, layer) in network.iter() {
            let needed = needed && network.uses(id);
            let supported = match self.errors.and_then(|errors| unsupported(errors, &layer.path)) {
                Some(error) => format!("no: {}", reason(error)),
                None if needed => "yes".to_owned(),
                None => "not needed".to_owned(),
            };
            let shapes = self.shapes.get(&layer.path).map_or(&[][..], Vec::as_slice);
            let shapes: Vec<_> = shapes.iter().map(ToString::to_string).collect();
            self.table.row(vec![
                format!("{indent}{} ({})", layer.name, layer.written),
                shapes.join(", "),
                grouped(layer.parameters() as u64),
                connections(network, id).join(", "),
                supported,
            ]);
            if let Some(inner) = &layer.network {
                self.network(inner, &format!("{indent}  "), needed);
            }
        }
    }
}

/// What is wrong without the place, which the row shows already.
fn reason(error: &Error) -> String {
    match &error.place.field {
        Some(field) => format!("{field}: {}", error.kind),
        None => error.kind.to_string(),
    }
}

/// Names of the layers whose tensors a layer takes, over all its calls.
pub(super) fn connections(network: &Network, id: LayerId) -> Vec<&str> {
    let mut names = Vec::new();
    for call in &network.layer(id).calls {
        for tensor in call.tensors() {
            let name = network.layer(tensor.layer).name.as_str();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// The lines under the table.
fn totals(model: &KerasModel) -> String {
    let [total, fixed] = parameters(model);
    let line = |what: &str, count: usize| {
        format!(
            "{what} params: {} ({})\n",
            grouped(count as u64),
            bytes(count * 4)
        )
    };
    line("total", total) + &line("trainable", total - fixed) + &line("non-trainable", fixed)
}

/// Parameters of a model, and how many of them training leaves.
pub(super) fn parameters(model: &KerasModel) -> [usize; 2] {
    let total = model.root.layers.iter().map(Layer::parameters).sum();
    [total, non_trainable(&model.root.layers)]
}

/// Parameters that training leaves: of layers that were frozen, and the statistics of normalisations.
fn non_trainable<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> usize {
    let of = |layer: &Layer| {
        if layer.is_frozen() {
            return layer.parameters();
        }
        let fixed = layers::fixed_weights(layer, layer.weights.len());
        let last = layer.weights.iter().rev().take(fixed);
        let own: usize = last.map(|weight| weight.tensor.shape().count()).sum();
        own + non_trainable(&mut layer.inner() as &mut dyn Iterator<Item = &Layer>)
    };
    layers.into_iter().map(of).sum()
}
