//! Small weights: which encodings they get, and how far results are off with them.

use super::{Options, Prepared, plans};
use crate::bundle;
use crate::error::{self, Error, ErrorKind, Errors};
use crate::graph::Graph;
use crate::quantize;
use std::time::Instant;

impl Prepared {
    /// Gives weights their encodings, lets products multiply the codes of eight bits where that is asked for, and compares what the
    /// network gives with what it gave before; tells nothing where none is to have one.
    ///
    /// # Errors
    /// When a pattern matches no layer with weights, samples do not fit, encodings that are looked for cannot be had, or a graph cannot be
    /// evaluated.
    pub fn quantize(&mut self, options: &Options) -> Result<Option<quantize::Report>, Errors> {
        let rules = &options.quantize;
        if rules.is_empty() {
            return Ok(None);
        }
        if options.integers && rules.has_auto() {
            let what = "goes with encodings that are named: what auto finds is measured without it";
            let error = Error::new(ErrorKind::Usage(what.to_owned())).in_field("--compute");
            let help = "write --quantize int8, or leave --compute away";
            return Err(error.help(help).into());
        }
        let usage = |error: Error| match error.kind {
            ErrorKind::Usage(_) => error.in_field("--quantize"),
            _ => error,
        };
        let original = self.graph.clone();
        let samples = self.samples(&original, options)?;
        let mut before = || options.cancel.check();
        let mut report = match &samples {
            Some(samples) if rules.has_auto() => {
                let mut size = |graph: &Graph| {
                    let plans = plans(graph, &options.backends, options.code())?;
                    Ok(plans
                        .last()
                        .map_or(0, |(_, plan)| bundle::weight_bytes(&plan.weights)))
                };
                let graph = &mut self.graph;
                quantize::search(graph, rules, options.goal, samples, &mut size, &mut before)
            }
            _ => quantize::apply(&mut self.graph, rules),
        }
        .map_err(usage)?;
        if options.integers {
            report.integers = Some(quantize::integers(&mut self.graph, quantize::Fewest::default())?);
        }
        let begin = Instant::now();
        report.compared = quantize::compare(&original, &self.graph, samples.as_ref(), &mut before)?;
        let took = begin.elapsed().as_secs_f64();
        report.from = samples.map(|samples| {
            let from = options.samples.as_ref();
            let from = from.map_or("noise".to_owned(), |path| path.display().to_string());
            format!(
                "{} predictions from {from}, evaluated in {took:.1} s",
                samples.len()
            )
        });
        Ok(Some(report))
    }

    /// Inputs for which results are compared: those in a file, or noise where that takes no long time or is needed.
    fn samples(&self, graph: &Graph, options: &Options) -> error::Result<Option<quantize::Samples>> {
        let states: Vec<usize> = self.states.iter().map(|state| state.input).collect();
        match &options.samples {
            Some(path) if self.prepared.is_some() => {
                let what = "samples are not read for a model that takes strings".to_owned();
                Err(Error::new(ErrorKind::Usage(what)).in_file(path.display().to_string()))
            }
            Some(path) => quantize::Samples::read(path, graph, &states).map(Some),
            None => {
                let noise = match options.quantize.has_auto() {
                    true => Some(quantize::Samples::asked_noise(graph, &states)?),
                    false => quantize::Samples::noise(graph, &states)?,
                };
                let noise = noise.map(|noise| noise.with_pictures(&self.picture_inputs()));
                noise.transpose()
            }
        }
    }
}

/// Whether results are near enough with small weights.
pub(super) fn keeps_error(limit: Option<f64>, quantized: Option<&quantize::Report>) -> error::Result<()> {
    let (Some(limit), Some(report)) = (limit, quantized) else {
        return Ok(());
    };
    if report.from.is_none() {
        let what =
            "how far results are off is not known, since a network of this size is compared on samples only";
        return Err(Error::inconsistent(what).help("give some with --samples"));
    }
    // What is no number is over any limit.
    let over = report
        .compared
        .outputs
        .iter()
        .find(|output| output.relative().is_nan() || output.relative() > limit);
    over.map_or(Ok(()), |output| {
        let what = format!(
            "output {:?} is off by up to {:.2e} of its largest magnitude, more than the limit of {limit:e}",
            output.name,
            output.relative()
        );
        Err(Error::inconsistent(what).help("give weights more bits with --quantize, or raise the limit"))
    })
}
