//! How far the results of encoded weights are from those of the original ones.

use super::found::walk;
use crate::arrays::{self, Difference, Port, Rows};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId, index_ranges};
use crate::tensor::{DType, Data, Encoding, Tensor, TensorType};
use std::collections::BTreeMap;
use std::path::Path;

/// Most predictions from noise.
const NOISE: u64 = 8;

/// So much work in all predictions is done without being asked for, in about a second.
const UNASKED: u64 = 1_000_000_000;

/// What the reference evaluation of an element takes, in operations of products, for each step of its function and one more.
const ELEMENT: u64 = 10;

/// The values of a network's inputs in one prediction after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    predictions: Vec<Vec<Tensor>>,
}

impl Samples {
    /// Of a `.npz` file with an array for each input, by its name, of as many rows as whole predictions take. Inputs in `states`, by
    /// their number, are zero.
    ///
    /// # Errors
    /// When the file cannot be read, lacks an input, or its arrays do not fit.
    pub fn read<'a>(path: &Path, graph: &'a Graph, states: &[usize]) -> Result<Self> {
        let inputs: Vec<(&'a str, &'a TensorType)> = inputs(graph).collect();
        let passed = inputs.iter().enumerate().filter(|(i, _)| !states.contains(i));
        let port = |(_, &(name, ty)): (usize, &(&'a str, &'a TensorType))| Port {
            name,
            shape: ty.shape.dims(),
            integers: (ty.dtype == DType::I32).then_some([i32::MIN.into(), i32::MAX.into()]),
        };
        let ports: Vec<_> = passed.map(port).collect();
        let Rows { arrays, predictions } = arrays::rows(path, &ports, "input")?;
        let tensor = |i: usize, number: usize| {
            let (name, ty) = inputs[i];
            let count = ty.shape.count();
            match arrays.get(name).filter(|_| !states.contains(&i)) {
                Some(array) => {
                    let own = &array.data[number * count..][..count];
                    tensor(ty, own.iter().map(|&value| value as f32).collect())
                }
                None => tensor(ty, vec![0.0; count]),
            }
        };
        let prediction = |number| {
            (0..inputs.len())
                .map(|i| tensor(i, number))
                .collect::<Result<_>>()
        };
        let predictions = (0..predictions).map(prediction).collect::<Result<_>>()?;
        Ok(Self { predictions })
    }

    /// Noise from -1 to 1, or of integers in the range that an input may have; none where the network is so large that this would
    /// take long.
    ///
    /// # Errors
    /// Never, since shapes are the graph's own.
    pub fn noise(graph: &Graph, states: &[usize]) -> Result<Option<Self>> {
        match (UNASKED / work(graph).max(1)).min(NOISE) {
            0 => Ok(None),
            count => Self::some_noise(graph, states, count).map(Some),
        }
    }

    /// The same where it is asked for: at least one prediction.
    ///
    /// # Errors
    /// Never, since shapes are the graph's own.
    pub fn asked_noise(graph: &Graph, states: &[usize]) -> Result<Self> {
        let count = (UNASKED / work(graph).max(1)).clamp(1, NOISE);
        Self::some_noise(graph, states, count)
    }

    fn some_noise(graph: &Graph, states: &[usize], count: u64) -> Result<Self> {
        let ranges = index_ranges(graph);
        let mut state = 0_u64;
        let prediction = |_| {
            let all = inputs(graph).enumerate();
            let all = all.map(|(i, (_, ty))| {
                let mut number = || {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let share = (state >> 40) as f32 / (1 << 24) as f32;
                    match ranges.get(i).copied().flatten() {
                        _ if states.contains(&i) => 0.0,
                        Some(range) => {
                            (range.first as f32 + share * (range.end - range.first) as f32).floor()
                        }
                        None if ty.dtype == DType::I32 => (2.0 * share).floor(),
                        None => 2.0 * share - 1.0,
                    }
                };
                let data = (0..ty.shape.count()).map(|_| number()).collect();
                tensor(ty, data)
            });
            all.collect::<Result<_>>()
        };
        let predictions = (0..count).map(prediction).collect::<Result<_>>()?;
        Ok(Self { predictions })
    }

    /// Each prediction's inputs.
    pub(super) fn predictions(&self) -> &[Vec<Tensor>] {
        &self.predictions
    }

    /// The same noise with channels of pictures, from 0 to 255, in some of the inputs.
    ///
    /// # Errors
    /// Never, since shapes stay.
    pub fn with_pictures(mut self, inputs: &[usize]) -> Result<Self> {
        for values in &mut self.predictions {
            for &input in inputs {
                let Some(value) = values.get_mut(input) else {
                    continue;
                };
                let data = value
                    .to_f32()
                    .iter()
                    .map(|v| ((v + 1.0) * 127.5).round())
                    .collect();
                *value = tensor(&value.ty(), data)?;
            }
        }
        Ok(self)
    }

    /// How many predictions there are.
    pub fn len(&self) -> usize {
        self.predictions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.predictions.is_empty()
    }
}

/// What a prediction takes, in operations of products.
pub(super) fn work(graph: &Graph) -> u64 {
    let of_node = |id| {
        let elements = graph.node(id).types.iter().map(|ty| ty.shape.count() as u64);
        let each = ELEMENT * (1 + graph.op(id).scalar_instructions() as u64);
        let inner = graph.op(id).as_scan();
        let inner = inner.map_or(0, |scan| work(&scan.body).saturating_mul(scan.steps as u64));
        elements.sum::<u64>().saturating_mul(each).saturating_add(inner)
    };
    let nodes = graph
        .order()
        .into_iter()
        .filter(|&id| graph.constant(id).is_none());
    nodes.map(of_node).fold(graph.flops(), u64::saturating_add)
}

fn inputs(graph: &Graph) -> impl Iterator<Item = (&str, &TensorType)> {
    let ids = graph.inputs().iter();
    ids.map(|&id| (graph.node(id).input_name(), graph.ty(id)))
}

fn tensor(ty: &TensorType, data: Vec<f32>) -> Result<Tensor> {
    let data = match ty.dtype {
        DType::F32 => Data::F32(data.into()),
        DType::I32 => Data::I32(data.iter().map(|&v| v as i32).collect()),
    };
    Tensor::new(ty.shape.clone(), data)
}

/// How far results are off, and what the layers add to that.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Each output.
    pub outputs: Vec<Difference>,
    /// All weights with an encoding, in the order of the network.
    pub layers: Vec<LayerError>,
}

/// How much of what weights are, and of what is computed with them, is not noise.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerError {
    /// The layer.
    pub layer: String,
    /// Of its weights.
    pub encoding: Encoding,
    /// How many numbers.
    pub elements: usize,
    /// Ratio of signal to noise of the weights, in decibels; infinite where there is no noise.
    pub weights: f64,
    /// That of what is computed with them, of which some noise comes from layers before.
    pub results: Option<f64>,
}

/// Energies of a signal and of noise.
#[derive(Default, Clone, Copy)]
struct Energies([f64; 2]);

impl Energies {
    fn add(&mut self, original: &[f32], noisy: &[f32]) {
        for (&a, &b) in original.iter().zip(noisy) {
            let (a, b) = (f64::from(a), f64::from(b));
            self.0[0] += a * a;
            self.0[1] += (a - b) * (a - b);
        }
    }

    fn decibels(self) -> f64 {
        10.0 * (self.0[0] / self.0[1]).log10()
    }
}

/// Evaluates both graphs on samples, if there are any, and compares what they give; `before` is called before each prediction and may
/// end it all.
///
/// # Errors
/// That of `before`, or when a graph cannot be evaluated.
pub fn compare(
    original: &Graph,
    encoded: &Graph,
    samples: Option<&Samples>,
    before: &mut dyn FnMut() -> Result<()>,
) -> Result<Comparison> {
    let (mut layers, users) = layers(original, encoded)?;
    let mut outputs = differences(original);
    let mut energies: BTreeMap<NodeId, Energies> = BTreeMap::new();
    for inputs in samples.iter().flat_map(|samples| &samples.predictions) {
        before()?;
        let mut results: BTreeMap<NodeId, Tensor> = BTreeMap::new();
        let expected = original.eval_seen(inputs, &mut |id, _, found| {
            if let Some(first) = found.first().filter(|_| users.contains(&id)) {
                results.insert(id, first.clone());
            }
            Ok(())
        })?;
        before()?;
        let found = encoded.eval_seen(inputs, &mut |id, _, found| {
            if let (Some(before), Some(first)) = (results.remove(&id), found.first()) {
                energies
                    .entry(id)
                    .or_default()
                    .add(&before.to_f32(), &first.to_f32());
            }
            Ok(())
        })?;
        add(&mut outputs, &expected, &found);
    }
    for (layer, user) in layers.iter_mut().zip(&users) {
        layer.results = energies.get(user).map(|energies| energies.decibels());
    }
    if samples.is_none() {
        outputs.clear();
    }
    Ok(Comparison { outputs, layers })
}

/// For each output, that nothing is known yet.
pub(super) fn differences(graph: &Graph) -> Vec<Difference> {
    let outputs = graph.outputs().iter();
    outputs.map(|output| Difference::of(&output.name)).collect()
}

/// Adds a prediction to what is known of each output.
pub(super) fn add(differences: &mut [Difference], expected: &[Tensor], found: &[Tensor]) {
    for ((expected, found), difference) in expected.iter().zip(found).zip(differences) {
        let row = expected.shape().dims().last().copied().unwrap_or(1);
        difference.add(&wide(expected), &wide(found), row);
    }
}

/// All weights with an encoding, and for each the node of the whole graph that computes with them.
fn layers(original: &Graph, encoded: &Graph) -> Result<(Vec<LayerError>, Vec<NodeId>)> {
    let mut before = Vec::new();
    walk(original, &mut |graph, weights, _| {
        before.push(graph.constant(weights.id).cloned());
        Ok(())
    })?;
    let mut before = before.into_iter();
    let (mut layers, mut users) = (Vec::new(), Vec::new());
    walk(encoded, &mut |graph, weights, user| {
        let (Some(Some(before)), Some(after)) = (before.next(), graph.constant(weights.id)) else {
            return Err(Error::internal("a graph has other weights than before"));
        };
        if let Some(encoded) = after.encoded() {
            let mut energies = Energies::default();
            energies.add(before.as_f32()?, after.as_f32()?);
            layers.push(LayerError {
                layer: weights.layer.clone(),
                encoding: encoded.encoding,
                elements: after.shape().count(),
                weights: energies.decibels(),
                results: None,
            });
            users.push(user);
        }
        Ok(())
    })?;
    Ok((layers, users))
}

fn wide(tensor: &Tensor) -> Vec<f64> {
    tensor.to_f32().iter().map(|&value| f64::from(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_of_pictures_is_bright() {
        let mut graph = Graph::new();
        let input = |name: &str| crate::ops::Input {
            name: name.to_owned(),
            ty: TensorType::f32([1, 50]),
        };
        for name in ["x", "picture"] {
            let node = graph.add(name, input(name), &[]).unwrap();
            graph.add_output(name, node);
        }
        let samples = Samples::noise(&graph, &[]).unwrap().unwrap();
        let samples = samples.with_pictures(&[1]).unwrap();
        let [x, picture] = &samples.predictions[0][..] else {
            panic!("two inputs")
        };
        assert!(x.to_f32().iter().all(|v| v.abs() <= 1.0));
        let picture = picture.to_f32();
        assert!(
            picture
                .iter()
                .all(|&v| (0.0..=255.0).contains(&v) && v.fract() == 0.0)
        );
        assert!(picture.iter().any(|&v| v > 200.0));
    }
}
