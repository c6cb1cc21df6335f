//! How a network responds to noise in its weights: what an encoding of one constant adds to the error of the outputs.
//!
//! Noise that is not correlated adds up by its energy. That of a layer's results is the noise of its weights, each squared and
//! multiplied by the mean square of what it is multiplied with, as a prediction has it; of the energy of the results without noise it is a
//! share, and what share of it arrives at the outputs is measured where predictions are cheap, by a network in which nothing else has noise,
//! and else taken to be the same for all layers. (Sung, Shin, Hwang, Resiliency of deep neural networks under quantization, 2015, has the
//! measure; Dong and others, HAWQ-V2, 2020, the sum over layers.)

use super::Site;
use super::compare::{Samples, add, differences, work};
use super::encode::encode;
use super::found::{assign, walk};
use crate::arrays::Difference;
use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::tensor::{Encoding, Tensor};
use std::collections::BTreeMap;

/// So much work goes into measuring how each layer's noise arrives at the outputs, or none does.
const PROBES: u64 = 8_000_000_000;

/// The network without noise, and one whose weights change.
pub(super) struct Network<'a> {
    original: &'a Graph,
    /// Weights are what `current` says.
    pub graph: Graph,
    current: Vec<Option<Encoding>>,
    /// What the original gives for each sample.
    expected: Vec<Vec<Tensor>>,
    samples: &'a Samples,
    /// How many of the samples are looked at.
    pub looked: usize,
    /// Mean squares by channel of what nodes have as their first input.
    squares: BTreeMap<NodeId, Vec<f64>>,
    /// How many predictions were evaluated.
    pub evaluated: usize,
}

impl<'a> Network<'a> {
    /// Evaluates the original.
    ///
    /// # Errors
    /// That of `before`, or when it cannot be evaluated.
    pub fn new(
        original: &'a Graph,
        sites: &[Site],
        samples: &'a Samples,
        looked: usize,
        before: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Self> {
        let mut squares: BTreeMap<NodeId, Vec<f64>> = BTreeMap::new();
        let mut expected = Vec::new();
        for inputs in &samples.predictions()[..looked] {
            before()?;
            expected.push(original.eval_seen(inputs, &mut |id, inputs, _| {
                if sites.iter().any(|site| site.multiplied && site.user == id)
                    && let Some(input) = inputs.first()
                {
                    let channels = input.shape().dims().last().copied().unwrap_or(1);
                    let sums = squares.entry(id).or_insert_with(|| vec![0.0; channels]);
                    for pixel in input.to_f32().chunks(channels) {
                        for (sum, &value) in sums.iter_mut().zip(pixel) {
                            *sum += f64::from(value) * f64::from(value);
                        }
                    }
                }
                Ok(())
            })?);
        }
        Ok(Self {
            original,
            graph: original.clone(),
            current: vec![None; sites.len()],
            expected,
            samples,
            looked,
            squares,
            evaluated: looked,
        })
    }

    /// Gives weights encodings.
    ///
    /// # Errors
    /// Never, since the graphs are the same.
    pub fn assign(&mut self, wanted: &[Option<Encoding>]) -> Result<()> {
        assign(&mut self.graph, self.original, wanted, &mut self.current)
    }

    /// How far the outputs are off with these encodings.
    ///
    /// # Errors
    /// That of `before`, or when the graph cannot be evaluated.
    pub fn measure(
        &mut self,
        wanted: &[Option<Encoding>],
        before: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<Difference>> {
        self.assign(wanted)?;
        let mut found = differences(self.original);
        for (inputs, expected) in self.samples.predictions().iter().zip(&self.expected) {
            before()?;
            add(&mut found, expected, &self.graph.eval(inputs)?);
            self.evaluated += 1;
        }
        Ok(found)
    }

    /// Looks at all samples from here on.
    ///
    /// # Errors
    /// That of `before`, or when the graph cannot be evaluated.
    pub fn look_at_all(&mut self, before: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        for inputs in &self.samples.predictions()[self.looked..] {
            before()?;
            self.expected.push(self.original.eval(inputs)?);
            self.evaluated += 1;
        }
        self.looked = self.samples.len();
        Ok(())
    }

    /// For each constant whose encoding is looked for, and each encoding that it can have, the energy of its noise at the outputs.
    ///
    /// # Errors
    /// That of `before`, or when the graph cannot be evaluated.
    pub fn noise(
        &mut self,
        sites: &[Site],
        auto: &[usize],
        before: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<BTreeMap<Encoding, f64>>> {
        let mut shares: Vec<BTreeMap<Encoding, f64>> = Vec::new();
        let mut at = 0;
        walk(self.original, &mut |graph, weights, _| {
            if auto.contains(&at) {
                before()?;
                let data = graph.constant(weights.id);
                let data = data.ok_or_else(|| Error::internal("weights are no constant"))?;
                shares.push(self.shares(&sites[at], data)?);
            }
            at += 1;
            Ok(())
        })?;
        let each = work(self.original).saturating_mul(self.looked as u64);
        if each.saturating_mul(auto.len() as u64) > PROBES {
            return Ok(shares);
        }
        for (&at, shares) in auto.iter().zip(&mut shares) {
            let Some((&encoding, &share)) = shares.last_key_value() else {
                continue;
            };
            let mut wanted = vec![None; sites.len()];
            wanted[at] = Some(encoding);
            let found = self.measure(&wanted, before)?;
            let energy = found
                .iter()
                .map(|output| output.relative_rms().powi(2))
                .fold(0.0, f64::max);
            let gain = if share > 0.0 { energy / share } else { 0.0 };
            shares.values_mut().for_each(|share| *share *= gain);
        }
        Ok(shares)
    }

    /// The energy of a constant's noise as a share of its signal, in the results of its node.
    fn shares(&self, site: &Site, tensor: &Tensor) -> Result<BTreeMap<Encoding, f64>> {
        let data = tensor.as_f32()?;
        let squares = self.squares.get(&site.user).filter(|_| site.multiplied);
        let of_group = tensor.shape().dims().iter().rev().nth(1).copied().unwrap_or(1);
        let squares = squares.filter(|squares| squares.len().is_multiple_of(of_group.max(1)));
        let energy = |numbers: &mut dyn Iterator<Item = f64>| {
            let [block, lanes] = site.shape;
            let groups = squares.map_or(1, |squares| squares.len() / of_group);
            let per_group = (lanes / groups).max(1);
            let mut sum = 0.0;
            for (i, number) in numbers.enumerate() {
                let channel = |squares: &Vec<f64>| {
                    let (row, lane) = (i % block / lanes, i % lanes);
                    let channel = lane / per_group * of_group + row % of_group;
                    squares.get(channel).copied().unwrap_or(1.0)
                };
                sum += number * number * squares.map_or(1.0, channel);
            }
            sum
        };
        let signal = energy(&mut data.iter().map(|&value| f64::from(value)));
        let mut shares = BTreeMap::new();
        for encoding in Encoding::ALL {
            let Ok((_, numbers)) = encode(data, site.shape, encoding) else {
                continue;
            };
            let both = data.iter().zip(&numbers);
            let noise = energy(&mut both.map(|(&a, &b)| f64::from(a) - f64::from(b)));
            shares.insert(encoding, if noise > 0.0 { noise / signal } else { 0.0 });
        }
        Ok(shares)
    }
}
