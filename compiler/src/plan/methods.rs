//! How products are computed: by the fastest method of the target, as far as the network's error allows.
//!
//! Some methods round more than a plain sum does. The errors of layers are independent, so that of a network is taken as
//! the root of the sum of their squares ([`Candidate::error`], relative to the root mean square of results). Where all
//! layers together would pass [`ERROR_LIMIT`], those that save most have it and the others take the fastest method that
//! adds none.

use super::target::{Candidate, Target};
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::ops::lowering::{Method, Product};
use std::collections::HashMap;
use std::fmt;

/// What the choices may add to the error of a network: a tenth of rtol 1e-3, which results are held to.
const ERROR_LIMIT: f64 = 1e-4;

/// The methods of the products of one graph that have constant weights.
pub(super) type Methods = HashMap<NodeId, Chosen>;

/// A product and how it is computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen {
    pub product: Product,
    pub method: Method,
}

impl Chosen {
    /// The zeros around input 0 that its kernels read.
    pub fn frame(&self) -> [[usize; 2]; 2] {
        self.method.frame(&self.product)
    }
}

/// A choice between several methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The node.
    pub node: String,
    /// What was chosen.
    pub method: Method,
    /// How many times as fast it is as the slowest, by estimate.
    pub times: f64,
    /// The error that it adds at most, see [`Candidate::error`].
    pub error: f64,
    /// Whether a faster one would take the error of the network beyond its limit.
    pub limited: bool,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by ", self.node)?;
        match self.method {
            Method::Winograd { m, .. } => write!(f, "F({m}x{m}, 3x3)")?,
            Method::Codes { .. } => f.write_str("sums of integers")?,
            Method::Panels { .. } | Method::Depthwise | Method::Bounded { .. } | Method::Plain => {
                f.write_str("plain sums")?;
            }
        }
        write!(
            f,
            ", {:.1} times as fast by estimate, error bound {:.1e}",
            self.times, self.error
        )?;
        if self.limited {
            write!(
                f,
                "; the fastest method would take the error of the network beyond {ERROR_LIMIT:.0e}"
            )?;
        }
        Ok(())
    }
}

/// A product and the fastest ways to compute it.
struct Choice {
    node: NodeId,
    product: Product,
    /// The slowest way, in nanoseconds.
    slowest: f64,
    /// The fastest of those that add no error.
    exact: Candidate,
    /// The fastest of all.
    fastest: Candidate,
}

impl Choice {
    /// Nanoseconds that the fastest method saves against the fastest exact one.
    fn saving(&self) -> f64 {
        self.exact.cost - self.fastest.cost
    }
}

/// Chooses for every product with constant weights, and adds what there was to decide.
pub(super) fn choose(graph: &Graph, target: &dyn Target, decisions: &mut Vec<Decision>) -> Result<Methods> {
    let mut choices = Vec::new();
    for id in graph.order() {
        choices.extend(choice(graph, id, target)?);
    }
    // Stable, so that equal savings keep the order of the graph.
    choices.sort_by(|a, b| b.saving().total_cmp(&a.saving()));
    let (mut methods, mut squares) = (Methods::new(), 0.0);
    for choice in choices {
        let added = choice.fastest.error.powi(2);
        let fits = squares + added <= ERROR_LIMIT * ERROR_LIMIT;
        let taken = if fits { choice.fastest } else { choice.exact };
        if fits {
            squares += added;
        }
        let chosen = Chosen {
            product: choice.product,
            method: taken.method,
        };
        methods.insert(choice.node, chosen);
        let times = choice.slowest / taken.cost;
        if !fits || times > 1.0 {
            decisions.push(Decision {
                node: graph.node(choice.node).name.clone(),
                method: taken.method,
                times,
                error: taken.error,
                limited: !fits,
            });
        }
    }
    Ok(methods)
}

fn choice(graph: &Graph, node: NodeId, target: &dyn Target) -> Result<Option<Choice>> {
    let inputs = graph.inputs_of(node);
    let types: Vec<_> = inputs.iter().map(|&input| graph.ty(input)).collect();
    let constant = |&weights: &NodeId| graph.constant(weights).is_some();
    if !inputs.get(1).is_some_and(constant) {
        return Ok(None);
    }
    let Some(mut product) = graph.op(node).product(&types, graph.ty(node)) else {
        return Ok(None);
    };
    let encoded = graph.constant(inputs[1]).and_then(|weights| weights.encoded());
    product.codes = encoded.is_some_and(|encoded| encoded.multiplied);
    let candidates = target.methods(&product);
    let fastest = |most: f64| {
        let allowed = candidates.iter().filter(|candidate| candidate.error <= most);
        let fastest = allowed.min_by(|a, b| a.cost.total_cmp(&b.cost));
        fastest
            .copied()
            .ok_or_else(|| Error::internal("no method computes a product").in_node(&graph.node(node).name))
    };
    let costs = candidates.iter().map(|candidate| candidate.cost);
    Ok(Some(Choice {
        node,
        product,
        slowest: costs.fold(0.0, f64::max),
        exact: fastest(0.0)?,
        fastest: fastest(f64::INFINITY)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Builder;
    use crate::kernel::{Image, Kernel};
    use crate::ops::lowering::Matrix;
    use crate::ops::{Conv, MatMul, WindowAxis};
    use crate::plan::target::{Arenas, Packed, Views};
    use crate::pointwise::Tape;
    use crate::tensor::{Tensor, TensorType};

    const FAST: Method = Method::Winograd {
        m: 4,
        block: 1,
        scratch: 1,
    };

    /// Has a method that saves much where there are many channels, at the price of some error.
    struct Hasty;

    impl Target for Hasty {
        fn alignment(&self) -> usize {
            4
        }
        fn arenas(&self) -> Arenas {
            Arenas::One
        }
        fn most_arena_bytes(&self) -> usize {
            usize::MAX
        }
        fn writes_in_place(&self) -> bool {
            false
        }
        fn views(&self) -> Views {
            Views::NONE
        }
        fn methods(&self, product: &Product) -> Vec<Candidate> {
            let candidate = |method, cost, error| Candidate { method, cost, error };
            let plain = candidate(Method::Plain, 2.0 * product.channels as f64, 0.0);
            let fast = candidate(FAST, 1.0, 3e-5);
            match product.window {
                Some(_) => vec![plain, fast],
                None => vec![plain],
            }
        }
        fn compacts(&self, _: &Product, _: &Image) -> bool {
            false
        }
        fn pack(&self, _: &Kernel, _: &Matrix<'_>) -> Result<Packed> {
            Err(Error::internal("nothing is packed"))
        }
    }

    /// So many convolutions, each of one channel more than the one before.
    fn network(count: usize) -> Graph {
        let mut graph = Graph::new();
        let mut b = Builder::new(&mut graph, "");
        let mut x = b.input("x", TensorType::f32([1, 4, 4, 1])).expect("an input");
        for channels in 1..=count {
            b.name = format!("conv {channels}");
            let weights = b.constant(Tensor::splat([1, 1, channels, channels + 1], 0.5));
            let conv = Conv {
                window: [WindowAxis::new(1); 2],
                groups: 1,
                bias: false,
                epilogue: Tape::identity(),
            };
            x = b
                .add(conv, &[x, weights.expect("a constant")])
                .expect("a convolution");
        }
        let weights = b
            .constant(Tensor::splat([count + 1, 2], 0.5))
            .expect("a constant");
        let product = MatMul {
            bias: false,
            epilogue: Tape::identity(),
        };
        let y = b.add(product, &[x, weights]).expect("a product");
        graph.add_output("y", y);
        graph
    }

    fn fast(count: usize) -> (Vec<usize>, Vec<Decision>) {
        let mut decisions = Vec::new();
        let methods = choose(&network(count), &Hasty, &mut decisions).expect("every product has a method");
        assert_eq!(methods.len(), count + 1);
        let fast = methods.values().filter(|chosen| chosen.method == FAST);
        let mut channels: Vec<_> = fast.map(|chosen| chosen.product.channels).collect();
        channels.sort_unstable();
        (channels, decisions)
    }

    #[test]
    fn all_are_fast_while_their_errors_stay_small_together() {
        let (channels, decisions) = fast(4);
        assert_eq!(channels, [1, 2, 3, 4]);
        assert!(decisions.iter().all(|decision| !decision.limited));
        assert_eq!(
            decisions[0].to_string(),
            "conv 4 by F(4x4, 3x3), 8.0 times as fast by estimate, error bound 3.0e-5"
        );
    }

    #[test]
    fn those_that_save_most_are_fast_where_not_all_can_be() {
        // (1e-4 / 3e-5)² is 11.1.
        let (channels, decisions) = fast(14);
        assert_eq!(channels, (4..=14).collect::<Vec<_>>());
        let limited: Vec<_> = decisions.iter().filter(|decision| decision.limited).collect();
        assert_eq!(limited.len(), 3);
        assert_eq!(
            limited[0].to_string(),
            "conv 3 by plain sums, 1.0 times as fast by estimate, error bound 0.0e0; \
             the fastest method would take the error of the network beyond 1e-4"
        );
    }
}
