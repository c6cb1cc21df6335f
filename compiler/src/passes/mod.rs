//! Graph optimisations, one file each. [`PIPELINE`] lists them in order.
//!
//! A pass keeps the graph's inputs, outputs and results (up to rounding); what it removes, it removes at once, so
//! that "has one user" is always true of the graph as it is. Every pass may be run on every graph, and
//! running it a second time changes nothing. The whole pipeline is repeated until no pass finds anything
//! to do, since a fusion can make room for another one. Bodies of scans are graphs too: every pass is run on them.

mod common;
mod dead_code;
mod fold_constants;
mod fold_scale;
mod fuse_epilogues;
mod fuse_maps;
mod identities;
mod linear;
mod log;
mod merge_pads;
mod merge_strides;
mod operands;
mod rewrite;
mod sink;

pub use log::{Done, Log, Missed, Reason};

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::ops::Op;
use std::sync::Arc;

/// One optimisation.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// Its name in reports and for `--stop-after`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Changes the graph, notes what it did and what it could not do, and returns the number of changes.
    pub run: fn(&mut Graph, &mut Log) -> Result<usize>,
}

/// All passes in the order in which they run.
pub const PIPELINE: &[Pass] = &[
    Pass {
        name: "dead_code",
        about: "remove what no output needs",
        run: dead_code::run,
    },
    Pass {
        name: "fold_constants",
        about: "compute what depends on constants only",
        run: fold_constants::run,
    },
    Pass {
        name: "identities",
        about: "remove operations that change nothing and merge those that follow each other",
        run: identities::run,
    },
    Pass {
        name: "common",
        about: "compute equal values once",
        run: common::run,
    },
    Pass {
        name: "sink_moves",
        about: "move reshapes, transposes and the like below scalar functions",
        run: sink::run,
    },
    Pass {
        name: "merge_pads",
        about: "merge explicit padding into the windows of convolutions and pools",
        run: merge_pads::run,
    },
    Pass {
        name: "merge_strides",
        about: "merge pools of single elements into the strides of convolutions",
        run: merge_strides::run,
    },
    Pass {
        name: "fold_scale",
        about: "fold scales and shifts of channels into the weights before or after them",
        run: fold_scale::run,
    },
    Pass {
        name: "fuse_maps",
        about: "fuse chains of scalar functions into one",
        run: fuse_maps::run,
    },
    Pass {
        name: "fuse_epilogues",
        about: "apply scalar functions to results before they are written",
        run: fuse_epilogues::run,
    },
];

/// Most repetitions of the pipeline. Networks need two or three: the last one finds nothing. Thousands of moves in a row
/// need dozens, since a round only does so many. Passes that still change the graph then would go on for ever.
const MAX_ROUNDS: usize = 1_000;

/// How to run the pipeline.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Stop after the first run of this pass.
    pub stop_after: Option<&'a str>,
    /// Check the graph's invariants after every pass. Always done in debug builds.
    pub verify: bool,
}

/// What the pipeline did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Changes of every pass, in the order of [`PIPELINE`].
    pub changes: Vec<(&'static str, usize)>,
    /// What was folded and fused.
    pub done: Vec<Done>,
    /// What was not, and why.
    pub missed: Vec<Missed>,
}

/// Optimises a graph.
///
/// # Errors
/// When `stop_after` names no pass; else only when a pass breaks an invariant of the graph, or they do not come to an end.
pub fn run(graph: &mut Graph, options: Options) -> Result<Report> {
    run_all(PIPELINE, graph, options)
}

/// Repeats these passes until none finds anything to do.
fn run_all(passes: &[Pass], graph: &mut Graph, options: Options) -> Result<Report> {
    if let Some(name) = options.stop_after
        && !passes.iter().any(|pass| pass.name == name)
    {
        let names: Vec<_> = passes.iter().map(|pass| pass.name).collect();
        return Err(Error::new(ErrorKind::Usage(format!("there is no pass {name:?}")))
            .help(format!("the passes are {}", names.join(", "))));
    }
    let mut log = Log::default();
    let mut changes: Vec<_> = passes.iter().map(|pass| (pass.name, 0)).collect();
    let mut busy = Vec::new();
    for _ in 0..MAX_ROUNDS {
        busy = round(passes, graph, options, &mut log, &mut changes)?;
        if busy.is_empty() {
            break;
        }
    }
    if !busy.is_empty() {
        let busy = busy.join(", ");
        return Err(Error::internal(format!("passes do not come to an end: {busy}")));
    }
    let (done, missed) = log.finish();
    Ok(Report {
        changes,
        done,
        missed,
    })
}

/// Runs every pass once, and counts what it changes; gives the names of those that changed something, none after the last pass that is
/// to run.
fn round(
    passes: &[Pass],
    graph: &mut Graph,
    options: Options,
    log: &mut Log,
    changes: &mut [(&'static str, usize)],
) -> Result<Vec<&'static str>> {
    log.next_round();
    let mut busy = Vec::new();
    for (pass, (_, total)) in passes.iter().zip(changes) {
        log.enter(pass.name);
        let count = apply(pass, graph, log)?;
        if options.verify || cfg!(debug_assertions) {
            graph
                .verify()
                .map_err(|error| error.in_field(format!("pass {}", pass.name)))?;
        }
        *total += count;
        if count > 0 {
            busy.push(pass.name);
        }
        if options.stop_after == Some(pass.name) {
            return Ok(Vec::new());
        }
    }
    Ok(busy)
}

/// Runs a pass on a graph and on the bodies of its scans.
fn apply(pass: &Pass, graph: &mut Graph, log: &mut Log) -> Result<usize> {
    graph.rewriting();
    let mut changes = (pass.run)(graph, log)?;
    for id in graph.order() {
        let Op::Scan(scan) = graph.op(id) else { continue };
        let mut scan = scan.clone();
        let inner = apply(pass, Arc::make_mut(&mut scan.body), log)?;
        if inner > 0 {
            let inputs = graph.inputs_of(id).to_vec();
            graph.replace(id, scan, &inputs)?;
        }
        changes += inner;
    }
    Ok(changes)
}

#[cfg(test)]
mod tests;
