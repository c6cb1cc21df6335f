//! Encodings that are looked for: the smallest with which a network's error stays below a bound, or the most exact ones that fit.
//!
//! Of each constant, only encodings are candidates that err less than a mixture of its others would at the same size. Going from one to
//! the next smaller one is a step, with a price: the noise that it adds for each byte that it saves. Steps are taken in the order of their
//! prices, as Lagrange has it, so that every number of steps is the best for its size as far as the estimate goes; how many, the network
//! itself says. What is measured is evaluated in double precision and one order, and decisions are made of three digits of it, so that
//! they are the same on every machine.

use super::compare::{Samples, work};
use super::response::Network;
use super::{Choice, Report, Rules, Site, kept, sites};
use crate::arrays::Difference;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::tensor::{Encoding, Grouping};
use std::collections::{BTreeMap, BTreeSet};

/// So much work goes into evaluating candidates, but no fewer and no more than [`TRIES`].
const WORK: u64 = 64_000_000_000;

/// Evaluations of the whole network.
const TRIES: [u64; 2] = [5, 24];

/// So much work a candidate may take; of more samples, the first are looked at before all are.
const EACH: u64 = 4_000_000_000;

/// Bytes of the levels of four bits.
const TABLE: usize = 64;

/// What is looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Goal {
    /// The largest error of an output, as a share of the largest magnitude that the output has without encodings.
    pub max_error: Option<f64>,
    /// Bytes of all weights in the files of a bundle.
    pub max_bytes: Option<u64>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Searched {
    /// The encoding of each constant, by its layer, with how many numbers it has.
    pub chosen: Vec<(String, usize, Option<Encoding>)>,
    /// How many predictions were evaluated.
    pub evaluated: usize,
}

/// A step to a smaller encoding.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    /// Noise for a byte.
    price: f64,
    /// Of which constant.
    site: usize,
    /// The smaller encoding.
    to: Encoding,
    /// What it adds to the energy of the noise.
    noise: f64,
    /// What it saves, nearly.
    bytes: usize,
}

/// Looks for encodings and gives weights these. `size` tells the bytes of all weights in the files of a bundle; `before` is called before
/// each prediction and may end it all.
///
/// # Errors
/// When there is no such choice, a pattern matches no layer, or that of `before`.
pub fn search(
    graph: &mut Graph,
    rules: &Rules,
    goal: Goal,
    samples: &Samples,
    size: &mut dyn FnMut(&Graph) -> Result<u64>,
    before: &mut dyn FnMut() -> Result<()>,
) -> Result<Report> {
    let sites = sites(graph, rules)?;
    let auto = sites
        .iter()
        .enumerate()
        .filter(|(_, site)| site.choice == Ok(Choice::Auto));
    let auto: Vec<usize> = auto.map(|(at, _)| at).collect();
    let original = graph.clone();
    let each = work(&original).max(1);
    let looked = (EACH / each).clamp(1, samples.len().max(1) as u64) as usize;
    let mut network = Network::new(&original, &sites, samples, looked.min(samples.len()), before)?;
    let noise = network.noise(&sites, &auto, before)?;
    let steps = steps(&sites, &auto, &noise);
    let mut search = Search {
        fixed: sites.iter().map(Site::fixed).collect(),
        steps: &steps,
        network: &mut network,
        before,
    };
    let wanted = match (goal.max_bytes, goal.max_error) {
        (Some(bytes), max_error) => {
            let taken = search.fitting(bytes, size)?;
            let wanted = search.encodings(taken);
            if let Some(most) = max_error {
                search.check(&wanted, most, bytes)?;
            }
            wanted
        }
        (None, max_error) => search.exact(max_error.unwrap_or(0.0), each)?,
    };
    network.assign(&wanted)?;
    *graph = network.graph;
    let chosen = auto
        .iter()
        .map(|&at| (sites[at].layer.clone(), sites[at].elements, wanted[at]));
    Ok(Report {
        kept: kept(&sites),
        searched: Some(Searched {
            chosen: chosen.collect(),
            evaluated: network.evaluated,
        }),
        ..Report::default()
    })
}

/// Bytes in files, but for what alignment adds.
fn bytes(site: &Site, encoding: Encoding) -> usize {
    let [block, lanes] = site.shape;
    let rows = (block / lanes.max(1)).max(1);
    let scales = |rows: usize| {
        let grouping = Grouping {
            block,
            lanes,
            rows,
            head: false,
        };
        4 * grouping.scales(site.elements)
    };
    match encoding {
        Encoding::F16 => 2 * site.elements,
        Encoding::Int8 => site.elements + scales(rows),
        Encoding::Int4 => site.elements / 2 + scales(rows.min(super::encode::ROWS)) + TABLE,
    }
}

/// All steps in the order of their prices.
fn steps(sites: &[Site], auto: &[usize], noise: &[BTreeMap<Encoding, f64>]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (&site, noise) in auto.iter().zip(noise) {
        let (mut size, mut energy) = (4 * sites[site].elements, 0.0);
        let mut left: Vec<(Encoding, usize, f64)> = noise
            .iter()
            .map(|(&encoding, &noise)| (encoding, bytes(&sites[site], encoding), noise))
            .collect();
        loop {
            left.retain(|(_, bytes, _)| *bytes < size);
            let price = |&(_, bytes, noise): &(Encoding, usize, f64)| {
                rounded((noise - energy).max(0.0) / (size - bytes) as f64)
            };
            // The least price; of equal ones the smallest.
            let next = left
                .iter()
                .min_by(|a, b| price(a).total_cmp(&price(b)).then(a.1.cmp(&b.1)));
            let Some(&(to, bytes, noise)) = next else { break };
            steps.push(Step {
                price: price(&(to, bytes, noise)),
                site,
                to,
                noise: (noise - energy).max(0.0),
                bytes: size - bytes,
            });
            (size, energy) = (bytes, noise);
        }
    }
    // A constant's own steps are in their order already, which sorting keeps.
    steps.sort_by(|a, b| a.price.total_cmp(&b.price).then(a.site.cmp(&b.site)));
    steps
}

/// The first digits of a number: what machines may differ in are its last ones.
fn rounded(value: f64) -> f64 {
    f64::from_bits((value.to_bits() + (1 << 31)) & !((1 << 32) - 1))
}

/// The largest error of an output, to three digits and upwards.
fn error(found: &[Difference]) -> f64 {
    let largest = found.iter().map(Difference::relative).fold(0.0, f64::max);
    let text = format!("{:.2e}", largest * 1.005);
    match largest > 0.0 && largest.is_finite() {
        true => text.parse().unwrap_or(f64::INFINITY),
        false => largest,
    }
}

struct Search<'s, 'a> {
    /// Encodings that are not looked for.
    fixed: Vec<Option<Encoding>>,
    steps: &'s [Step],
    network: &'s mut Network<'a>,
    before: &'s mut dyn FnMut() -> Result<()>,
}

impl Search<'_, '_> {
    /// What all weights have after so many steps.
    fn encodings(&self, taken: usize) -> Vec<Option<Encoding>> {
        let mut wanted = self.fixed.clone();
        self.steps[..taken]
            .iter()
            .for_each(|step| wanted[step.site] = Some(step.to));
        wanted
    }

    /// The error of an output with these encodings.
    fn error(&mut self, wanted: &[Option<Encoding>]) -> Result<f64> {
        Ok(error(&self.network.measure(wanted, self.before)?))
    }

    /// The smallest encodings with which the error is no larger, as far as is tried.
    fn exact(&mut self, most: f64, each: u64) -> Result<Vec<Option<Encoding>>> {
        let tries = WORK / each.saturating_mul(self.network.looked as u64);
        let tries = tries.clamp(TRIES[0], TRIES[1]);
        // So many steps are known to do, and so many not to.
        let (mut good, mut bad) = (0, self.steps.len() + 1);
        let mut noise: Vec<f64> = vec![0.0];
        for step in self.steps {
            noise.push(noise[noise.len() - 1] + step.noise);
        }
        // By how much the error is larger than the estimate.
        let mut factor = 1.0;
        let mut tried = 0;
        while tried < tries && bad - good > 1 {
            let by_estimate = noise.partition_point(|noise| factor * noise.sqrt() <= most);
            // The estimate may lead nowhere; halves always do.
            let next = match tried % 3 {
                2 => usize::midpoint(good, bad),
                _ => by_estimate.saturating_sub(1),
            };
            let next = next.clamp(good + 1, bad - 1);
            let error = self.error(&self.encodings(next))?;
            if noise[next] > 0.0 && error.is_finite() {
                factor = error / noise[next].sqrt();
            }
            match error <= most {
                true => good = next,
                false => bad = next,
            }
            tried += 1;
        }
        let wanted = self.further(good, tries - tried, most)?;
        self.network.look_at_all(self.before)?;
        if self.error(&wanted)? <= most {
            return Ok(wanted);
        }
        loop {
            let wanted = self.encodings(good);
            let error = self.error(&wanted)?;
            if error <= most {
                return Ok(wanted);
            }
            if good == 0 {
                let what = format!(
                    "the error is {error:.2e} with all that is looked for in f32, more than {most:e}"
                );
                return Err(Error::new(ErrorKind::Usage(what))
                    .in_field("--max-error")
                    .help("allow that much, or fix fewer layers to an encoding"));
            }
            good -= good.div_ceil(16);
        }
    }

    /// Steps behind those that were taken, one by one while evaluations are left: where one is too much, another may still do.
    fn further(&mut self, taken: usize, mut tries: u64, most: f64) -> Result<Vec<Option<Encoding>>> {
        let mut wanted = self.encodings(taken);
        let mut closed = BTreeSet::new();
        for step in &self.steps[taken..] {
            if tries == 0 {
                break;
            }
            if closed.contains(&step.site) {
                continue;
            }
            let before = wanted[step.site].replace(step.to);
            if self.error(&wanted)? > most {
                wanted[step.site] = before;
                closed.insert(step.site);
            }
            tries -= 1;
        }
        Ok(wanted)
    }

    /// The fewest steps after which weights take no more bytes.
    fn fitting(&mut self, most: u64, size: &mut dyn FnMut(&Graph) -> Result<u64>) -> Result<usize> {
        let mut bytes = |search: &mut Self, taken: usize| {
            (search.before)()?;
            let wanted = search.encodings(taken);
            search.network.assign(&wanted)?;
            size(&search.network.graph)
        };
        let all = self.steps.len();
        let smallest = bytes(self, all)?;
        if smallest > most {
            let what = format!("the weights take {smallest} bytes at least, more than {most}");
            return Err(Error::new(ErrorKind::Usage(what))
                .in_field("--max-bytes")
                .help("allow that many, or fix fewer layers to a larger encoding"));
        }
        let largest = bytes(self, 0)?;
        if largest <= most {
            return Ok(0);
        }
        // So many steps are too few, and so many enough.
        let (mut few, mut enough) = (0, all);
        let mut size = (largest, smallest);
        while enough - few > 1 {
            let saved: usize = self.steps[few..enough].iter().map(|step| step.bytes).sum();
            let share = (size.0 - most) as f64 / (size.0 - size.1).max(1) as f64;
            let mut left = share * saved as f64;
            let by_estimate = self.steps[few..enough].iter().take_while(|step| {
                left -= step.bytes as f64;
                left > 0.0
            });
            let next = (few + by_estimate.count() + 1).clamp(few + 1, enough - 1);
            match bytes(self, next)? {
                found if found > most => (few, size.0) = (next, found),
                found => (enough, size.1) = (next, found),
            }
            if enough - few > 8 {
                // Halves as well, lest the estimate is off on one side.
                let next = usize::midpoint(few, enough);
                match bytes(self, next)? {
                    found if found > most => (few, size.0) = (next, found),
                    found => (enough, size.1) = (next, found),
                }
            }
        }
        Ok(enough)
    }

    /// Whether the error is no larger with these encodings, which are needed.
    fn check(&mut self, wanted: &[Option<Encoding>], most: f64, bytes: u64) -> Result<()> {
        self.network.look_at_all(self.before)?;
        let error = self.error(wanted)?;
        if error <= most {
            return Ok(());
        }
        let what = format!("the error is {error:.2e} with weights of {bytes} bytes, more than {most:e}");
        Err(Error::new(ErrorKind::Usage(what))
            .in_field("--max-error")
            .help("allow that much, or more bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Graph};
    use crate::tensor::TensorType;

    fn sites(count: usize) -> Vec<Site> {
        let mut graph = Graph::new();
        let mut build = Builder::new(&mut graph, "layer");
        let user = build.input("x", TensorType::f32([1, 1])).unwrap();
        let site = |_| Site {
            layer: "layer".to_owned(),
            elements: 64 * 64,
            shape: [64 * 64, 64],
            user,
            multiplied: true,
            choice: Ok(Choice::Auto),
        };
        (0..count).map(site).collect()
    }

    #[test]
    fn steps_go_by_what_noise_a_byte_costs() {
        let [f16, int8, int4] = Encoding::ALL;
        let noise = [
            BTreeMap::from([(f16, 1e-8), (int8, 1e-5), (int4, 1e-2)]),
            // Half precision errs more than eight bits: nobody would have it.
            BTreeMap::from([(f16, 1e-4), (int8, 1e-6), (int4, 1e-3)]),
            BTreeMap::from([(f16, 0.0), (int8, 0.0), (int4, 0.0)]),
        ];
        let steps = steps(&sites(3), &[0, 1, 2], &noise);
        let taken: Vec<_> = steps.iter().map(|step| (step.site, step.to)).collect();
        assert_eq!(
            taken,
            [(2, int4), (0, f16), (1, int8), (0, int8), (1, int4), (0, int4)]
        );
        let bytes = |site: usize| {
            steps
                .iter()
                .filter(|step| step.site == site)
                .map(|step| step.bytes)
                .sum::<usize>()
        };
        assert_eq!([bytes(0), bytes(1)], [4 * 4096 - (2048 + 256 + 64); 2]);
        assert!(steps.is_sorted_by(|a, b| a.price <= b.price));
    }

    #[test]
    fn last_digits_decide_nothing() {
        for value in [1.0, 0.1, 3e-9, 0.0] {
            assert_eq!(
                rounded(value),
                rounded(f64::from_bits(f64::to_bits(value) + 3)),
                "{value}"
            );
            assert!((rounded(value) - value).abs() <= value * 1e-5);
        }
        let mut found = Difference::of("y");
        found.add(&[4.0], &[4.01], 1);
        assert_eq!([error(&[]), error(&[found])], [0.0, 2.51e-3]);
    }
}
