//! What a bundle that is there differs in from what its model gives now.

use keras_compile::bundle::{self, Manifest, Slot};
use keras_compile::error::{Collector, Error, Errors};
use keras_compile::report::bytes;
use std::fs;
use std::path::Path;

/// The manifest's own file, which no manifest lists.
const MANIFEST: &str = "manifest.json";

/// Compares the bundle at `found` with the one that was made for it.
///
/// # Errors
/// Every file that is not as its bundle says, or is not the bundle's; or what is different.
pub fn check(found: &Path, made: &Manifest, model: &Path) -> Result<(), Errors> {
    let shown = found.display().to_string();
    let again = "run keras-compile build and commit what it writes";
    let inspected = bundle::inspect(found).map_err(|error| error.instead(again))?;
    let strangers = strangers(found, &inspected.manifest).into_iter().map(|name| {
        let what = format!("{name:?} is not a file of the bundle");
        Error::inconsistent(what)
            .in_file(&shown)
            .help("move it away, or keep it elsewhere")
    });
    let damaged = inspected.problems.into_iter().map(|error| error.instead(again));
    let mut problems = Collector::default();
    damaged.chain(strangers).for_each(|error| problems.push(error));
    problems.finish(())?;
    let changes = changes(&inspected.manifest, made);
    if changes.is_empty() {
        return Ok(());
    }
    let what = format!("is not what {} gives: {}", model.display(), changes.join("; "));
    Err(Error::inconsistent(what).in_file(&shown).help(again).into())
}

/// Files that the manifest does not list.
fn strangers(directory: &Path, manifest: &Manifest) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut strange: Vec<_> = names
        .filter(|name| name != MANIFEST && !manifest.files.contains_key(name))
        .collect();
    strange.sort();
    strange
}

/// What is different, a clause each.
fn changes(old: &Manifest, new: &Manifest) -> Vec<String> {
    let mut all = Vec::new();
    let mut differs = |what: &str, [old, new]: [String; 2]| {
        if old != new {
            all.push(format!("{what} {old} there, and {new} now"));
        }
    };
    differs("it is by", [&old.generator, &new.generator].map(Clone::clone));
    differs(
        "the model's name is",
        [&old.model, &new.model].map(|name| format!("{name:?}")),
    );
    differs("inputs are", [&old.inputs, &new.inputs].map(|slots| ports(slots)));
    differs(
        "outputs are",
        [&old.outputs, &new.outputs].map(|slots| ports(slots)),
    );
    differs(
        "backends are",
        [old, new].map(|manifest| {
            let names: Vec<_> = manifest.backends.keys().map(String::as_str).collect();
            names.join(", ")
        }),
    );
    differs(
        "weights are",
        [old, new].map(|manifest| {
            let sizes = manifest.weight_sizes();
            let encodings: Vec<_> = sizes
                .iter()
                .map(|(encoding, [size, _])| {
                    format!(
                        "{} in {}",
                        bytes(*size),
                        encoding.map_or("f32".to_owned(), |e| e.to_string())
                    )
                })
                .collect();
            encodings.join(", ")
        }),
    );
    if old.weights.shards != new.weights.shards && old.weights.bytes == new.weights.bytes {
        all.push("weights are other numbers".to_owned());
    }
    if all.is_empty() && old != new {
        let files = new
            .files
            .iter()
            .filter(|&(name, entry)| old.files.get(name) != Some(entry));
        let names: Vec<_> = files.map(|(name, _)| name.as_str()).take(5).collect();
        all.push(match names.is_empty() {
            true => "its manifest is another one".to_owned(),
            false => format!("{} differ", names.join(", ")),
        });
    }
    all
}

/// Inputs or outputs in a line.
fn ports(slots: &[Slot]) -> String {
    let each = |slot: &Slot| format!("{:?} {:?}", slot.name, slot.shape);
    slots.iter().map(each).collect::<Vec<_>>().join(", ")
}
