//! The directory that a page, a worker or Node loads: modules, weights in shards, the runtime's files and a manifest.
//!
//! [`Target`] checks where it goes before the long work begins; [`write()`] fills a directory beside it and moves it
//! there in one step, so that nobody ever sees half a bundle. The same model gives the same bytes: nothing here
//! knows the time, a path or the order of a hash map. [`inspect()`] reads a bundle back and checks every hash. A manifest
//! may come from anywhere: [`open()`] gives only regular files inside the bundle.

mod cancel;
mod claim;
mod directory;
mod inspect;
mod join;
mod manifest;
mod owned;
mod package;
mod runtime;
mod shards;
mod types;

#[cfg(test)]
mod tests;

pub use cancel::CancelToken;
pub use directory::Target;
pub use inspect::{Inspection, inspect, open};
pub use manifest::{Backends, FileEntry, Manifest, Memory, Slot, Storage, Threads, Wasm, WeightFiles};
pub use package::PackageName;
pub use shards::SHARD_BYTES;

use crate::backends::wasm::{COMMAND_AT, Module};
use crate::error::{Error, Result};
use crate::plan::{Binding, Plan};
use crate::report;
use crate::tensor::DType;
use directory::Staging;
use manifest::{FORMAT, GENERATOR, MANIFEST};

/// What a bundle is made of.
pub struct Contents<'a> {
    /// The model's name.
    pub model: &'a str,
    /// What npm calls the bundle.
    pub package: &'a PackageName,
    /// The plan that the modules were made from.
    pub plan: &'a Plan,
    /// Keras' element types of the plan's inputs, as TypedArrays know them (`float32`, `int64`, `bool` …).
    pub inputs: &'a [String],
    /// Those of its outputs.
    pub outputs: &'a [String],
    /// The module with relaxed SIMD.
    pub relaxed: &'a Module,
    /// The module without.
    pub baseline: &'a Module,
    /// The same two for threads, unless the bundle is to run on one thread only.
    pub threaded: Option<[&'a Module; 2]>,
}

/// Writes a bundle; `progress` is told the bytes of weights as they are written. On failure nothing is left.
///
/// # Errors
/// When the operating system refuses, or the modules lay out the memory differently (a bug of ours).
pub fn write(contents: &Contents<'_>, target: &Target, progress: &mut dyn FnMut(u64)) -> Result<Manifest> {
    let Contents {
        plan,
        relaxed,
        baseline,
        threaded,
        ..
    } = *contents;
    let layout = |m: &Module| (m.weights_at, m.arena_at, m.pages);
    let others = threaded.into_iter().flatten().chain([baseline]);
    if others.into_iter().any(|module| layout(module) != layout(relaxed)) {
        return Err(Error::internal("the modules lay out the memory differently"));
    }
    let mut staging = target.stage()?;
    let wasm = add_modules(contents, &mut staging)?;
    let shards = shards::write(&plan.weights, &mut staging, progress)?;
    let steps = serde_json::to_vec(&report::steps(plan))
        .map_err(|error| Error::internal(format!("the steps cannot be written ({error})")))?;
    let profile = staging.add_hashed("steps", "bin", &steps)?;
    let mut manifest = Manifest {
        format: FORMAT,
        generator: GENERATOR.to_owned(),
        model: contents.model.to_owned(),
        inputs: slots(&plan.inputs, contents.inputs, relaxed.arena_at)?,
        outputs: slots(&plan.outputs, contents.outputs, relaxed.arena_at)?,
        memory: Memory { pages: relaxed.pages },
        prepare: plan.prepare.len(),
        steps: plan.steps.len(),
        profile,
        backends: Backends { wasm: Some(wasm) },
        weights: WeightFiles {
            offset: relaxed.weights_at,
            bytes: plan.weights.bytes(),
            ready: shards::ready(plan),
            shards,
        },
        // What the scripts fetch; they themselves come after.
        files: staging.files().clone(),
    };
    runtime::add(&manifest, contents.package, &mut staging)?;
    manifest.files = staging.files().clone();
    staging.add(MANIFEST, manifest.to_json()?.as_bytes())?;
    target.commit(staging)?;
    Ok(manifest)
}

fn add_modules(contents: &Contents<'_>, staging: &mut Staging) -> Result<Wasm> {
    let mut add = |name: &str, module: &Module| staging.add_hashed(name, "wasm", &module.bytes);
    Ok(Wasm {
        relaxed: add("model-relaxed", contents.relaxed)?,
        baseline: add("model-baseline", contents.baseline)?,
        threads: match contents.threaded {
            Some([relaxed, baseline]) => Some(Threads {
                relaxed: add("model-threads-relaxed", relaxed)?,
                baseline: add("model-threads-baseline", baseline)?,
                scratch: relaxed.scratch_bytes,
                command: COMMAND_AT,
                useful: relaxed.useful_threads,
            }),
            None => None,
        },
    })
}

/// The manifest's view of inputs or outputs.
fn slots(bindings: &[Binding], dtypes: &[String], arena_at: usize) -> Result<Vec<Slot>> {
    if bindings.len() != dtypes.len() {
        return Err(Error::internal(format!(
            "{} element types for {} inputs or outputs",
            dtypes.len(),
            bindings.len()
        )));
    }
    let slot = |(binding, dtype): (&Binding, &String)| Slot {
        name: binding.name.clone(),
        shape: binding.ty.shape.dims().to_vec(),
        dtype: dtype.clone(),
        storage: match binding.ty.dtype {
            DType::F32 => Storage::F32,
            DType::I32 => Storage::I32,
        },
        offset: arena_at + binding.offset,
        range: binding.range.map(|range| [range.first, range.end]),
    };
    Ok(bindings.iter().zip(dtypes).map(slot).collect())
}
