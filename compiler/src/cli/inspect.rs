//! `inspect`: what is in a model or a bundle.

mod objects;
mod summary;

use super::print;
use crate::ModelArgs;
use flate2::Compression;
use flate2::write::GzEncoder;
use keras_compile::bundle::{self, Inspection, Manifest, Slot};
use keras_compile::error::{Collector, Error, Errors};
use keras_compile::report::{Align, Table, bytes, grouped, weight_sizes};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Shows a model, or a bundle if the path is a directory; with `json` as an object, of problems too. With `head` it is the tags for pages of
/// a bundle that lies there.
pub fn inspect(args: &ModelArgs, head: Option<&str>, json: bool) -> Result<(), Errors> {
    let source = args.source()?;
    // A model may be a folder elsewhere, which is said where models are read.
    let is_bundle = source.model.is_dir() && !source.model.join("saved_model.pb").exists();
    match (is_bundle, head, json) {
        (true, Some(base), _) => tags(&source.model, base),
        (false, Some(_), _) => {
            let file = source.model.display().to_string();
            let error = Error::malformed("is no bundle: --html-head prints tags for one").in_file(file);
            Err(error
                .help("name the directory that a compilation has written")
                .into())
        }
        (true, None, false) => bundle(&source.model),
        (true, None, true) => objects::bundle(&source.model),
        (false, None, false) => summary::model(&source),
        (false, None, true) => objects::model(&source),
    }
}

/// Prints what has a browser fetch the script and the weights of a bundle at once, before a script asks for them.
fn tags(directory: &Path, base: &str) -> Result<(), Errors> {
    let Inspection { manifest, problems } = bundle::inspect(directory)?;
    print(&head(&manifest, base))?;
    let mut collector = Collector::default();
    problems.into_iter().for_each(|problem| collector.push(problem));
    collector.finish(())
}

/// The tags: which code is taken is known only in the browser. A script fetches as `crossorigin` says, else nothing could be reused.
fn head(manifest: &Manifest, base: &str) -> String {
    let base = base
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    let slash = if base.is_empty() || base.ends_with('/') {
        ""
    } else {
        "/"
    };
    let mut text = format!("<link rel=\"modulepreload\" href=\"{base}{slash}index.js\">\n");
    for name in manifest.weights.in_order() {
        text += &format!("<link rel=\"preload\" as=\"fetch\" crossorigin href=\"{base}{slash}{name}\">\n");
    }
    text
}

/// The contents of a bundle with their sizes, and whether they are what the manifest says.
fn bundle(directory: &Path) -> Result<(), Errors> {
    let Inspection { manifest, problems } = bundle::inspect(directory)?;
    let mut text = format!("model {:?}, written by {}\n", manifest.model, manifest.generator);
    let slots = |kind: &str, slots: &mut dyn Iterator<Item = &Slot>| {
        let line = |slot: &Slot| format!("{kind} {:?} {} {:?}\n", slot.name, slot.element(), slot.shape);
        slots.map(line).collect::<String>()
    };
    text += &slots("input ", &mut manifest.passed());
    text += &slots("output", &mut manifest.given());
    text += &slots("state ", &mut manifest.states());
    for (name, section) in &manifest.backends {
        let (steps, memory) = (section.steps, bytes(section.memory));
        text += &format!("{name}   {steps} steps in {memory} of memory\n");
    }
    text += "\n";
    let mut table = Table::new(&[
        ("file", Align::Left),
        ("bytes", Align::Right),
        ("gzip", Align::Right),
    ]);
    let mut sums = [0; 2];
    let weights = |name: &str| manifest.weights.shards.iter().any(|shard| shard == name);
    let names = manifest.files.keys().map(String::as_str).chain(["manifest.json"]);
    for name in names.filter(|name| !weights(name)) {
        // Those that cannot be read are among the problems.
        let Ok((file, _)) = bundle::open(directory, name) else {
            continue;
        };
        let Ok([raw, packed]) = sizes(file) else { continue };
        sums = [sums[0] + raw, sums[1] + packed];
        table.row(vec![name.to_owned(), grouped(raw), grouped(packed)]);
    }
    table.rule();
    table.row(vec![
        "before weights".to_owned(),
        grouped(sums[0]),
        grouped(sums[1]),
    ]);
    table.row(vec![
        format!("weights ({})", manifest.weights.shards.len()),
        grouped(manifest.weight_sizes().values().map(|both| both[0]).sum()),
    ]);
    let encoded = match manifest.weights.encoded {
        Some(_) => format!("weights: {}\n", weight_sizes(&manifest.weight_sizes())),
        None => String::new(),
    };
    print(&(text + &table.to_string() + &encoded))?;
    let mut collector = Collector::default();
    problems.into_iter().for_each(|problem| collector.push(problem));
    collector.finish(())
}

/// Bytes of a file as it is and compressed.
fn sizes(mut file: File) -> io::Result<[u64; 2]> {
    let mut packed = GzEncoder::new(Count(0), Compression::best());
    let raw = io::copy(&mut file, &mut packed)?;
    Ok([raw, packed.finish()?.0])
}

/// Counts what is written to it.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0 += data.len() as u64;
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The problem with a layer, if it has one.
fn unsupported<'a>(errors: &'a Errors, path: &str) -> Option<&'a Error> {
    let of = |error: &&Error| error.place.layer.as_deref() == Some(path);
    errors.as_slice().iter().find(of)
}
