//! How far the results of encoded weights are from those of the original ones.

use super::npz::{self, Array};
use crate::error::{Error, Result};
use crate::graph::{Graph, index_ranges};
use crate::tensor::{DType, Data, Tensor, TensorType};
use std::collections::BTreeMap;
use std::path::Path;

/// Most predictions from noise.
const NOISE: u64 = 8;

/// So much work in all predictions is done without being asked for, in about a second.
const UNASKED: u64 = 50_000_000;

/// What the reference evaluation of an element takes, in operations of products, for each step of its function and one more.
const ELEMENT: u64 = 10;

/// What the two networks give for one output.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The output.
    pub name: String,
    /// The largest distance between two results.
    pub largest: f64,
    /// The mean of distances.
    pub mean: f64,
    /// The cosine of the angle between all results as vectors.
    pub cosine: f64,
    /// Of how many rows of the last axis both have their largest result in one place, and how many there are; 0 where rows have one.
    pub agreeing: [usize; 2],
}

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
    pub fn read(path: &Path, graph: &Graph, states: &[usize]) -> Result<Self> {
        let shown = path.display().to_string();
        let inputs: Vec<(&str, &TensorType)> = inputs(graph).collect();
        let passed = || (0..inputs.len()).filter(|i| !states.contains(i));
        let arrays = npz::read(path, |name| passed().any(|i| inputs[i].0 == name))?;
        let wrong = |what: String| Error::malformed(what).in_file(&shown);
        let mut count = None;
        for (name, ty) in passed().map(|i| inputs[i]) {
            let Some(Array { shape, data }) = arrays.get(name) else {
                return Err(wrong(format!("has no array {name:?}")).help("name its arrays as the inputs"));
            };
            let wanted = ty.shape.dims();
            let rows = shape.first().copied().unwrap_or(0);
            let batch = wanted.first().copied().unwrap_or(1);
            if shape.get(1..) != wanted.get(1..) || rows == 0 || !rows.is_multiple_of(batch) {
                return Err(wrong(format!(
                    "array {name:?} has shape {shape:?}, which is no multiple of {wanted:?}"
                )));
            }
            let own = data.len() / ty.shape.count();
            if *count.get_or_insert(own) != own {
                return Err(wrong(format!(
                    "array {name:?} is for {own} predictions, another one is not"
                )));
            }
        }
        let tensor = |i: usize, number: usize| {
            let (name, ty) = inputs[i];
            let count = ty.shape.count();
            match arrays.get(name).filter(|_| !states.contains(&i)) {
                Some(array) => tensor(ty, array.data[number * count..][..count].to_vec()),
                None => tensor(ty, vec![0.0; count]),
            }
        };
        let prediction = |number| {
            (0..inputs.len())
                .map(|i| tensor(i, number))
                .collect::<Result<_>>()
        };
        let predictions = (0..count.unwrap_or(1)).map(prediction).collect::<Result<_>>()?;
        Ok(Self { predictions })
    }

    /// Noise from -1 to 1, or of integers in the range that an input may have; none where the network is so large that this would
    /// take long.
    ///
    /// # Errors
    /// Never, since shapes are the graph's own.
    pub fn noise(graph: &Graph, states: &[usize]) -> Result<Option<Self>> {
        let count = (UNASKED / work(graph).max(1)).min(NOISE);
        if count == 0 {
            return Ok(None);
        }
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
        Ok(Some(Self { predictions }))
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
fn work(graph: &Graph) -> u64 {
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

/// Evaluates both graphs and compares what they give; `before` is called before each prediction and may end it all.
///
/// # Errors
/// That of `before`, or when a graph cannot be evaluated.
pub fn compare(
    original: &Graph,
    encoded: &Graph,
    samples: &Samples,
    before: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<Difference>> {
    let mut sums: BTreeMap<usize, Sums> = BTreeMap::new();
    for inputs in &samples.predictions {
        before()?;
        let expected = original.eval(inputs)?;
        before()?;
        let found = encoded.eval(inputs)?;
        for (i, (expected, found)) in expected.iter().zip(&found).enumerate() {
            let row = expected.shape().dims().last().copied().unwrap_or(1);
            sums.entry(i)
                .or_default()
                .add(&expected.to_f32(), &found.to_f32(), row);
        }
    }
    let outputs = original.outputs().iter().enumerate();
    let of = |(i, output): (usize, &crate::graph::Output)| Some(sums.get(&i)?.difference(&output.name));
    Ok(outputs.filter_map(of).collect())
}

#[derive(Default)]
struct Sums {
    count: usize,
    largest: f64,
    distances: f64,
    products: [f64; 3],
    agreeing: [usize; 2],
}

impl Sums {
    fn add(&mut self, expected: &[f32], found: &[f32], row: usize) {
        for (&a, &b) in expected.iter().zip(found) {
            // Two that are equal have no distance, infinities too.
            let distance = if a == b {
                0.0
            } else {
                (f64::from(a) - f64::from(b)).abs()
            };
            self.largest = if distance > self.largest || distance.is_nan() {
                distance
            } else {
                self.largest
            };
            self.distances += distance;
            let [a, b] = [f64::from(a), f64::from(b)];
            let products = [a * b, a * a, b * b];
            self.products
                .iter_mut()
                .zip(products)
                .for_each(|(sum, product)| *sum += product);
            self.count += 1;
        }
        if row > 1 {
            let first = |row: &[f32]| (0..row.len()).rev().max_by(|&i, &j| row[i].total_cmp(&row[j]));
            for (a, b) in expected.chunks(row).zip(found.chunks(row)) {
                self.agreeing[0] += usize::from(first(a) == first(b));
                self.agreeing[1] += 1;
            }
        }
    }

    fn difference(&self, name: &str) -> Difference {
        let [both, a, b] = self.products;
        Difference {
            name: name.to_owned(),
            largest: self.largest,
            mean: self.distances / self.count.max(1) as f64,
            // Of two vectors of zeros, too.
            cosine: if a == 0.0 && b == 0.0 {
                1.0
            } else {
                both / (a * b).sqrt()
            },
            agreeing: self.agreeing,
        }
    }
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

    #[test]
    fn distances_angles_and_places() {
        let mut sums = Sums::default();
        sums.add(&[1.0, 0.0, 0.0, 2.0], &[1.0, 0.5, 3.0, 2.0], 2);
        let found = sums.difference("y");
        assert_eq!([found.largest, found.mean], [3.0, 0.875]);
        assert_eq!(found.agreeing, [1, 2]);
        assert!((found.cosine - 5.0 / (5.0_f64 * 14.25).sqrt()).abs() < 1e-12);
        assert_eq!(Sums::default().difference("y").cosine, 1.0);
    }
}
