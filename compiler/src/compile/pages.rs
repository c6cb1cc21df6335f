//! What a page sees of a model: element types, strings, pictures, names of classes.

use super::Prepared;
use crate::bundle::{self, ElementType, Labelled, Labels};
use crate::error;
use crate::graph::Graph;
use crate::keras::{self, KerasDType};

impl Prepared {
    /// The inputs of the graph that take pictures.
    pub(super) fn picture_inputs(&self) -> Vec<usize> {
        let takes = |name: &str| self.pictures.iter().any(|(taking, _)| taking == name);
        let inputs = self.graph.inputs().iter().enumerate();
        let taking = inputs.filter(|(_, node)| takes(self.graph.node(**node).input_name()));
        taking.map(|(at, _)| at).collect()
    }

    /// The output that labels name; where it gives logits, a note says what becomes of them.
    ///
    /// # Errors
    /// When they do not fit the outputs.
    pub(super) fn label(&mut self, labels: Labels) -> error::Result<Labelled> {
        let own = self.outputs.len() - self.states.len();
        let spoken = |at: usize| {
            let strings = self.prepared.as_ref();
            strings.is_some_and(|prepared| prepared.preparation.spoken.iter().any(|(of, _)| *of == at))
        };
        let all = self.graph.outputs().iter().zip(&self.outputs).zip(&self.shares);
        let all = all.take(own).enumerate();
        let given = all.map(|(at, ((output, dtype), &shares))| bundle::GivenOutput {
            name: &output.name,
            shape: self.graph.ty(output.node).shape.dims(),
            floats: *dtype == ElementType::Float32 && !spoken(at),
            shares,
        });
        let labelled = labels.of(&given.collect::<Vec<_>>())?;
        if labelled.softmax {
            let output = &labelled.output;
            self.notes.push(format!(
                "output {output:?} does not end in softmax or sigmoid: classify computes the softmax of it"
            ));
        }
        Ok(labelled)
    }
}

/// Of each output whether softmax or sigmoid made it.
pub(super) fn shares(graph: &Graph) -> Vec<bool> {
    let outputs = graph.outputs().iter();
    outputs
        .map(|output| keras::are_shares(graph, output.node))
        .collect()
}

/// The element type by which a page knows an input or output.
pub(super) fn dtype(port: &keras::TensorInfo) -> ElementType {
    match port.dtype {
        KerasDType::Float => ElementType::Float32,
        KerasDType::Int { bits, signed } => match (bits, signed) {
            (8, true) => ElementType::Int8,
            (8, false) => ElementType::Uint8,
            (16, true) => ElementType::Int16,
            (16, false) => ElementType::Uint16,
            (64, true) => ElementType::Int64,
            (64, false) => ElementType::Uint64,
            (_, true) => ElementType::Int32,
            (_, false) => ElementType::Uint32,
        },
        KerasDType::Bool => ElementType::Bool,
        KerasDType::Text => ElementType::String,
    }
}

/// What a page passes, and what becomes of it before a prediction.
pub fn strings(prepared: &keras::Prepared) -> bundle::Strings<'_> {
    let passed = prepared.passed.iter().map(|port| bundle::Passed {
        name: port.name.clone(),
        shape: port.shape.dims().to_vec(),
        dtype: dtype(port),
    });
    bundle::Strings {
        passed: passed.collect(),
        preparation: &prepared.preparation,
    }
}
