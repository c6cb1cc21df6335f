//! Before and after: the textual IR around a pass, or around the whole pipeline, one file for each case.
//!
//! A difference fails. To accept it, run with `BLESS=1` and read what changed.

use super::cases::CASES;
use super::differential::distance;
use super::layers::Net;
use super::random::Random;
use crate::graph::{Builder, Graph};
use crate::passes::{Log, Options, PIPELINE, apply, run};
use crate::tensor::Tensor;
use std::fmt::Write;
use std::path::PathBuf;

/// What a case runs.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// One pass alone.
    Pass(&'static str),
    /// All of them.
    Pipeline,
}

/// A graph and what happens to it.
pub struct Case {
    /// Name of the file.
    pub name: &'static str,
    /// What to see, in one line.
    pub about: &'static str,
    pub what: What,
    pub build: fn(&mut Net) -> crate::error::Result<()>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/passes")
}

fn build(case: &Case) -> Graph {
    let mut graph = Graph::new();
    let mut net = Net {
        b: Builder::new(&mut graph, ""),
        random: Random::new(1),
    };
    (case.build)(&mut net).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    graph
}

/// The text of a case; fails if results change.
fn text(case: &Case) -> String {
    let before = build(case);
    let mut after = before.clone();
    let (done, missed) = match case.what {
        What::Pass(name) => {
            let pass = PIPELINE
                .iter()
                .find(|pass| pass.name == name)
                .expect("a pass of the pipeline");
            let mut log = Log::default();
            log.enter(pass.name);
            apply(pass, &mut after, &mut log).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            log.finish()
        }
        What::Pipeline => {
            let report = run(&mut after, Options::default()).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            (report.done, report.missed)
        }
    };
    after.verify().unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let mut random = Random::new(2);
    let inputs: Vec<Tensor> = before
        .inputs()
        .iter()
        .map(|&input| random.tensor(before.ty(input).shape.clone()))
        .collect();
    let run = |graph: &Graph| graph.eval(&inputs).expect("the graph can be evaluated");
    let distance = distance(&run(&before), &run(&after));
    assert!(
        distance <= 1.0,
        "{}: off by {distance}\n{before}\n{after}",
        case.name
    );
    let mut text = format!("{}\n\n--- before\n{before}\n--- after\n{after}", case.about);
    if !done.is_empty() || !missed.is_empty() {
        text += "\n--- said\n";
    }
    done.iter()
        .for_each(|done| writeln!(text, "{done}").expect("strings grow"));
    missed
        .iter()
        .for_each(|missed| writeln!(text, "{missed}").expect("strings grow"));
    text
}

#[test]
fn cases_are_as_recorded() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for case in CASES {
        let path = folder().join(case.name).with_extension("txt");
        let found = text(case);
        if bless {
            std::fs::write(&path, found).expect("the folder is writable");
        } else if std::fs::read_to_string(&path).ok().as_ref() != Some(&found) {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ; BLESS=1 accepts them\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_file_is_a_case() {
    for entry in std::fs::read_dir(folder()).expect("the folder exists") {
        let path = entry.expect("the folder is readable").path();
        let known = CASES
            .iter()
            .any(|case| path.file_stem().is_some_and(|stem| stem == case.name));
        assert!(known, "{} belongs to no case", path.display());
    }
}

#[test]
fn every_pass_has_a_case() {
    for pass in PIPELINE {
        let known = CASES
            .iter()
            .any(|case| matches!(case.what, What::Pass(name) if name == pass.name));
        assert!(known, "{} has none", pass.name);
    }
}
