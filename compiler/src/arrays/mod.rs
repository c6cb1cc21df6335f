//! Arrays of numbers in files, as inputs of predictions, and how far some are from others.

mod difference;
mod npz;

pub use difference::{Agreement, Difference, Tolerance};
pub use npz::{Array, read};

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// What a network takes or gives by a name.
#[derive(Debug, Clone, Copy)]
pub struct Port<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its extents, the batch first.
    pub shape: &'a [usize],
    /// The least and the largest integer that it can have, where it has integers only.
    pub integers: Option<[i128; 2]>,
}

impl Port<'_> {
    /// Numbers of a prediction.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Arrays for some ports, each of as many rows as whole predictions take.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// By the names of the ports.
    pub arrays: BTreeMap<String, Array>,
    /// How many predictions they are for.
    pub predictions: usize,
}

/// Reads an array for each port, by its name, of the same number of predictions for all; `role` says what ports are.
///
/// # Errors
/// When the file cannot be read, lacks an array, or its arrays do not fit.
pub fn rows(path: &Path, ports: &[Port<'_>], role: &str) -> Result<Rows> {
    let shown = path.display().to_string();
    let wrong = |what: String| Error::malformed(what).in_file(&shown);
    let (arrays, others) = read(path, |name| ports.iter().any(|port| port.name == name))?;
    let mut known: Option<(usize, &str)> = None;
    for port in ports {
        let Some(array) = arrays.get(port.name) else {
            let found = match others.is_empty() && arrays.is_empty() {
                true => "it has none".to_owned(),
                false => {
                    let all = arrays.keys().chain(&others).map(|name| format!("{name:?}"));
                    format!("it has {}", all.collect::<Vec<_>>().join(", "))
                }
            };
            let what = format!("has no array {:?} for the {role} of that name", port.name);
            return Err(wrong(what).help(format!(
                "{found}; write it with numpy.savez(FILE, **{{name: array}}), by the names of the {role}s"
            )));
        };
        let own = fit(array, port).map_err(|(what, help)| wrong(what).help(help))?;
        match known {
            Some((count, first)) if count != own => {
                return Err(wrong(format!(
                    "array {:?} is for {own} predictions, array {first:?} for {count}",
                    port.name
                ))
                .help("give all of them as many rows"));
            }
            _ => known = Some((own, port.name)),
        }
    }
    let predictions = known.map_or(1, |(count, _)| count);
    Ok(Rows { arrays, predictions })
}

/// How many predictions an array is for; or what is wrong with it, and what helps.
fn fit(array: &Array, port: &Port<'_>) -> std::result::Result<usize, (String, String)> {
    let (name, wanted) = (port.name, port.shape);
    let rows = array.shape.first().copied().unwrap_or(0);
    let batch = wanted.first().copied().unwrap_or(1);
    if array.shape.get(1..) != wanted.get(1..) || rows == 0 || batch == 0 || !rows.is_multiple_of(batch) {
        let what = format!(
            "array {name:?} has shape {:?}, which is no multiple of {wanted:?}",
            array.shape
        );
        let help = format!("its first axis is that of samples, of which a prediction takes {batch}");
        return Err((what, help));
    }
    if let Some([least, most]) = port.integers {
        // Bounds of 64 bits are rounded up, to what no integer of that type is.
        let inside = |value: f64| value.fract() == 0.0 && value >= least as f64 && value <= most as f64;
        if let Some(at) = array.data.iter().position(|&value| !inside(value)) {
            let (kind, value) = (array.kind.as_str(), array.data[at]);
            let what = format!("array {name:?} of type {kind:?} has {value} as number {at}");
            return Err((what, format!("{name:?} takes integers from {least} to {most}")));
        }
    }
    Ok(rows / batch)
}
