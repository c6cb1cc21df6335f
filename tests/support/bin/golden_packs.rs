//! `golden-packs DIR SELECTION GOLDEN…`: compiles many goldens for all backends, and writes what a browser needs to run
//! them, many in a file: `DIR/0.pack`, `DIR/1.pack` …, and `DIR/dist`, a bundle whose scripts load them all.
//!
//! SELECTION is `all`, or `each` for the first golden of every shader, whatever the numbers in it. The variable `GOLDEN` names those whose id contains it.
//! With `MACHINE=hardware` software runs what is meant for GPUs, too.
//!
//! A pack is the length of its header as u32, the header as JSON, then the bytes that the header points into. It prints how
//! many packs there are, how many goldens in them, and how many were left out because the compiler has to refuse them.

use keras_compile::bundle::Manifest;
use keras_compile_tests::bundles::{self, Compiled, Named};
use keras_compile_tests::cases::lowered;
use keras_compile_tests::goldens::{Case, Data, cases};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

/// Bytes after which the next pack begins.
const PACK: usize = 8 << 20;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (dir, each, goldens) = match args.as_slice() {
        [dir, which, goldens @ ..] if which == "all" => (dir, false, goldens),
        [dir, which, goldens @ ..] if which == "each" => (dir, true, goldens),
        _ => panic!("usage: golden-packs DIR all|each GOLDEN..."),
    };
    let filter = std::env::var("GOLDEN").unwrap_or_default();
    let all = goldens.iter().flat_map(|golden| cases(Path::new(golden)));
    let wanted: Vec<Case> = all.filter(|case| case.id.contains(&filter)).collect();
    match write(&wanted, each, Path::new(dir)) {
        Ok(summary) => println!("{summary}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn write(cases: &[Case], each: bool, dir: &Path) -> Result<Value, Box<dyn Error>> {
    fs::create_dir_all(dir)?;
    let (bundle, scripts) = (dir.join("bundle"), dir.join("dist"));
    let (mut packs, mut count, mut refused) = (0, 0, 0);
    let mut pack = Pack::default();
    let mut seen = BTreeSet::new();
    let mut speaks = false;
    for case in cases {
        let failed = |error: &dyn std::fmt::Display| format!("{} (Keras {}): {error}", case.id, case.keras);
        let Some(lowered) = lowered(case).map_err(|error| failed(&error))? else {
            refused += 1;
            continue;
        };
        let compiled = bundles::write(case, lowered, &bundle).map_err(|error| failed(&error))?;
        let kernels = kernels(&bundle, &compiled.manifest)?;
        if each && kernels.iter().all(|kernel| seen.contains(kernel)) {
            continue;
        }
        seen.extend(kernels);
        pack.add(case, &compiled, &bundle)?;
        count += 1;
        // One that has code for strings runs all others as well.
        if !scripts.exists() || (compiled.manifest.strings.is_some() && !speaks) {
            speaks = compiled.manifest.strings.is_some();
            if scripts.exists() {
                fs::remove_dir_all(&scripts)?;
            }
            fs::rename(&bundle, &scripts)?;
        }
        if pack.bytes.len() > PACK {
            std::mem::take(&mut pack).write(&dir.join(format!("{packs}.pack")))?;
            packs += 1;
        }
    }
    if !pack.cases.is_empty() {
        pack.write(&dir.join(format!("{packs}.pack")))?;
        packs += 1;
    }
    if bundle.exists() {
        fs::remove_dir_all(&bundle)?;
    }
    Ok(json!({ "packs": packs, "cases": count, "refused": refused, "kernels": seen.len() }))
}

/// The shaders of a bundle without the numbers in them: those that differ only by these do the same at other sizes.
fn kernels(bundle: &Path, manifest: &Manifest) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let mut found = BTreeSet::new();
    for section in manifest.backends.values() {
        let shaders = section
            .code
            .iter()
            .filter(|(label, _)| label.starts_with("shaders"));
        for (_, name) in shaders {
            let mut text = fs::read_to_string(bundle.join(name))?;
            text.retain(|c| !c.is_ascii_digit());
            let kernels = text
                .split("// program ")
                .flat_map(|part| part.split("// module "));
            found.extend(kernels.map(str::to_owned).filter(|kernel| !kernel.is_empty()));
        }
    }
    Ok(found)
}

/// A manifest without programs for software.
fn for_hardware(manifest: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut manifest: Value = serde_json::from_slice(manifest)?;
    let backends = manifest["backends"].as_object_mut().into_iter().flatten();
    for (_, section) in backends {
        if let Some(code) = section["code"].as_object_mut() {
            code.retain(|label, _| !label.ends_with("-software"));
        }
    }
    Ok(serde_json::to_vec(&manifest)?)
}

/// Goldens on their way into a file.
#[derive(Default)]
struct Pack {
    cases: Vec<Value>,
    bytes: Vec<u8>,
}

impl Pack {
    /// Appends bytes; gives where they are.
    fn put(&mut self, bytes: &[u8]) -> Value {
        // Floats can be looked at in place.
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend_from_slice(bytes);
        json!([self.bytes.len() - bytes.len(), bytes.len()])
    }

    fn tensors(&mut self, named: &Named) -> Value {
        let mut put = |(name, values): &(String, Data)| match values {
            Data::Floats(values) => {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                (name.clone(), self.put(&bytes))
            }
            Data::Strings(values) => (name.clone(), json!({ "strings": values })),
        };
        named
            .iter()
            .map(&mut put)
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn add(&mut self, case: &Case, compiled: &Compiled, bundle: &Path) -> Result<(), Box<dyn Error>> {
        let manifest = &compiled.manifest;
        let code = manifest
            .backends
            .values()
            .flat_map(|section| section.code.values());
        let vocabularies = manifest.strings.iter().flat_map(|strings| &strings.vocabularies);
        let names = code
            .chain(&manifest.weights.shards)
            .chain(vocabularies)
            .map(String::as_str);
        let mut files = serde_json::Map::new();
        for name in names.chain(["manifest.json"]) {
            let mut bytes = fs::read(bundle.join(name))?;
            if name == "manifest.json" && std::env::var("MACHINE").is_ok_and(|machine| machine == "hardware")
            {
                bytes = for_hardware(&bytes)?;
            }
            let place = self.put(&bytes);
            files.insert(name.to_owned(), place);
        }
        let mut predictions = Vec::new();
        for prediction in &compiled.predictions {
            let (inputs, expected) = (
                self.tensors(&prediction.inputs),
                self.tensors(&prediction.expected),
            );
            predictions.push(json!({ "inputs": inputs, "expected": expected }));
        }
        let (rtol, atol) = case.tolerance();
        let name = format!("{} (Keras {})", case.id, case.keras);
        self.cases.push(json!({
            "name": name, "files": files, "predictions": predictions, "rtol": rtol, "atol": atol,
        }));
        Ok(())
    }

    fn write(self, file: &Path) -> Result<(), Box<dyn Error>> {
        let mut header = json!(self.cases).to_string();
        // Spaces end JSON as well.
        header.extend(std::iter::repeat_n(
            ' ',
            header.len().next_multiple_of(4) - header.len(),
        ));
        let length = u32::try_from(header.len())?.to_le_bytes();
        fs::write(file, [&length, header.as_bytes(), &self.bytes].concat())?;
        Ok(())
    }
}
