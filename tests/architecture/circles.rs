//! Circles of files that name each other.

use super::paths::Mention;
use super::source::Crate;
use std::collections::{BTreeMap, BTreeSet};

/// Sets of files of one top module that all lead to each other, with more than one file.
///
/// That the root of a module names what lies below it, and what lies below uses what the root keeps for all, is no
/// circle: a root is where its children meet. Children that name each other are.
pub fn circles<'c>(tree: &'c Crate, mentions: &BTreeSet<Mention>) -> Vec<Vec<&'c str>> {
    let name = |file: usize| tree.files[file].name.as_str();
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for mention in mentions {
        let (from, to) = (name(mention.file), name(mention.target));
        if from != to && top(from) == top(to) && !is_root_of(from, to) && !is_root_of(to, from) {
            edges.entry(from).or_default().insert(to);
        }
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|&file| (file, reach(&edges, file))).collect();
    let mut circles: Vec<Vec<&str>> = Vec::new();
    for (&file, reached) in &reach {
        let circle: Vec<&str> = reached
            .iter()
            .copied()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(file)))
            .collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

/// All files that a file leads to.
fn reach<'c>(edges: &BTreeMap<&'c str, BTreeSet<&'c str>>, from: &'c str) -> BTreeSet<&'c str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(next) = open.pop() {
        let targets = edges.get(next).into_iter().flatten();
        open.extend(targets.filter(|&&target| found.insert(target)));
    }
    found
}

/// The part of the line that a file belongs to.
pub fn top(file: &str) -> &str {
    file.split(['/', '.'])
        .next()
        .expect("split gives at least one part")
}

/// Whether a file is the root of a module that holds the other.
fn is_root_of(root: &str, other: &str) -> bool {
    let directory = match root.strip_suffix("mod.rs") {
        Some(directory) => directory.to_owned(),
        None => root.replace(".rs", "/"),
    };
    other.starts_with(&directory)
}
