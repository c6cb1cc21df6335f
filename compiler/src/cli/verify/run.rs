//! Runs a bundle on samples.

use crate::cli::engine::{Place, Script};
use keras_compile::arrays::{self, Port};
use keras_compile::bundle::{ElementType, Manifest, Slot};
use keras_compile::error::{Error, ErrorKind, Errors, Result};
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

/// Most bytes of results.
const MOST_RESULTS: usize = 1 << 30;

/// Most bytes of the line before them.
const HEAD: usize = 1 << 20;

/// Up to which magnitude every integer is a double.
const EXACT: i128 = 1 << 53;

/// What a bundle gave.
#[derive(Debug)]
pub struct Ran {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The backend that ran.
    pub backend: String,
    /// The variant of its code.
    pub module: String,
    /// What is to be known of the machine.
    pub about: Option<&'static str>,
    /// How many predictions.
    pub predictions: usize,
    /// The numbers of each output that a page gets, in order, one prediction after the other.
    pub outputs: Vec<Vec<f64>>,
}

/// The line before the results.
#[derive(Deserialize)]
struct Head {
    error: Option<String>,
    backend: Option<String>,
    module: Option<String>,
}

/// Reads samples and runs the bundle on them.
///
/// # Errors
/// When the bundle is damaged or cannot be run, or the samples do not fit it.
pub fn run(place: &Place, samples: &Path) -> Result<Ran, Errors> {
    let manifest = place.manifest()?;
    let (backend, _) = place.preferred(&manifest)?;
    let inputs: Vec<&Slot> = manifest.passed().collect();
    let outputs: Vec<&Slot> = manifest.given().collect();
    let texts = inputs
        .iter()
        .chain(&outputs)
        .find(|slot| slot.element() == ElementType::String);
    if let Some(slot) = texts {
        let what = format!("{:?} is of strings, which are not compared", slot.name);
        return Err(Error::new(ErrorKind::Usage(what))
            .in_file(place.directory.display().to_string())
            .help("compile the part of the model without them: --inputs and --outputs name its layers")
            .into());
    }
    let ports: Vec<Port<'_>> = inputs.iter().map(|slot| port(slot)).collect();
    let rows = arrays::rows(samples, &ports, "input")?;
    let mut bytes = Vec::new();
    for prediction in 0..rows.predictions {
        for (slot, port) in inputs.iter().zip(&ports) {
            let count = port.count();
            let data = rows
                .arrays
                .get(&slot.name)
                .map(|array| &array.data[prediction * count..][..count]);
            add(&mut bytes, slot.dtype, data.unwrap_or_default());
        }
    }
    let counts: Vec<usize> = outputs.iter().map(|slot| slot.shape.iter().product()).collect();
    let results = (8 * counts.iter().sum::<usize>()).saturating_mul(rows.predictions);
    if results > MOST_RESULTS {
        return Err(Error::new(ErrorKind::TooLarge {
            what: "the size of all results in bytes".to_owned(),
            found: results as u64,
            limit: MOST_RESULTS as u64,
        })
        .in_file(samples.display().to_string())
        .help("take fewer samples")
        .into());
    }
    let described = inputs.iter().zip(&ports);
    let described = described
        .map(|(slot, port)| json!({ "name": slot.name, "dtype": slot.dtype, "count": port.count() }));
    let settings = json!({
        "backend": backend.name,
        "predictions": rows.predictions,
        "inputs": described.collect::<Vec<_>>(),
        "outputs": outputs.iter().map(|slot| &slot.name).collect::<Vec<_>>(),
    });
    let script = Script {
        text: include_str!("predict.js").to_owned(),
        settings: settings.to_string(),
        samples: bytes.into(),
        most: HEAD + results,
    };
    let ((head, outputs), about) = place.run(backend, &script, |answer| {
        split(&answer, &counts, rows.predictions)
    })?;
    Ok(Ran {
        backend: head.backend.unwrap_or_default(),
        module: head.module.unwrap_or_default(),
        about,
        predictions: rows.predictions,
        outputs,
        manifest,
    })
}

/// What an input or output takes or gives.
pub fn port(slot: &Slot) -> Port<'_> {
    use ElementType::{
        Bool, Float32, Float64, Int8, Int16, Int32, Int64, String, Uint8, Uint16, Uint32, Uint64,
    };
    Port {
        name: &slot.name,
        shape: &slot.shape,
        integers: match slot.dtype {
            Float32 | Float64 | String => None,
            Bool => Some([0, 1]),
            Int8 => Some([i8::MIN.into(), i8::MAX.into()]),
            Int16 => Some([i16::MIN.into(), i16::MAX.into()]),
            Int32 => Some([i32::MIN.into(), i32::MAX.into()]),
            Int64 => Some([-EXACT, EXACT]),
            Uint8 => Some([0, u8::MAX.into()]),
            Uint16 => Some([0, u16::MAX.into()]),
            Uint32 => Some([0, u32::MAX.into()]),
            Uint64 => Some([0, EXACT]),
        },
    }
}

/// The elements as the array of a page has them.
fn add(bytes: &mut Vec<u8>, dtype: ElementType, data: &[f64]) {
    for &value in data {
        match dtype {
            ElementType::Float32 => bytes.extend((value as f32).to_le_bytes()),
            ElementType::Float64 => bytes.extend(value.to_le_bytes()),
            ElementType::Bool | ElementType::Uint8 => bytes.push(value as u8),
            ElementType::Int8 => bytes.extend((value as i8).to_le_bytes()),
            ElementType::Int16 => bytes.extend((value as i16).to_le_bytes()),
            ElementType::Int32 => bytes.extend((value as i32).to_le_bytes()),
            ElementType::Int64 => bytes.extend((value as i64).to_le_bytes()),
            ElementType::Uint16 => bytes.extend((value as u16).to_le_bytes()),
            ElementType::Uint32 => bytes.extend((value as u32).to_le_bytes()),
            ElementType::Uint64 => bytes.extend((value as u64).to_le_bytes()),
            // Refused before.
            ElementType::String => {}
        }
    }
}

/// The line and the results of an answer; or what it says went wrong.
fn split(answer: &[u8], counts: &[usize], predictions: usize) -> Result<(Head, Vec<Vec<f64>>), String> {
    let said = || String::from_utf8_lossy(&answer[..answer.len().min(HEAD)]).into_owned();
    let end = answer
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(answer.len());
    let head: Head = serde_json::from_slice(&answer[..end]).map_err(|_| said())?;
    if let Some(error) = head.error {
        return Err(error);
    }
    let (numbers, rest) = answer.get(end + 1..).unwrap_or_default().as_chunks::<8>();
    let each = counts.iter().sum::<usize>();
    if numbers.len() != each * predictions || !rest.is_empty() {
        return Err("its results have other sizes than its manifest says".to_owned());
    }
    let mut outputs: Vec<Vec<f64>> = counts
        .iter()
        .map(|count| Vec::with_capacity(count * predictions))
        .collect();
    let mut numbers = numbers.iter().map(|bytes| f64::from_le_bytes(*bytes));
    for _ in 0..predictions {
        for (output, count) in outputs.iter_mut().zip(counts) {
            output.extend(numbers.by_ref().take(*count));
        }
    }
    Ok((head, outputs))
}
