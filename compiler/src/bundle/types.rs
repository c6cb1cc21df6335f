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

/// The place of what only models have that name classes, and what stands there.
const CLASSIFY: &str = "  // keras-compile: classify\n";
const CLASSIFIES: &str = "  /**
   * The likeliest classes of a sample, `top` of them (5 when absent), the likeliest first; of a batch a list of such lists. Rejects
   * as `predict` does.
   */
  classify(x: PredictInput | GpuInputs, options?: { top?: number | undefined }): Promise<CLASSES>;
";

/// The template with the types of this model and of the backends that its bundle holds.
pub(super) fn declare(
    template: &str,
    manifest: &Manifest,
    labels: &[String],
    backends: &[&Backend],
) -> Result<String> {
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
/** The names of the classes; none without --labels. */
export type Label = {};
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
{}",
        members(&inputs, taken)?,
        members(&outputs, given)?,
        named(labels)?,
        infos(&inputs)?,
        infos(&outputs)?,
        union(backends.iter().map(|backend| backend.name)),
        union(variants.map(|variant| variant.name)),
        after.replacen(CLASSIFY, &classify(manifest), 1),
    ))
}

/// What a model has that names classes: of one sample a list, of several a list of lists.
fn classify(manifest: &Manifest) -> String {
    let Some(labels) = &manifest.labels else {
        return String::new();
    };
    let output = manifest.outputs.iter().find(|slot| slot.name == labels.output);
    let before = |slot: &Slot| slot.shape.iter().rev().skip(1).product::<usize>();
    let classes = match output.map_or(1, before) {
        1 => "Classified[]",
        _ => "Classified[][]",
    };
    CLASSIFIES.replacen("CLASSES", classes, 1)
}

/// The type of these names, or of any where they are many.
fn named(labels: &[String]) -> Result<String> {
    /// Lists that nobody would read only make editors slow.
    const LISTED: usize = 100;
    if labels.len() > LISTED {
        return Ok("string".to_owned());
    }
    let names: BTreeSet<_> = labels.iter().map(|label| quoted(label)).collect::<Result<_>>()?;
    let names: Vec<_> = names.into_iter().collect();
    Ok(match names.is_empty() {
        true => "never".to_owned(),
        false => names.join(" | "),
    })
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
    let pictures = match &slot.picture {
        None => "",
        Some(picture)
            if picture.height * picture.width * picture.channels == slot.shape.iter().product::<usize>() =>
        {
            " | Picture | readonly [Picture]"
        }
        Some(_) => " | readonly Picture[]",
    };
    let arrays = match slot.element() {
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
    };
    arrays + pictures
}

/// The type of one of these names.
fn union(names: impl Iterator<Item = &'static str>) -> String {
    let names: BTreeSet<_> = names.map(|name| format!("'{name}'")).collect();
    names.into_iter().collect::<Vec<_>>().join(" | ")
}
