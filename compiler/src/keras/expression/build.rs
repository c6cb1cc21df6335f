//! Puts a function together, in the one form that it has.

use super::arithmetic;
use super::{Binary, Constant, Expr, Function, Id, MOST_NODES, Parameter, Unary};
use std::collections::HashMap;

/// A function under way.
#[derive(Debug, Default)]
pub struct Builder {
    nodes: Vec<Expr>,
    known: HashMap<Expr, Id>,
}

impl Builder {
    /// Adds a step, unless there is one like it.
    pub fn add(&mut self, expr: Expr) -> Id {
        if let Some(&id) = self.known.get(&expr) {
            return id;
        }
        let id = self.nodes.len();
        self.nodes.push(expr.clone());
        self.known.insert(expr, id);
        id
    }
    /// Whether there are more steps than a function may have: whoever adds many asks now and then.
    pub fn is_full(&self) -> bool {
        self.nodes.len() > MOST_NODES
    }
    /// A step that was added.
    pub fn get(&self, id: Id) -> Option<&Expr> {
        self.nodes.get(id)
    }
    /// A constant.
    pub fn constant(&mut self, constant: Constant) -> Id {
        self.add(Expr::Constant(constant))
    }
    /// An attribute; that of a module is a longer name.
    pub fn attribute(&mut self, of: Id, name: &str) -> Id {
        let expr = match self.get(of) {
            Some(Expr::Name(path)) => Expr::Name(format!("{path}.{name}")),
            _ => Expr::Attribute(of, name.to_owned()),
        };
        self.add(expr)
    }
    /// An operator of one operand.
    pub fn unary(&mut self, op: Unary, of: Id) -> Id {
        let folded = self
            .number(of)
            .and_then(|constant| arithmetic::unary(op, constant));
        self.add(folded.map_or(Expr::Unary(op, of), Expr::Constant))
    }
    /// An operator of two operands.
    pub fn binary(&mut self, op: Binary, a: Id, b: Id) -> Id {
        let numbers = self.number(a).zip(self.number(b));
        let folded = numbers.and_then(|(a, b)| arithmetic::binary(op, a, b));
        self.add(folded.map_or(Expr::Binary(op, a, b), Expr::Constant))
    }
    fn number(&self, id: Id) -> Option<&Constant> {
        match self.get(id)? {
            Expr::Constant(constant) => Some(constant),
            _ => None,
        }
    }
    /// The function that gives a step; `None` if it has too many.
    pub fn finish(self, parameters: Vec<Parameter>, result: Id) -> Option<Function> {
        if self.is_full() {
            return None;
        }
        let defaults = parameters.iter().filter_map(|parameter| parameter.default);
        let mut order = Order {
            nodes: &self.nodes,
            places: vec![None; self.nodes.len()],
            ordered: Vec::new(),
        };
        defaults.chain([result]).try_for_each(|id| order.visit(id))?;
        let Order { places, ordered, .. } = order;
        let place = |id: Id| places.get(id).copied().flatten();
        let nodes = ordered.into_iter().map(|id| {
            let expr = self.nodes.get(id)?.clone();
            Some(expr.renumbered(|id| place(id).unwrap_or_default()))
        });
        Some(Function {
            parameters: parameters
                .into_iter()
                .map(|parameter| Parameter {
                    default: parameter.default.and_then(place),
                    ..parameter
                })
                .collect(),
            result: place(result)?,
            nodes: nodes.collect::<Option<_>>()?,
        })
    }
}

/// The order in which the steps of a function stand: each after those that it names, which come in the order in which it
/// names them.
struct Order<'b> {
    nodes: &'b [Expr],
    /// Where each step stands, of those that were reached.
    places: Vec<Option<Id>>,
    ordered: Vec<Id>,
}

impl Order<'_> {
    /// Puts a step behind the others, after what it needs.
    fn visit(&mut self, root: Id) -> Option<()> {
        let mut waiting = vec![root];
        while let Some(&id) = waiting.last() {
            if self.places.get(id)?.is_some() {
                waiting.pop();
                continue;
            }
            let operands = self.nodes.get(id)?.operands();
            let open = operands.into_iter().rev();
            let before = waiting.len();
            waiting.extend(open.filter(|&operand| self.places.get(operand).is_some_and(Option::is_none)));
            if waiting.len() == before {
                waiting.pop();
                *self.places.get_mut(id)? = Some(self.ordered.len());
                self.ordered.push(id);
            }
        }
        Some(())
    }
}
