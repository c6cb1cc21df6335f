//! The weights of a layer.

use super::context::Cx;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::NodeId;
use crate::ops::Input;
use crate::tensor::{Shape, Tensor, TensorType};

impl<'a> Cx<'a> {
    /// The weights of the layer, which are these in this order; `None` stands for one that its config does
    /// away with.
    pub fn weights<const N: usize>(
        &mut self,
        expected: [Option<(&'static str, Vec<usize>)>; N],
    ) -> Weights<'a> {
        self.weights_of(expected.into_iter().flatten().collect())
    }
    /// The same for a list whose length the config decides.
    pub fn weights_of(&mut self, expected: Vec<(&'static str, Vec<usize>)>) -> Weights<'a> {
        Weights::take(self, expected)
    }
}

/// The weights that a layer needs, as far as they are there. A problem is reported where they are taken; what
/// follows works with placeholders of the right shape, so that later layers are still checked.
pub struct Weights<'a> {
    parts: Vec<(&'static str, Shape, Option<&'a Tensor>)>,
}

impl<'a> Weights<'a> {
    fn take(cx: &mut Cx<'a>, expected: Vec<(&'static str, Vec<usize>)>) -> Self {
        let found = cx.site.weights;
        if found.len() > expected.len() {
            let names: Vec<_> = found.iter().map(|weight| weight.name.as_str()).collect();
            cx.report(Error::inconsistent(format!(
                "the layer takes {} weights, but the file has {}: {names:?}",
                expected.len(),
                found.len()
            )));
        }
        let mut parts = Vec::new();
        for (index, (name, dims)) in expected.into_iter().enumerate() {
            let shape = Shape::new(dims);
            let tensor = found.get(index).map(|weight| &weight.tensor);
            let problem = match tensor {
                None => Some(Error::new(ErrorKind::MissingWeight)),
                Some(tensor) if *tensor.shape() != shape => Some(Error::inconsistent(format!(
                    "the weight has shape {}, but the layer's arguments make it {shape}",
                    tensor.shape()
                ))),
                Some(_) => None,
            };
            let sound = problem.is_none();
            if let Some(problem) = problem {
                cx.report(problem.in_field(name));
            }
            parts.push((name, shape, tensor.filter(|_| sound)));
        }
        Self { parts }
    }

    /// A weight; `None` when it is missing or the layer has none of that name.
    pub fn get(&self, name: &str) -> Option<&'a Tensor> {
        let part = self.parts.iter().find(|(of, ..)| *of == name);
        part.and_then(|(_, _, tensor)| *tensor)
    }
    /// Whether the layer has a weight of that name.
    pub fn has(&self, name: &str) -> bool {
        self.parts.iter().any(|(of, ..)| *of == name)
    }
    /// A weight as it is.
    pub fn node(&self, cx: &mut Cx<'_>, name: &str) -> Result<NodeId> {
        let part = self.parts.iter().find(|(of, ..)| *of == name);
        let Some((_, shape, _)) = part else {
            return Err(Error::internal(format!("weight {name:?} was not asked for")));
        };
        self.derived(cx, name, shape, |weights| weights.get(name).cloned().map(Ok))
    }
    /// A weight under another shape of the same count.
    pub fn reshaped(&self, cx: &mut Cx<'_>, name: &str, shape: &[usize]) -> Result<NodeId> {
        let shape = Shape::new(shape);
        self.derived(cx, name, &shape, |weights| {
            Some(weights.get(name)?.reshape(shape.clone()))
        })
    }
    /// A constant of a shape that is made of the weights; `make` gives `None` when one of them is missing.
    pub fn derived(
        &self,
        cx: &mut Cx<'_>,
        role: &str,
        shape: &Shape,
        make: impl FnOnce(&Self) -> Option<Result<Tensor>>,
    ) -> Result<NodeId> {
        let shape = Shape::checked(shape.dims())?;
        let complete = self.parts.iter().all(|(_, _, tensor)| tensor.is_some());
        let missing = || Error::internal("a weight is missing");
        if complete {
            let read = self.parts.iter().map(|(_, shape, _)| shape.count()).sum();
            let more = shape.count().saturating_sub(read);
            return cx.constant(role, more, || make(self).unwrap_or_else(|| Err(missing())));
        }
        // Lowering has failed already: anything of this shape will do to go on.
        let name = format!("{}/{role}", cx.site.path);
        let ty = TensorType::f32(shape);
        cx.b().add(Input { name, ty }, &[])
    }
}

/// The elements of a weight, of which a missing one has none.
pub fn elements(tensor: Option<&Tensor>) -> Option<Vec<f64>> {
    let data = tensor?.as_f32().ok()?;
    Some(data.iter().map(|&v| f64::from(v)).collect())
}

/// A float tensor of rounded numbers.
pub fn rounded(shape: &[usize], values: impl IntoIterator<Item = f64>) -> Result<Tensor> {
    let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
    Tensor::f32(Shape::new(shape), values)
}
