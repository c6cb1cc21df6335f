//! The layer table as `model.summary()` prints it, for `keras-compile inspect`.

use super::model::{KerasModel, Layer, Network, TensorRef};

/// One row of the table: a layer. Its output shape is known only to who lowers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Path of the layer.
    pub path: String,
    /// Name of the layer.
    pub name: String,
    /// The class as the file names it.
    pub class: String,
    /// How many models this layer is inside of; 0 for the layers of the outermost.
    pub depth: usize,
    /// Number of elements of its weights; a nested model's are those of its layers.
    pub parameters: usize,
    /// What it is called with, as `layer[call][output]`, in the order of the calls.
    pub connected: Vec<String>,
}

/// The rows of a model, nested models followed by their layers.
pub fn rows(model: &KerasModel) -> Vec<Row> {
    let mut found = Vec::new();
    collect(&model.root, 0, &mut found);
    found
}

/// Number of elements of all weights.
pub fn parameters(model: &KerasModel) -> usize {
    model.root.layers.iter().map(Layer::parameters).sum()
}

fn collect(network: &Network, depth: usize, found: &mut Vec<Row>) {
    let shown = |tensor: TensorRef| {
        let layer = network.layers.get(tensor.layer.0);
        let name = layer.map_or("", |layer| layer.name.as_str());
        format!("{name}[{}][{}]", tensor.call, tensor.output)
    };
    for layer in &network.layers {
        let tensors = layer.calls.iter().flat_map(|call| call.tensors());
        found.push(Row {
            path: layer.path.clone(),
            name: layer.name.clone(),
            class: layer.written.clone(),
            depth,
            parameters: layer.parameters(),
            connected: tensors.map(shown).collect(),
        });
        if let Some(inner) = &layer.network {
            collect(inner, depth + 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keras::{Weight, from_architecture};
    use crate::tensor::Tensor;
    use serde_json::json;

    #[test]
    fn nested_models_follow_their_row() {
        let dense = |name: &str| json!({"class_name": "Dense", "config": {"name": name, "units": 2}});
        let inner = json!({"class_name": "Sequential", "config": {"name": "inner", "layers": [dense("b")]}});
        let layers = json!([dense("a"), inner]);
        let model = json!({"class_name": "Sequential", "config": {"name": "outer", "layers": layers}});
        let weights = |path: &str| match path {
            "a" | "inner/b" => vec![Weight {
                name: "kernel".into(),
                tensor: Tensor::splat([2, 2], 1.0),
            }],
            _ => Vec::new(),
        };
        let model = from_architecture(model, &mut { weights }).unwrap();
        let rows = rows(&model);
        let shown: Vec<_> = rows
            .iter()
            .map(|r| (r.depth, r.path.as_str(), r.parameters, r.connected.join(" ")))
            .collect();
        let row = |depth, path, parameters, from: &str| (depth, path, parameters, from.to_owned());
        assert_eq!(
            shown,
            [
                row(0, "a_input", 0, ""),
                row(0, "a", 4, "a_input[0][0]"),
                row(0, "inner", 4, "a[0][0]"),
                row(1, "inner/b_input", 0, ""),
                row(1, "inner/b", 4, "b_input[0][0]"),
            ]
        );
        assert_eq!(parameters(&model), 8);
    }
}
