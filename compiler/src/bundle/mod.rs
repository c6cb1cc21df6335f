//! The directory that a page, a worker or Node loads: the code of backends, weights in shards, the runtime's files and a manifest.
//!
//! [`Target`] checks where it goes before the long work begins; [`write()`] fills a directory beside it and moves it
//! there in one step, so that nobody ever sees half a bundle. The same model gives the same bytes: nothing here
//! knows the time, a path or the order of a hash map. [`inspect()`] reads a bundle back and checks every hash. A manifest
//! may come from anywhere: [`open()`] gives only regular files inside the bundle.

mod arrival;
mod cancel;
mod claim;
mod compact;
mod directory;
mod element;
mod hash;
mod inspect;
mod join;
mod labels;
mod manifest;
mod owned;
mod package;
mod runtime;
mod shards;
mod stamp;
mod tokens;
mod types;

#[cfg(test)]
mod tests;

pub use cancel::CancelToken;
pub use directory::Target;
pub use element::ElementType;
pub use inspect::{Inspection, inspect, open};
pub use labels::{GivenOutput, Labelled, Labels};
pub use manifest::{EncodedPart, FileEntry, LabelFile, Manifest, Section, Slot, StringWork, WeightFiles};
pub use package::PackageName;
pub use shards::size as weight_bytes;

use crate::backends::{Build, CodeFile};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Binding, Plan, Weights};
use crate::preparation::{Picture, Preparation};
use crate::report;
use directory::Staging;
use manifest::{ENCODED_FORMAT, FORMAT, GENERATOR, MANIFEST};
use std::collections::BTreeMap;

/// What a bundle is made of.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The model's name.
    pub model: &'a str,
    /// What npm calls the bundle.
    pub package: &'a PackageName,
    /// Keras' element types of the plan's inputs.
    pub inputs: &'a [ElementType],
    /// Those of its outputs.
    pub outputs: &'a [ElementType],
    /// Inputs that an output of the prediction before stands for, each with that output.
    pub states: &'a [[usize; 2]],
    /// What a page passes, where that is not what the plan's inputs are.
    pub strings: Option<&'a Strings<'a>>,
    /// What pictures inputs take, by their names.
    pub pictures: &'a [(String, Picture)],
    /// The names of classes.
    pub labels: Option<&'a Labelled>,
    /// Plan and code for each backend.
    pub builds: &'a [Build],
    /// The most bytes that all files together may have, where there is a limit.
    pub most_bytes: Option<u64>,
}

/// What a page passes, and what becomes of it before a prediction.
#[derive(Debug)]
pub struct Strings<'a> {
    /// The inputs of the model.
    pub passed: Vec<Passed>,
    /// What becomes of them.
    pub preparation: &'a Preparation,
}

/// An input that a page passes.
#[derive(Debug)]
pub struct Passed {
    /// Keras' name.
    pub name: String,
    /// Extents, batch first.
    pub shape: Vec<usize>,
    /// Keras' element type.
    pub dtype: ElementType,
}

/// Writes a bundle; `progress` is told the bytes of weights as they are written. On failure nothing is left.
///
/// # Errors
/// When the operating system refuses, all is more than the limit, or the backends want different weights (a bug of ours).
pub fn write(contents: &Contents<'_>, target: &Target, progress: &mut dyn FnMut(u64)) -> Result<Manifest> {
    let builds = contents.builds;
    let plan = shared(builds)?;
    let mut staging = target.stage()?;
    let order = arrival::order(builds.iter().map(|build| &build.plan));
    let mut sections = BTreeMap::new();
    for build in builds {
        let section = add_code(build, &order, &mut staging)?;
        sections.insert(build.backend.name.to_owned(), section);
    }
    let mut weights = shards::write(&plan.weights, &mut staging, progress)?;
    weights.order = (!order.is_sorted()).then_some(order);
    let mut inputs = with_states(slots(&plan.inputs, contents.inputs)?, contents.states)?;
    let mut outputs = slots(&plan.outputs, contents.outputs)?;
    let strings = contents
        .strings
        .map(|strings| prepare(strings, &mut inputs, &mut outputs, &mut staging));
    let mut strings = strings.transpose()?;
    let passed = strings
        .as_mut()
        .map_or(&mut inputs, |strings| &mut strings.inputs);
    for (name, picture) in contents.pictures {
        if let Some(slot) = passed.iter_mut().find(|slot| slot.name == *name) {
            slot.picture = Some(picture.clone());
        }
    }
    let names = contents.labels.map_or(&[][..], |labels| &labels.names);
    let labels = contents
        .labels
        .map(|labels| labels.write(&mut staging))
        .transpose()?;
    let mut manifest = Manifest {
        format: match weights.encoded {
            Some(_) => ENCODED_FORMAT,
            None => FORMAT,
        },
        generator: GENERATOR.to_owned(),
        model: contents.model.to_owned(),
        inputs,
        outputs,
        strings,
        labels,
        backends: sections,
        weights,
        // What the scripts fetch; they themselves come after.
        files: staging.files().clone(),
    };
    runtime::add(&manifest, names, contents.package, builds, &mut staging)?;
    manifest.files = staging.files().clone();
    staging.add(MANIFEST, manifest.to_json()?.as_bytes())?;
    let (_, found) = manifest.total();
    if let Some(limit) = contents.most_bytes.filter(|&limit| found > limit) {
        let what = "the size of all files of the bundle in bytes".to_owned();
        let error = Error::new(ErrorKind::TooLarge { what, found, limit });
        return Err(error
            .in_file(target.shown())
            .help("store weights in fewer bits with --quantize, leave backends out, or raise the limit"));
    }
    target.commit(staging)?;
    Ok(manifest)
}

/// A plan for what is true of all: names and shapes of inputs and outputs, and the weights.
fn shared(builds: &[Build]) -> Result<&Plan> {
    let [Build { plan, .. }, others @ ..] = builds else {
        return Err(Error::internal("a bundle is to be written for no backend"));
    };
    let differs = |other: &Build| !same(&plan.weights, &other.plan.weights);
    match others.iter().find(|other| differs(other)) {
        None => Ok(plan),
        Some(other) => Err(Error::internal(format!(
            "the backends {} and {} want different weights",
            builds[0].backend.name, other.backend.name
        ))),
    }
}

/// Whether two packings of weights are the same bytes.
fn same(one: &Weights, other: &Weights) -> bool {
    // A weight may be no number, which equals nothing.
    let bits = |data: &[f32]| data.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let [one, other] = [one, other].map(|weights| weights.parts().map(|(at, data)| (at, bits(data))));
    one.eq(other)
}

/// Adds the code for a backend, and the file with what its steps do.
fn add_code(build: &Build, order: &[usize], staging: &mut Staging) -> Result<Section> {
    let steps = report::steps(&build.plan, build.backend.variants);
    let steps = serde_json::to_vec(&steps)
        .map_err(|error| Error::internal(format!("the steps cannot be written ({error})")))?;
    let emitted = &build.emitted;
    let mut add = |file: &CodeFile| {
        let name = staging.add_hashed(&format!("model-{}", file.label), file.end, &file.bytes)?;
        Ok((file.label.to_owned(), name))
    };
    let ready = match (order.len() > 1, emitted.whole_weights) {
        (true, false) => arrival::ready(&build.plan, order),
        _ => Vec::new(),
    };
    Ok(Section {
        ready,
        code: emitted.files.iter().map(&mut add).collect::<Result<_>>()?,
        memory: emitted.memory_bytes,
        steps: build.plan.steps.len(),
        profile: staging.add_hashed("steps", "bin", &steps)?,
        own: emitted.section.clone(),
    })
}

/// The manifest's view of inputs or outputs.
fn slots(bindings: &[Binding], dtypes: &[ElementType]) -> Result<Vec<Slot>> {
    if bindings.len() != dtypes.len() {
        return Err(Error::internal(format!(
            "{} element types for {} inputs or outputs",
            dtypes.len(),
            bindings.len()
        )));
    }
    let slot = |(binding, &dtype): (&Binding, &ElementType)| Slot {
        name: binding.name.clone(),
        shape: binding.ty.shape.dims().to_vec(),
        dtype,
        range: binding.range.map(|range| [range.first, range.end]),
        state: None,
        of: None,
        words: None,
        picture: None,
    };
    Ok(bindings.iter().zip(dtypes).map(slot).collect())
}

/// Says of inputs which values they are and of outputs what they become, and adds the file with vocabularies.
fn prepare(
    strings: &Strings<'_>,
    inputs: &mut [Slot],
    outputs: &mut [Slot],
    staging: &mut Staging,
) -> Result<StringWork> {
    let preparation = strings.preparation;
    let mut given = preparation.given.iter();
    for slot in inputs.iter_mut().filter(|slot| slot.state.is_none()) {
        slot.of = given.next().copied();
    }
    for (output, words) in &preparation.spoken {
        let slot = outputs.get_mut(*output);
        slot.ok_or_else(|| Error::internal("strings are no output"))?
            .words = Some(words.clone());
    }
    let slot = |passed: &Passed| Slot {
        name: passed.name.clone(),
        shape: passed.shape.clone(),
        dtype: passed.dtype,
        range: None,
        state: None,
        of: None,
        words: None,
        picture: None,
    };
    let vocabularies = match &preparation.vocabularies[..] {
        [] => None,
        all => {
            let text = serde_json::to_vec(all);
            let text =
                text.map_err(|error| Error::internal(format!("vocabularies cannot be written ({error})")))?;
            Some(staging.add_hashed("vocabularies", "bin", &text)?)
        }
    };
    Ok(StringWork {
        inputs: strings.passed.iter().map(slot).collect(),
        steps: preparation.steps.clone(),
        vocabularies,
    })
}

/// Inputs of which some are states.
fn with_states(mut inputs: Vec<Slot>, states: &[[usize; 2]]) -> Result<Vec<Slot>> {
    for &[input, output] in states {
        let slot = inputs.get_mut(input);
        slot.ok_or_else(|| Error::internal("a state is no input"))?.state = Some(output);
    }
    Ok(inputs)
}
