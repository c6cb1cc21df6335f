//! Invariants of a graph.
//!
//! 1. Every input of a node exists, and the users of a node are exactly those that have it as input.
//! 2. There is no cycle.
//! 3. The types of every node are what its operation infers from its inputs.
//!    So what operations demand of their attributes holds too: windows have taps, strides and dilation, and lie where they may.
//! 4. The graph's inputs exist and are input nodes, each listed once and with a name of its own; every input node is listed.
//! 5. Outputs exist, have distinct names, and every node knows how many of them it is.
//! 6. Only projections use a node with several results.
//! 7. Bodies of scans satisfy all of this too.

use super::{Graph, NodeId};
use crate::error::{Error, Result};
use crate::ops::Op;
use std::collections::{BTreeSet, HashMap};

impl Graph {
    /// Checks all invariants.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Internal`] naming the first node that breaks one.
    pub fn verify(&self) -> Result<()> {
        for id in self.nodes.ids() {
            self.verify_node(id)?;
        }
        self.verify_inputs()?;
        self.verify_outputs()?;
        self.verify_edges()?;
        self.verify_order()
    }

    fn verify_inputs(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        for &id in &self.inputs {
            let name = match self.nodes.contains(id).then(|| self.op(id)) {
                None => return Err(Error::internal("a graph input does not exist")),
                Some(Op::Input(input)) => &input.name,
                Some(op) => {
                    let op = op.name();
                    return Err(Error::internal(format!("a graph input is a node of {op}")));
                }
            };
            if !names.insert(name) {
                return Err(Error::internal(format!(
                    "two inputs are called {name:?}, or one is listed twice"
                )));
            }
        }
        Ok(())
    }

    fn verify_outputs(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        let mut counts: HashMap<NodeId, usize> = HashMap::new();
        for output in &self.outputs {
            if !self.nodes.contains(output.node) {
                return Err(Error::internal("an output does not exist"));
            }
            if !names.insert(&output.name) {
                return Err(Error::internal(format!(
                    "two outputs are called {:?}",
                    output.name
                )));
            }
            *counts.entry(output.node).or_default() += 1;
        }
        let known = |id: &NodeId| self.nodes.outputs(*id) == counts.get(id).copied().unwrap_or(0);
        match self.nodes.ids().all(|id| known(&id)) {
            true => Ok(()),
            false => Err(Error::internal("a node does not know how many outputs it is")),
        }
    }

    /// That every input knows its user is checked; here, that nobody else counts as a user.
    fn verify_edges(&self) -> Result<()> {
        let inputs: usize = self.nodes.ids().map(|id| self.inputs_of(id).len()).sum();
        let uses: usize = self
            .nodes
            .ids()
            .flat_map(|id| self.nodes.users(id).values())
            .sum();
        if inputs != uses {
            return Err(Error::internal(
                "a node has a user that does not have it as input",
            ));
        }
        Ok(())
    }

    fn verify_order(&self) -> Result<()> {
        let mut position = vec![usize::MAX; self.nodes.bound()];
        for (at, id) in self.order().into_iter().enumerate() {
            position[id.0] = at;
        }
        let before = |id: NodeId| {
            let inputs = self.inputs_of(id).iter();
            inputs.copied().all(|input| position[input.0] < position[id.0])
        };
        if !self.nodes.ids().all(before) {
            return Err(Error::internal("the graph has a cycle"));
        }
        Ok(())
    }

    fn verify_node(&self, id: NodeId) -> Result<()> {
        let node = self.node(id);
        let fail = |what: &str| {
            Err(Error::internal(format!(
                "node {:?} ({}): {what}",
                node.name,
                node.op.name()
            )))
        };
        if node.inputs.iter().any(|i| !self.nodes.contains(*i)) {
            return fail("an input does not exist");
        }
        let mut counts: HashMap<NodeId, usize> = HashMap::new();
        for &input in &node.inputs {
            *counts.entry(input).or_default() += 1;
        }
        if counts
            .iter()
            .any(|(&input, count)| self.nodes.users(input).get(&id) != Some(count))
        {
            return fail("an input does not know it as its user");
        }
        if self.infer(&node.op, &node.inputs)? != node.types {
            return fail("types are not what the operation infers");
        }
        let several = node.inputs.iter().any(|&i| self.node(i).types.len() > 1);
        if several && !matches!(node.op, Op::Project(_)) {
            return fail("uses a node with several results without a projection");
        }
        match &node.op {
            Op::Input(_) if !self.inputs.contains(&id) => fail("is an input that the graph does not list"),
            Op::Scan(scan) => scan.body.verify(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Conv, Input};
    use crate::tensor::TensorType;

    /// Two nodes in a row, a convolution and a scan with several results.
    const TEXT: &str = "\
%0: f32[1,4,4,1] = input \"x\"()
%1: f32[3,3,1,2] = constant()
%2: f32[1,2,2,2] = conv window=3x3(%0, %1) ; conv
%3: f32[1,2,2,2] = map {%2 = max x0, 0.0}(%2) ; relu
%4: f32[1,2,2,2], f32[3,1,2,2,2] = scan steps=3 carries=1 scanned=0 body={
%0: f32[1,2,2,2] = input \"h\"()
%1: f32[1,2,2,2] = map {%1 = tanh x0}(%0)
output \"h\" = %1
output \"all\" = %1
}(%3) ; rnn
%5: f32[3,1,2,2,2] = project 1(%4) ; all
output \"y\" = %3
output \"z\" = %5
";

    fn node(graph: &Graph, name: &str) -> NodeId {
        let order = graph.order().into_iter();
        order
            .into_iter()
            .find(|&id| graph.node(id).name == name || graph.op(id).name() == name)
            .expect("it is there")
    }

    /// Breaks one thing in the graph; the verifier says what.
    fn broken(what: &str, change: impl FnOnce(&mut Graph)) {
        let mut graph: Graph = TEXT.parse().unwrap_or_else(|e| panic!("{e}"));
        graph.verify().expect("it is valid before");
        change(&mut graph);
        let error = graph.verify().expect_err(what).to_string();
        assert!(error.contains(what), "{error} instead of {what}");
    }

    #[test]
    fn inputs_of_nodes_exist_and_know_it() {
        broken("an input does not exist", |graph| {
            let relu = node(graph, "relu");
            graph.nodes.remove(relu);
        });
        broken("does not know it as its user", |graph| {
            let [conv, input] = ["conv", "input"].map(|name| node(graph, name));
            graph.nodes.node_mut(conv).inputs[0] = input;
            let relu = node(graph, "relu");
            graph.nodes.node_mut(relu).inputs = vec![input];
        });
        broken("a user that does not have it as input", |graph| {
            let [conv, relu, scan] = ["conv", "relu", "rnn"].map(|name| node(graph, name));
            graph.nodes.set_inputs(scan, &[relu, conv]);
            graph.nodes.node_mut(scan).inputs.pop();
        });
    }

    #[test]
    fn there_is_no_cycle() {
        broken("cycle", |graph| {
            let [conv, relu] = ["conv", "relu"].map(|name| node(graph, name));
            let weights = graph.inputs_of(conv)[1];
            // Types stay as they are inferred: a value of the same type comes from further down.
            graph.nodes.set_inputs(relu, &[relu]);
            graph.nodes.set_inputs(conv, &[node(graph, "input"), weights]);
        });
    }

    #[test]
    fn types_and_attributes_are_what_operations_want() {
        broken("types are not", |graph| {
            let relu = node(graph, "relu");
            graph.nodes.node_mut(relu).types = vec![TensorType::f32([1, 2, 2, 3])];
        });
        for change in [
            |conv: &mut Conv| conv.window[0].stride = 0,
            |conv: &mut Conv| conv.window[1].dilation = 0,
        ] {
            broken("zero size, stride or dilation", |graph| {
                let conv = node(graph, "conv");
                match &mut graph.nodes.node_mut(conv).op {
                    Op::Conv(conv) => change(conv),
                    op => panic!("{op}"),
                }
            });
        }
    }

    #[test]
    fn inputs_of_the_graph_are_its_input_nodes() {
        broken("a graph input does not exist", |graph| {
            graph.inputs.push(NodeId(99))
        });
        broken("a graph input is a node of conv", |graph| {
            let conv = node(graph, "conv");
            graph.inputs.push(conv);
        });
        broken("or one is listed twice", |graph| {
            graph.inputs.push(graph.inputs[0])
        });
        broken("that the graph does not list", |graph| graph.inputs.clear());
        broken("two inputs are called \"x\"", |graph| {
            let ty = TensorType::f32([1]);
            graph
                .add("again", Input { name: "x".into(), ty }, &[])
                .expect("it is added");
        });
    }

    #[test]
    fn outputs_exist_and_have_names() {
        broken("an output does not exist", |graph| {
            graph.outputs[0].node = NodeId(99)
        });
        broken("two outputs are called \"y\"", |graph| {
            graph.outputs[1].name = "y".into()
        });
        broken("how many outputs it is", |graph| {
            graph.outputs[1].node = graph.outputs[0].node
        });
    }

    #[test]
    fn several_results_are_for_projections_and_bodies_are_graphs() {
        broken("several results without a projection", |graph| {
            let [relu, scan] = ["relu", "rnn"].map(|name| node(graph, name));
            graph.nodes.set_inputs(relu, &[scan]);
        });
        broken("how many outputs it is", |graph| {
            let scan = node(graph, "rnn");
            if let Op::Scan(scan) = &mut graph.nodes.node_mut(scan).op {
                let body = std::sync::Arc::make_mut(&mut scan.body);
                body.outputs.swap(0, 1);
                body.outputs[0].node = body.inputs[0];
            }
        });
    }
}
