//! Whole chains of moves and functions of one value, sorted at once.
//!
//! Exchanged one by one, each function of a chain would pass each move before it: the square of the chain's length. The
//! outcome is known without that: first the functions, then the moves, both in their order.

use crate::budget::Resource;
use crate::error::Result;
use crate::graph::{Graph, NodeId};
use crate::ops::Op;
use crate::passes::rewrite;
use crate::pointwise::Tape;
use crate::tensor::DType;

/// Sorts the chain in which `id` is the first function below a move. Leaves what exchanging its nodes one by one would
/// leave, names included; gives how many exchanges that would have been.
pub fn sort(graph: &mut Graph, id: NodeId) -> Result<usize> {
    let Some(chain) = chain(graph, id) else {
        return Ok(0);
    };
    let Some((links, exchanges)) = sorted(graph, &chain) else {
        return Ok(0);
    };
    let differs = |&at: &usize| links[at].from != at;
    let (first, last) = ((0..chain.len()).find(differs), (0..chain.len()).rfind(differs));
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(0);
    };
    let mut x = graph.inputs_of(chain[first])[0];
    for (at, link) in links.into_iter().enumerate().take(last + 1).skip(first) {
        let mut inputs = graph.inputs_of(chain[link.from]).to_vec();
        inputs[0] = x;
        if at < last {
            x = graph.add(link.name, link.op, &inputs)?;
        } else {
            rewrite::replace(graph, chain[at], link.op, &inputs)?;
        }
    }
    Ok(exchanges)
}

/// What a node is in a chain.
enum Role<'g> {
    /// A function of one value.
    Function(&'g Tape),
    /// A move that every function passes, if its value is no NaN.
    Move,
}

fn role(graph: &Graph, id: NodeId) -> Option<Role<'_>> {
    let inputs = graph.inputs_of(id);
    let from = graph.ty(*inputs.first()?);
    // A function of integers has floats as result: what moves the one does not move the other.
    if from.dtype != DType::F32 {
        return None;
    }
    match graph.op(id) {
        Op::Map(map) => (inputs.len() == 1 && map.tape.inputs() == 1).then_some(Role::Function(&map.tape)),
        Op::Reshape(_) | Op::Transpose(_) | Op::Pad(_) => Some(Role::Move),
        Op::Gather(_) => {
            let to = &graph.ty(id).shape;
            (from.shape.rank() == to.rank() && from.shape.count() <= to.count()).then_some(Role::Move)
        }
        _ => None,
    }
}

/// The nodes from the first move before `id` to the last function after it, each the only user of the one before. None
/// if an earlier function is below a move.
fn chain(graph: &Graph, id: NodeId) -> Option<Vec<NodeId>> {
    let is_move = |&id: &NodeId| matches!(role(graph, id), Some(Role::Move));
    let is_function = |&id: &NodeId| matches!(role(graph, id), Some(Role::Function(_)));
    let before = |&id: &NodeId| {
        let &x = graph.inputs_of(id).first()?;
        (graph.sole_user(x) == Some(id)).then_some(x)
    };
    let after = |&id: &NodeId| {
        let user = graph.sole_user(id)?;
        (graph.inputs_of(user)[0] == id).then_some(user)
    };
    if !is_function(&id) {
        return None;
    }
    let above = |id: &NodeId| before(id).filter(is_move);
    let mut chain: Vec<_> = std::iter::successors(Some(id), above).collect();
    if chain.len() == 1 {
        return None;
    }
    chain.reverse();
    let top = std::iter::successors(Some(chain[0]), |id| before(id).filter(is_function)).last()?;
    if before(&top).is_some_and(|id| is_move(&id)) {
        return None;
    }
    let below = |id: &NodeId| after(id).filter(|&id| role(graph, id).is_some());
    chain.extend(std::iter::successors(Some(id), below).skip(1));
    let last = chain.iter().rposition(is_function)?;
    chain.truncate(last + 1);
    Some(chain)
}

/// A place in a sorted chain.
struct Link {
    /// The place of the same node in the chain as it was.
    from: usize,
    op: Op,
    name: String,
}

/// The nodes of a chain as exchanging them one by one leaves them, and the number of exchanges. None if the budget does
/// not allow to compute the values of the padding.
fn sorted(graph: &Graph, chain: &[NodeId]) -> Option<(Vec<Link>, usize)> {
    let mut links = Vec::with_capacity(chain.len());
    let mut moves = Moves::default();
    let mut exchanges = 0;
    for (from, &id) in chain.iter().enumerate() {
        let Role::Function(tape) = role(graph, id)? else {
            moves.push(graph, from, id);
            continue;
        };
        let steps = moves.runs.len() * tape.instrs().len();
        if !graph.budget().spare(Resource::Folded, steps as u64) {
            return None;
        }
        let stay = moves.stay(tape);
        moves.leave(graph, chain, stay, &mut links);
        moves.pass(id);
        exchanges += moves.waiting.len();
        links.push(Link {
            from,
            op: graph.op(id).clone(),
            name: graph.node(id).name.clone(),
        });
    }
    let all = moves.waiting.len();
    moves.leave(graph, chain, all, &mut links);
    Some((links, exchanges))
}

/// The moves that the functions of a chain have passed so far, those first that come first.
#[derive(Default)]
struct Moves {
    /// Their places in the chain.
    waiting: Vec<usize>,
    /// How many have found their place already. Moves are counted from the first of the chain on, these too.
    left: usize,
    /// The padding among those that wait.
    runs: Vec<Run>,
    /// The last function, and how many moves came before it: as a function takes the place of a move, and the move that
    /// of the function, the move takes its name.
    passed: Option<(NodeId, usize)>,
}

/// Padding with one value, with other moves or without in between. Most functions soon make values equal, so there are
/// few of these in a long chain.
struct Run {
    value: f32,
    /// The number of the last of them.
    last: usize,
}

impl Moves {
    fn push(&mut self, graph: &Graph, place: usize, id: NodeId) {
        if let Op::Pad(pad) = graph.op(id) {
            let last = self.left + self.waiting.len();
            let value = pad.value;
            self.runs.push(Run { value, last });
        }
        self.waiting.push(place);
    }

    /// Lets a function pass as far as it can, and gives the number of moves that it does not pass. Their padding would
    /// be NaN.
    fn stay(&mut self, tape: &Tape) -> usize {
        let mut stay = 0;
        for run in self.runs.iter_mut().rev() {
            let value = tape.eval(&[run.value]);
            if value.is_nan() {
                stay = run.last + 1 - self.left;
                break;
            }
            run.value = value;
        }
        stay
    }

    /// A function has passed all that wait.
    fn pass(&mut self, function: NodeId) {
        self.runs.dedup_by(|next, run| {
            let same = next.value.to_bits() == run.value.to_bits();
            if same {
                run.last = next.last;
            }
            same
        });
        self.passed = Some((function, self.left + self.waiting.len()));
    }

    /// The first `count` moves stay where they are now.
    fn leave(&mut self, graph: &Graph, chain: &[NodeId], count: usize, links: &mut Vec<Link>) {
        let mut runs = self.runs.iter().peekable();
        for (number, from) in (self.left..).zip(self.waiting.drain(..count)) {
            while runs.next_if(|run| run.last < number).is_some() {}
            let mut op = graph.op(chain[from]).clone();
            if let (Op::Pad(pad), Some(run)) = (&mut op, runs.peek()) {
                pad.value = run.value;
            }
            let name = match self.passed {
                Some((function, before)) if number < before => function,
                _ => chain[from],
            };
            let name = graph.node(name).name.clone();
            links.push(Link { from, op, name });
        }
        self.left += count;
        self.runs.retain(|run| run.last >= self.left);
    }
}
