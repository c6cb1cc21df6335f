//! `index.d.ts` for one model.

use super::element::ElementType;
use super::manifest::{Manifest, Slot};
use crate::backends::Backend;
use crate::error::{Error, Result};
use crate::text::printable;
use std::collections::BTreeSet;

/// Lines of the template between which the model's types lie.
const BEGIN: &str = "// keras-compile: the model {\n";
const END: &str = "// keras-compile: }\n";

/// The template with the types of this model and of the backends that its bundle holds.
pub(super) fn declare(template: &str, manifest: &Manifest, backends: &[&Backend]) -> Result<String> {
    let parts = template
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| Error::internal("index.d.ts has no place for the model's types"))?;
    let inputs: Vec<&Slot> = manifest.passed().collect();
    let outputs: Vec<&Slot> = manifest.given().collect();
    let bare = match inputs[..] {
        [only] => format!(" | {}", taken(only)),
        _ => String::new(),
    };
    let variants = backends.iter().flat_map(|backend| backend.variants);
    Ok(format!(
        "{before}\
/** What `predict` takes: an array per input of the Keras model, by name. */
export interface Inputs {{
{}}}
/** What `predict` gives: an array per output of the Keras model, by name. */
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
export type BackendName = {};
/** The variants of their code. */
export type ModuleName = {};
{after}",
        members(&inputs, taken)?,
        members(&outputs, given)?,
        infos(&inputs)?,
        infos(&outputs)?,
        union(backends.iter().map(|backend| backend.name)),
        union(variants.map(|variant| variant.name)),
    ))
}

fn members(slots: &[&Slot], arrays: impl Fn(&Slot) -> String) -> Result<String> {
    let member = |slot: &&Slot| {
        let count: usize = slot.shape.iter().product();
        let (dtype, shape) = (slot.element(), extents(slot));
        let (name, array) = (quoted(&slot.name)?, arrays(slot));
        Ok(format!(
            "  /** {dtype} [{shape}], {count} elements */\n  {name}: {array};\n"
        ))
    };
    slots.iter().map(member).collect()
}

fn infos(slots: &[&Slot]) -> Result<String> {
    let info = |slot: &&Slot| {
        let (name, shape, dtype) = (quoted(&slot.name)?, extents(slot), slot.element());
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

/// The array of an output.
fn given(slot: &Slot) -> String {
    match slot.element() {
        ElementType::String => "string[]".to_owned(),
        element => element.array().to_owned(),
    }
}

/// The TypedArrays that an input takes: bytes as well where it holds all that they can be, integers of 32 bits where it
/// holds fewer, and plain numbers where it holds more.
fn taken(slot: &Slot) -> String {
    let own = given(slot);
    match slot.element() {
        // A single string may come without an array.
        ElementType::String if slot.shape.iter().product::<usize>() == 1 => {
            "readonly string[] | string".to_owned()
        }
        ElementType::String => "readonly string[]".to_owned(),
        ElementType::Bool => "Bytes".to_owned(),
        ElementType::Uint8 => "Bytes | Int32Array".to_owned(),
        ElementType::Int8 => format!("{own} | Int32Array"),
        ElementType::Int16 | ElementType::Uint16 | ElementType::Uint32 => {
            format!("{own} | Int32Array | Bytes")
        }
        ElementType::Int64 | ElementType::Uint64 => format!("{own} | readonly (number | bigint)[] | Bytes"),
        ElementType::Int32 | ElementType::Float32 | ElementType::Float64 => format!("{own} | Bytes"),
    }
}

/// The type of one of these names.
fn union(names: impl Iterator<Item = &'static str>) -> String {
    let names: BTreeSet<_> = names.map(|name| format!("'{name}'")).collect();
    names.into_iter().collect::<Vec<_>>().join(" | ")
}
