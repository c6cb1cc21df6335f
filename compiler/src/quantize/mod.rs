//! Small weights: constants whose numbers can be written in fewer bits.
//!
//! Where a layer's weights are to have an encoding, the constant of the graph becomes the numbers that decoding gives, with
//! what they are made of beside it ([`Encoded`](crate::tensor::Encoded)). All that comes after computes with these numbers and
//! knows nothing of it: evaluation, plans, checks and kernels see what a page will have decoded. Weights are encoded after all
//! passes, so that what was folded into them is in them.

mod compare;
mod encode;
mod found;
mod integers;
mod response;
mod rules;
mod search;

pub use compare::{Comparison, LayerError, Samples, compare};
pub use encode::{Unfit, encode};
pub use integers::{Fewest, Floats, Integers, integers};
pub use rules::{Choice, Rules};
pub use search::{Goal, Searched, search};

pub use crate::arrays::Difference;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId};
use crate::tensor::Encoding;
use std::collections::BTreeSet;
use std::fmt;

/// Weights that stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The layer.
    pub layer: String,
    /// How many numbers.
    pub elements: usize,
    /// Why.
    pub why: Reason,
}

/// Why weights stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// That was the choice.
    Chosen,
    /// They are fewer than so many.
    Small(usize),
    /// Something else reads them, too.
    Shared,
    /// Their numbers have no code.
    Unfit(Encoding, Unfit),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("as chosen"),
            Self::Small(least) => write!(f, "in constants of fewer than {least}"),
            Self::Shared => f.write_str("not only weights"),
            Self::Unfit(_, Unfit::NotFinite) => f.write_str("not all finite"),
            Self::Unfit(_, Unfit::TooLarge) => f.write_str("beyond half precision's 65504"),
        }
    }
}

/// What became of the weights of a graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// What has no encoding.
    pub kept: Vec<Kept>,
    /// Layers whose weights kernels read in an order in which no encoding can be told.
    pub unencoded: BTreeSet<String>,
    /// Which encodings were found, if some were looked for.
    pub searched: Option<Searched>,
    /// Which layers compute with integers, if any should.
    pub integers: Option<Integers>,
    /// How far layers and results are off.
    pub compared: Comparison,
    /// Of what results are; none where they are not known.
    pub from: Option<String>,
}

/// Gives weights their encodings.
///
/// # Errors
/// When a pattern matches no layer with weights, or encodings are to be looked for, which [`search()`] does.
pub fn apply(graph: &mut Graph, rules: &Rules) -> Result<Report> {
    let sites = sites(graph, rules)?;
    if rules.has_auto() {
        return Err(Error::internal("nobody looks for encodings"));
    }
    let wanted: Vec<_> = sites.iter().map(Site::fixed).collect();
    let original = graph.clone();
    found::assign(graph, &original, &wanted, &mut vec![None; wanted.len()])?;
    Ok(Report {
        kept: kept(&sites),
        ..Report::default()
    })
}

/// Weights, and what they are to be.
struct Site {
    /// The layer that reads them first.
    layer: String,
    /// How many numbers.
    elements: usize,
    /// Elements of a matrix, and channels.
    shape: [usize; 2],
    /// The node of the whole graph that computes with them.
    user: NodeId,
    /// Whether that multiplies its first input with them.
    multiplied: bool,
    /// What they are to be; or why they stay as they are.
    choice: std::result::Result<Choice, Reason>,
}

impl Site {
    /// The encoding that is not looked for.
    fn fixed(&self) -> Option<Encoding> {
        match self.choice {
            Ok(Choice::Fixed(encoding)) => encoding,
            Ok(Choice::Auto) | Err(_) => None,
        }
    }
}

/// All weights in the order of [`found::walk`].
fn sites(graph: &Graph, rules: &Rules) -> Result<Vec<Site>> {
    let mut sites = Vec::new();
    found::walk(graph, &mut |own, weights, user| {
        let data = own.constant(weights.id);
        let data = data.ok_or_else(|| Error::internal("weights are no constant"))?;
        let data = data.as_f32()?;
        let choice = match rules.of(&weights.layer) {
            Choice::Fixed(None) => Err(Reason::Chosen),
            _ if data.len() < rules.least() => Err(Reason::Small(rules.least())),
            _ if weights.shared => Err(Reason::Shared),
            Choice::Fixed(Some(encoding)) => match encode::unfit(data, encoding) {
                Some(unfit) => Err(Reason::Unfit(encoding, unfit)),
                None => Ok(Choice::Fixed(Some(encoding))),
            },
            Choice::Auto => match encode::unfit(data, Encoding::Int8) {
                Some(unfit) => Err(Reason::Unfit(Encoding::Int8, unfit)),
                None => Ok(Choice::Auto),
            },
        };
        sites.push(Site {
            layer: weights.layer.clone(),
            elements: data.len(),
            shape: weights.shape,
            user,
            multiplied: weights.which == 1 && user == weights.user,
            choice,
        });
        Ok(())
    })?;
    let layers: BTreeSet<&str> = sites.iter().map(|site| site.layer.as_str()).collect();
    if let Some(pattern) = rules.idle(&layers).next() {
        let what = format!("no layer with weights matches {pattern:?}");
        let mut all: Vec<&str> = Vec::new();
        let names = sites.iter().map(|site| site.layer.as_str());
        names.for_each(|name| {
            if !all.contains(&name) {
                all.push(name);
            }
        });
        return Err(Error::new(ErrorKind::Usage(what)).help(format!("there are {}", all.join(", "))));
    }
    Ok(sites)
}

fn kept(sites: &[Site]) -> Vec<Kept> {
    let of = |site: &Site| {
        let why = site.choice.err()?;
        Some(Kept {
            layer: site.layer.clone(),
            elements: site.elements,
            why,
        })
    };
    sites.iter().filter_map(of).collect()
}
