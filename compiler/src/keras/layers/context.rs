//! What a layer's function works with.

use super::read::check_training;
use crate::budget::Resource;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Builder, NodeId};
use crate::keras::class::{Class, Origin, Role};
use crate::keras::config::Config;
use crate::keras::model::{Semantics, Weight};
use crate::keras::state::State;
use crate::keras::values::shown;
use crate::pointwise::Tape;
use crate::tensor::{DType, Tensor};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashSet};

/// A tensor under way, with Keras' mask for it if there is one.
#[derive(Debug, Clone, Copy)]
pub struct KerasTensor {
    /// The tensor.
    pub node: NodeId,
    /// 1 where a time step counts and 0 where it does not, as f32 of shape `[batch, time]`.
    pub mask: Option<NodeId>,
}

impl KerasTensor {
    /// A tensor without a mask.
    pub fn new(node: NodeId) -> Self {
        Self { node, mask: None }
    }
}

/// An argument of a call with values for its tensors.
#[derive(Debug, Clone)]
pub enum Arg<'a> {
    /// A tensor.
    KerasTensor(KerasTensor),
    /// A list or tuple with tensors inside.
    List(Vec<Arg<'a>>),
    /// A dict with tensors inside.
    Dict(Vec<(&'a str, Arg<'a>)>),
    /// Anything without tensors.
    Literal(&'a Json),
}

impl Arg<'_> {
    /// The tensors inside, in order.
    pub fn values(&self) -> Vec<KerasTensor> {
        match self {
            Self::KerasTensor(value) => vec![*value],
            Self::List(items) => items.iter().flat_map(Arg::values).collect(),
            Self::Dict(items) => items.iter().flat_map(|(_, item)| item.values()).collect(),
            Self::Literal(_) => Vec::new(),
        }
    }
    /// Takes the masks off those tensors inside.
    pub fn unmask(&mut self, nodes: &HashSet<NodeId>) {
        match self {
            Self::KerasTensor(value) => value.mask = value.mask.filter(|_| !nodes.contains(&value.node)),
            Self::List(items) => items.iter_mut().for_each(|item| item.unmask(nodes)),
            Self::Dict(items) => items.iter_mut().for_each(|(_, item)| item.unmask(nodes)),
            Self::Literal(_) => {}
        }
    }
    /// A constant inside that is not Python's `None`.
    fn constant(&self) -> Option<&Json> {
        match self {
            Self::Literal(Json::Null) | Self::KerasTensor(_) => None,
            Self::List(items) => items.iter().find_map(Arg::constant),
            Self::Dict(items) => items.iter().find_map(|(_, item)| item.constant()),
            Self::Literal(value) => Some(value),
        }
    }
}

/// Why nothing is known about what a layer gives.
#[derive(Debug)]
pub enum Stop {
    /// The problem has been reported.
    Told,
    /// This one, still to be reported.
    Because(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Because(error)
    }
}

/// What a layer gives.
pub type Outcome = Result<Vec<KerasTensor>, Stop>;

/// The layer that is called.
#[derive(Clone)]
pub struct CalledLayer<'a> {
    /// Name of its nodes and constants.
    pub path: String,
    /// What is known of its class.
    pub class: Option<&'static Class>,
    /// The class as the file names it, for messages.
    pub written: &'a str,
    /// Where the class comes from.
    pub origin: &'a Origin,
    /// Its arguments.
    pub config: &'a Config,
    /// Its weights.
    pub weights: &'a [Weight],
}

impl CalledLayer<'_> {
    /// What its class is to whoever reads a model.
    pub fn role(&self) -> Role {
        self.class.map_or(Role::Plain, |class| class.role)
    }
}

/// One call of one layer.
pub struct Cx<'a> {
    /// The graph and everything else that layers share.
    pub state: &'a mut State,
    /// The layer.
    pub site: CalledLayer<'a>,
    args: Vec<Arg<'a>>,
    kwargs: Vec<(&'a str, Arg<'a>)>,
    /// Keyword arguments that somebody read.
    read: BTreeSet<&'a str>,
}

impl<'a> Cx<'a> {
    /// A call of the layer at `site`.
    pub fn new(
        state: &'a mut State,
        site: CalledLayer<'a>,
        args: Vec<Arg<'a>>,
        kwargs: Vec<(&'a str, Arg<'a>)>,
    ) -> Self {
        Self {
            state,
            site,
            args,
            kwargs,
            read: BTreeSet::new(),
        }
    }
    /// Adds nodes that are named after the layer.
    pub fn b(&mut self) -> Builder<'_> {
        Builder::new(&mut self.state.graph, self.site.path.as_str())
    }
    /// Whether the numbers follow Keras 3.
    pub fn is_keras3(&self) -> bool {
        self.state.semantics == Semantics::Keras3
    }
    /// Reports a problem of this layer and goes on.
    pub fn report(&mut self, error: Error) {
        let error = error.in_layer(self.site.path.as_str(), self.site.written);
        self.state.problems.push(error);
    }
    /// An error of this layer.
    pub fn inconsistent(&self, message: impl Into<String>) -> Stop {
        self.site
            .config
            .error(ErrorKind::Inconsistent(message.into()))
            .into()
    }

    /// The only tensor that the layer is called with.
    pub fn input(&mut self) -> Result<KerasTensor, Stop> {
        match self.inputs()[..] {
            [value] => Ok(value),
            ref values => {
                let message = format!("it takes one tensor, but is called with {}", values.len());
                Err(self.site.config.error(ErrorKind::BadGraph(message)).into())
            }
        }
    }
    /// The only tensor, as floats.
    pub fn float_input(&mut self) -> Result<NodeId, Stop> {
        let value = self.input()?;
        Ok(self.float(value.node)?)
    }
    /// All tensors of the first argument, or of all positional ones.
    pub fn inputs(&mut self) -> Vec<KerasTensor> {
        if self.args.is_empty() {
            for name in ["inputs", "sequences", "sequence", "x"] {
                if let Some(arg) = self.kwarg(name) {
                    return arg.values();
                }
            }
        }
        self.args.iter().flat_map(Arg::values).collect()
    }
    /// Layers take tensors by position and nothing else; operations take constants too.
    pub fn refuse_constants(&self) -> Result<()> {
        if self.site.role() == Role::Function {
            return Ok(());
        }
        let constant = self.args.iter().find_map(Arg::constant);
        match constant {
            None => Ok(()),
            Some(value) => {
                let value = shown(value);
                let error = Error::new(ErrorKind::UnsupportedValue { value });
                Err(error
                    .in_field("call argument")
                    .help("a layer takes tensors: use an operation such as x + 1.0 for constants"))
            }
        }
    }
    /// All arguments of the call.
    pub fn arguments(&self) -> impl Iterator<Item = &Arg<'a>> {
        self.args.iter().chain(self.kwargs.iter().map(|(_, arg)| arg))
    }
    /// Refuses tensors that have no defined numbers.
    pub fn refuse_undefined(&self) -> Result<()> {
        if self.state.undefined.is_empty() {
            return Ok(());
        }
        let mut values = self.arguments().flat_map(Arg::values);
        match values.find_map(|value| self.state.undefined.get(&value.node)) {
            None => Ok(()),
            Some(why) => Err(undefined(why)),
        }
    }
    /// A positional argument.
    pub fn arg(&self, index: usize) -> Option<&Arg<'a>> {
        self.args.get(index)
    }
    /// A keyword argument, unless it is absent or Python's `None`.
    pub fn kwarg(&mut self, name: &str) -> Option<Arg<'a>> {
        let (key, arg) = self.kwargs.iter().find(|(key, _)| *key == name)?;
        self.read.insert(key);
        match arg {
            Arg::Literal(Json::Null) => None,
            arg => Some(arg.clone()),
        }
    }
    /// An argument by position or by name, unless it is absent or Python's `None`.
    pub fn argument(&mut self, index: usize, name: &str) -> Option<Arg<'a>> {
        let named = self.kwarg(name);
        let placed = self.args.get(index).cloned();
        placed
            .filter(|arg| !matches!(arg, Arg::Literal(Json::Null)))
            .or(named)
    }
    /// The same where it is a tensor.
    pub fn tensor(&mut self, index: usize, name: &str) -> Result<Option<KerasTensor>, Stop> {
        match self.argument(index, name) {
            None => Ok(None),
            Some(Arg::KerasTensor(value)) => Ok(Some(value)),
            Some(arg) => Err(Self::unsupported_argument(name, &arg).into()),
        }
    }
    /// A keyword argument that is true or false, false where it is absent.
    pub fn switch(&mut self, name: &str) -> Result<bool, Stop> {
        match self.kwarg(name) {
            None => Ok(false),
            Some(Arg::Literal(Json::Bool(on))) => Ok(*on),
            Some(arg) => Err(Self::unsupported_argument(name, &arg).into()),
        }
    }
    /// Refuses a call that is trained, unless `predict` makes it one that is not.
    pub fn check_training(&mut self) -> Result<()> {
        let training = self.literal("training");
        check_training(self.state.semantics, training)
    }
    /// Requires that there are no more positional arguments than those.
    pub fn expect_arguments(&self, most: usize) -> Result<(), Stop> {
        match self.args.get(most) {
            None => Ok(()),
            Some(arg) => Err(Self::unsupported_argument(&most.to_string(), arg).into()),
        }
    }
    fn unsupported_argument(name: &str, arg: &Arg<'_>) -> Error {
        let value = match arg {
            Arg::Literal(value) => shown(value),
            _ => "a tensor".to_owned(),
        };
        Error::new(ErrorKind::UnsupportedValue { value }).in_field(format!("call argument {name}"))
    }
    /// A keyword argument without tensors.
    pub fn literal(&mut self, name: &str) -> Option<&'a Json> {
        match self.kwarg(name)? {
            Arg::Literal(value) => Some(value),
            _ => None,
        }
    }
    /// Reports keyword arguments that nobody read.
    pub fn finish_arguments(&mut self) {
        let unread: Vec<_> = self
            .kwargs
            .iter()
            .filter(|(key, arg)| !self.read.contains(key) && !matches!(arg, Arg::Literal(Json::Null)))
            .filter(|(key, _)| !matches!(*key, "mask" | "training" | "name"))
            .map(|(key, arg)| (*key, arg.clone()))
            .collect();
        for (key, arg) in unread {
            let error = Self::unsupported_argument(key, &arg);
            self.report(error);
        }
    }
    /// The mask of the call: given explicitly, else that of the first tensor.
    pub fn mask(&mut self) -> Result<Option<NodeId>> {
        let given = self.mask_argument()?;
        Ok(given.or_else(|| self.inputs().first().and_then(|value| value.mask)))
    }
    /// The mask that is given explicitly.
    pub fn mask_argument(&mut self) -> Result<Option<NodeId>> {
        let given = self.kwarg("mask").map(|arg| arg.values());
        match given.as_deref() {
            Some([mask, ..]) => Ok(Some(self.float(mask.node)?)),
            _ => Ok(None),
        }
    }

    /// The shape of a node.
    pub fn dims(&self, node: NodeId) -> Vec<usize> {
        self.state.graph.ty(node).shape.dims().to_vec()
    }
    /// The node as floats.
    pub fn float(&mut self, node: NodeId) -> Result<NodeId> {
        if self.state.graph.ty(node).dtype == DType::F32 {
            Ok(node)
        } else {
            self.b().map(Tape::identity(), &[node])
        }
    }
    /// Applies a tape unless it is the identity.
    pub fn apply(&mut self, tape: Tape, node: NodeId) -> Result<NodeId> {
        if tape.is_identity() {
            Ok(node)
        } else {
            self.b().map(tape, &[node])
        }
    }
    /// Takes what so many numbers need that are made here and not read from the file, before they are made.
    pub fn make_room(&self, numbers: usize) -> Result<()> {
        self.state.budget.take(Resource::Made, 4 * numbers as u64)
    }
    /// The constant that plays `role` in this layer, made once however often the layer is called. It has so many more
    /// numbers than the weights that it is made of.
    pub fn constant(
        &mut self,
        role: &str,
        more: usize,
        make: impl FnOnce() -> Result<Tensor>,
    ) -> Result<NodeId> {
        let key = format!("{}/{role}", self.site.path);
        if let Some(&known) = self.state.constants.get(&key) {
            return Ok(known);
        }
        self.make_room(more)?;
        let tensor = make()?;
        let node = self.b().constant(tensor)?;
        self.state.constants.insert(key, node);
        Ok(node)
    }
    /// An index along an axis, counted from the end if negative.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, Stop> {
        let signed = if axis < 0 {
            i64::try_from(rank).unwrap_or(i64::MAX) + axis
        } else {
            axis
        };
        usize::try_from(signed)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| {
                self.inconsistent(format!("axis {axis} does not exist in a tensor of rank {rank}"))
            })
    }
    /// An axis that is not that of the batch.
    pub fn axis_of_sample(&self, axis: i64, rank: usize) -> Result<usize, Stop> {
        match self.axis(axis, rank)? {
            0 => Err(self.inconsistent(format!("axis {axis} is that of the batch"))),
            axis => Ok(axis),
        }
    }
    /// Requires a rank.
    pub fn expect_rank(&self, node: NodeId, rank: usize) -> Result<(), Stop> {
        let shape = &self.state.graph.ty(node).shape;
        if shape.rank() == rank {
            Ok(())
        } else {
            Err(self.inconsistent(format!(
                "it takes a tensor of rank {rank}, but is called with shape {shape}"
            )))
        }
    }
}

/// The error that something is made of a tensor without defined numbers.
pub fn undefined(why: &str) -> Error {
    Error::new(ErrorKind::Inconsistent(why.to_owned()))
}

/// One result without a mask of its own.
pub fn one(node: NodeId) -> Outcome {
    Ok(vec![KerasTensor::new(node)])
}
