//! `verify`: whether a bundle gives what Keras, or another bundle, gives for the same inputs.

mod report;
mod run;

use super::engine::Place;
use super::print;
use keras_compile::arrays::{self, Difference, Tolerance};
use keras_compile::bundle::{ElementType, Slot};
use keras_compile::error::{Error, ErrorKind, Errors, Result};
use report::{Against, Output, Verdict};
use run::{Ran, port, run};
use std::path::PathBuf;

/// What to compare, and how.
#[derive(Debug)]
pub struct Options {
    /// The bundle, and where it runs.
    pub place: Place,
    /// A `.npz` file with its inputs.
    pub samples: PathBuf,
    /// What says what its outputs should be.
    pub expected: Option<Expected>,
    /// How far a number may be off, as a share of the largest magnitude that is expected of its output.
    pub max_error: Option<f64>,
    /// Whether JSON is printed.
    pub json: bool,
}

/// What says what outputs should be.
#[derive(Debug)]
pub enum Expected {
    /// A `.npz` file with the outputs.
    Arrays(PathBuf),
    /// Another bundle.
    Bundle(PathBuf),
}

/// Runs the bundle, compares and prints; tells whether all outputs agree.
///
/// # Errors
/// When the bundle cannot be run, or files do not fit it.
pub fn verify(options: &Options) -> Result<bool, Errors> {
    let Some(expected) = &options.expected else {
        return Err(Error::new(ErrorKind::Usage(
            "nothing says what the outputs should be".to_owned(),
        ))
        .help("pass --expect FILE.npz with the outputs that Keras gives, or --against DIR, another bundle")
        .into());
    };
    let ran = run(&options.place, &options.samples)?;
    let slots: Vec<&Slot> = ran.manifest.given().collect();
    let (against, arrays) = match expected {
        Expected::Arrays(path) => (Against::file(path), of_file(path, &slots, &ran)?),
        Expected::Bundle(directory) => {
            let place = Place {
                directory: directory.clone(),
                ..options.place.clone()
            };
            let other = run(&place, &options.samples)?;
            (
                Against::bundle(directory, &other),
                of_bundle(&place, &slots, &ran, other)?,
            )
        }
    };
    let outputs = slots.iter().zip(&ran.outputs).zip(&arrays);
    let outputs = outputs.map(|((slot, found), expected)| compared(slot, expected, found, options.max_error));
    let verdict = Verdict::new(options, &ran, against, outputs.collect());
    print(&if options.json {
        verdict.json()?
    } else {
        verdict.text()
    })?;
    Ok(verdict.agrees())
}

/// What a file says that the outputs should be.
fn of_file(path: &std::path::Path, slots: &[&Slot], ran: &Ran) -> Result<Vec<Vec<f64>>> {
    // Which type they were saved with does not matter.
    let ports: Vec<_> = slots
        .iter()
        .map(|slot| arrays::Port {
            integers: None,
            ..port(slot)
        })
        .collect();
    let mut rows = arrays::rows(path, &ports, "output")?;
    if rows.predictions != ran.predictions {
        return Err(Error::malformed(format!(
            "has outputs of {} predictions, the samples are for {}",
            rows.predictions, ran.predictions
        ))
        .in_file(path.display().to_string())
        .help("give both files as many rows"));
    }
    let array = |slot: &&Slot| rows.arrays.remove(&slot.name).map(|array| array.data);
    Ok(slots.iter().filter_map(array).collect())
}

/// What another bundle gives for these outputs.
fn of_bundle(place: &Place, slots: &[&Slot], ran: &Ran, mut other: Ran) -> Result<Vec<Vec<f64>>> {
    let wrong = |what: String| {
        Error::inconsistent(what)
            .in_file(place.directory.display().to_string())
            .help("compare bundles of one model")
    };
    let rows = |slot: &Slot, ran: &Ran| slot.shape.first().map_or(1, |batch| batch * ran.predictions);
    let names: Vec<(String, Vec<usize>, usize)> = other
        .manifest
        .given()
        .map(|slot| (slot.name.clone(), slot.shape.clone(), rows(slot, &other)))
        .collect();
    let array = |slot: &&Slot| {
        let at = names.iter().position(|(name, ..)| *name == slot.name);
        let Some(at) = at else {
            let all: Vec<_> = names.iter().map(|(name, ..)| format!("{name:?}")).collect();
            return Err(wrong(format!(
                "has no output {:?}, but {}",
                slot.name,
                all.join(", ")
            )));
        };
        let (_, shape, count) = &names[at];
        if shape.get(1..) != slot.shape.get(1..) || *count != rows(slot, ran) {
            return Err(wrong(format!(
                "output {:?} has shape {shape:?}, {:?} in the other bundle",
                slot.name, slot.shape
            )));
        }
        Ok(std::mem::take(&mut other.outputs[at]))
    };
    slots.iter().map(array).collect()
}

/// An output beside what was expected of it.
fn compared(slot: &Slot, expected: &[f64], found: &[f64], max_error: Option<f64>) -> Output {
    let tolerance = match max_error {
        Some(share) => Tolerance::Magnitude(share),
        None if matches!(slot.dtype, ElementType::Float32 | ElementType::Float64) => Tolerance::ROUNDING,
        None => Tolerance::None,
    };
    let rows = slot.shape.first().copied().unwrap_or(1).max(1);
    let each = (slot.shape.iter().product::<usize>() / rows).max(1);
    // Numbers along the first axis are of different samples.
    let last = slot
        .shape
        .get(1..)
        .and_then(<[usize]>::last)
        .copied()
        .unwrap_or(1);
    let mut difference = Difference::of(&slot.name);
    for (expected, found) in expected.chunks(each).zip(found.chunks(each)) {
        difference.add(expected, found, last);
    }
    let beyond = difference.beyond(expected, found, tolerance);
    Output::new(slot, &difference, tolerance, beyond)
}
