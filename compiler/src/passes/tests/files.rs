//! Before and after: files with a graph and what a pass, or the whole pipeline, makes of it.
//!
//! The first line is `pass NAME` or `pipeline`, the second says what to see. Behind `--- before` stands the graph that is read, behind
//! `--- after` and `--- said` what comes out. A difference fails. To accept it, run with `BLESS=1` and read what changed. For a new
//! case, write all up to the graph before, and run with `BLESS=1`.

use super::differential::distance;
use super::random::Random;
use crate::error::Result;
use crate::graph::Graph;
use crate::passes::{Done, Log, Missed, Options, PIPELINE, apply, run};
use crate::tensor::Tensor;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

/// A file of the folder.
struct File {
    path: PathBuf,
    text: String,
}

impl File {
    fn all() -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/passes");
        let entries = fs::read_dir(folder).expect("the folder exists");
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("the folder is readable").path())
            .collect();
        paths.sort();
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).expect("files are readable");
            Self { path, text }
        };
        paths.into_iter().map(read).collect()
    }

    /// The pass; none for the whole pipeline.
    fn pass(&self) -> Result<Option<&str>, String> {
        match self
            .text
            .lines()
            .next()
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
        {
            Some(("pass", name)) if PIPELINE.iter().any(|pass| pass.name == name) => Ok(Some(name)),
            Some(("pipeline", "")) => Ok(None),
            _ => Err("the first line is no `pass NAME` and no `pipeline`".into()),
        }
    }

    /// What the file is to hold.
    fn expected(&self) -> Result<String, String> {
        let (head, rest) = self
            .text
            .split_once("\n--- before\n")
            .ok_or("there is no graph before")?;
        let before = rest.split("--- after\n").next().unwrap_or(rest).trim_end();
        let graph: Graph = before
            .parse()
            .map_err(|error| format!("the graph before: {error}"))?;
        let wrong = |error: crate::error::Error| error.to_string();
        graph.verify().map_err(wrong)?;
        let mut after = graph.clone();
        let (done, missed) = passed(&mut after, self.pass()?).map_err(wrong)?;
        after.verify().map_err(wrong)?;
        compare(&graph, &after)?;
        let mut text = format!(
            "{}\n\n--- before\n{before}\n\n--- after\n{after}",
            head.trim_end()
        );
        if !done.is_empty() || !missed.is_empty() {
            text += "\n--- said\n";
        }
        done.iter()
            .for_each(|done| writeln!(text, "{done}").expect("strings grow"));
        missed
            .iter()
            .for_each(|missed| writeln!(text, "{missed}").expect("strings grow"));
        Ok(text)
    }
}

/// Runs a pass, or all; gives what they said.
fn passed(graph: &mut Graph, pass: Option<&str>) -> Result<(Vec<Done>, Vec<Missed>)> {
    match PIPELINE.iter().find(|row| pass == Some(row.name)) {
        Some(pass) => {
            let mut log = Log::default();
            log.enter(pass.name);
            apply(pass, graph, &mut log)?;
            Ok(log.finish())
        }
        None => run(graph, Options::default()).map(|report| (report.done, report.missed)),
    }
}

/// Whether two graphs compute the same, but for rounding.
fn compare(before: &Graph, after: &Graph) -> Result<(), String> {
    let mut random = Random::new(2);
    let inputs: Vec<Tensor> = before
        .inputs()
        .iter()
        .map(|&input| random.tensor(before.ty(input).shape.clone()))
        .collect();
    let run = |graph: &Graph| graph.eval(&inputs).map_err(|error| error.to_string());
    let (expected, found) = (run(before)?, run(after)?);
    if expected
        .iter()
        .any(|value| value.to_f32().iter().any(|v| v.is_nan()))
    {
        return Err("some results are no numbers".into());
    }
    match distance(&expected, &found) {
        small if small <= 1.0 => Ok(()),
        distance => Err(format!("results are off by {distance}\n{before}\n{after}")),
    }
}

#[test]
fn cases_are_as_recorded() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for file in File::all() {
        match file.expected() {
            Ok(expected) if bless => fs::write(&file.path, expected).expect("files are writable"),
            Ok(expected) if expected == file.text => {}
            Ok(expected) => wrong.push(format!("{}:\n{expected}", file.path.display())),
            Err(error) => wrong.push(format!("{}: {error}", file.path.display())),
        }
    }
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} differ; BLESS=1 accepts them\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_pass_has_a_case() {
    let files = File::all();
    for pass in PIPELINE {
        let known = files.iter().any(|file| file.pass() == Ok(Some(pass.name)));
        assert!(known, "{} has none", pass.name);
    }
}
