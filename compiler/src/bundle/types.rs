//! `index.d.ts` for one model.

use super::manifest::{Manifest, Slot};
use crate::error::{Error, Result};
use crate::text::printable;

/// Lines of the template between which the model's types lie.
const BEGIN: &str = "// keras-compile: the model {\n";
const END: &str = "// keras-compile: }\n";

/// The template with the types of this model.
pub(super) fn declare(template: &str, manifest: &Manifest) -> Result<String> {
    let parts = template
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| Error::internal("index.d.ts has no place for the model's types"))?;
    let Manifest { inputs, outputs, .. } = manifest;
    let bare = match inputs.as_slice() {
        [only] => format!(" | {}", taken(only)?),
        _ => String::new(),
    };
    Ok(format!(
        "{before}\
/** What `predict` takes: a typed array per input of the Keras model, by name. */
export interface Inputs {{
{}}}
/** What `predict` gives: a typed array per output of the Keras model, by name. */
export interface Outputs {{
{}}}
/** What `predict` accepts; a model with a single input also takes the bare array. */
export type PredictInput = Inputs{bare};
/** The inputs of this model, in Keras' order. */
export type InputInfos = readonly [
{}];
/** The outputs of this model, in Keras' order. */
export type OutputInfos = readonly [
{}];
/** The backends that this bundle holds. */
export type BackendName = 'wasm';
{after}",
        members(inputs, taken)?,
        members(outputs, given)?,
        infos(inputs)?,
        infos(outputs)?
    ))
}

fn members(slots: &[Slot], arrays: impl Fn(&Slot) -> Result<String>) -> Result<String> {
    let member = |slot: &Slot| {
        let count: usize = slot.shape.iter().product();
        let (dtype, shape) = (&slot.dtype, extents(slot));
        let (name, array) = (quoted(&slot.name)?, arrays(slot)?);
        Ok(format!(
            "  /** {dtype} [{shape}], {count} elements */\n  {name}: {array};\n"
        ))
    };
    slots.iter().map(member).collect()
}

fn infos(slots: &[Slot]) -> Result<String> {
    let info = |slot: &Slot| {
        let (name, shape, dtype) = (quoted(&slot.name)?, extents(slot), &slot.dtype);
        Ok(format!("  TensorInfo<{name}, readonly [{shape}], '{dtype}'>,\n"))
    };
    slots.iter().map(info).collect()
}

fn extents(slot: &Slot) -> String {
    let dims: Vec<_> = slot.shape.iter().map(ToString::to_string).collect();
    dims.join(", ")
}

/// A string literal: JSON's are TypeScript's too, and so is what Rust escapes of characters that cannot be seen.
fn quoted(name: &str) -> Result<String> {
    let literal = serde_json::to_string(name);
    let literal = literal.map_err(|error| Error::internal(format!("name {name:?}: {error}")))?;
    Ok(printable(&literal).into_owned())
}

/// The TypedArray of an output.
fn given(slot: &Slot) -> Result<String> {
    Ok(array(slot)?.to_owned())
}

/// The TypedArrays that an input takes: bytes as well where it holds all that they can be.
fn taken(slot: &Slot) -> Result<String> {
    Ok(match slot.dtype.as_str() {
        "int8" => given(slot)?,
        "bool" | "uint8" => "Bytes".to_owned(),
        _ => format!("{} | Bytes", array(slot)?),
    })
}

/// The TypedArray that stands for an element type.
fn array(slot: &Slot) -> Result<&'static str> {
    Ok(match slot.dtype.as_str() {
        "float32" => "Float32Array",
        "float64" => "Float64Array",
        "bool" | "uint8" => "Uint8Array",
        "int8" => "Int8Array",
        "int16" => "Int16Array",
        "int32" => "Int32Array",
        "int64" => "BigInt64Array",
        "uint16" => "Uint16Array",
        "uint32" => "Uint32Array",
        "uint64" => "BigUint64Array",
        other => return Err(Error::internal(format!("no TypedArray holds {other}"))),
    })
}
