//! `build`: all models of a project, as its recipe says; or whether the bundles that are there are what they give.

mod changes;
mod recipe;

use super::{print, signals};
use keras_compile::bundle::CancelToken;
use keras_compile::error::{Collector, Error, ErrorKind, Errors};
use keras_compile::report::bytes;
use keras_compile::{Options, Outcome};
use recipe::Entry;
use std::fs;
use std::path::{Path, PathBuf};

/// Compiles every model of a recipe; with `check`, beside, and compares. With `annotate` problems are annotations too.
///
/// # Errors
/// All problems of the recipe, of all models, and every bundle that differs.
pub fn build(recipe: &Path, check: bool, annotate: bool) -> Result<(), Errors> {
    let done = all(recipe, check);
    if let (Err(errors), true) = (&done, annotate) {
        let lines: String = errors.as_slice().iter().map(annotation).collect();
        print(&lines)?;
    }
    done
}

fn all(recipe: &Path, check: bool) -> Result<(), Errors> {
    let entries = recipe::read(recipe)?;
    let cancel = CancelToken::default();
    let on_signal = cancel.clone();
    signals::on_end(move || on_signal.cancel())?;
    let mut problems = Collector::default();
    for entry in &entries {
        let line = problems.keep_all(one(entry, check, &cancel));
        cancel.check()?;
        print(&line.unwrap_or_default())?;
    }
    problems.finish(())
}

/// Compiles or checks one model, and tells what came of it.
fn one(entry: &Entry, check: bool, cancel: &CancelToken) -> Result<String, Errors> {
    let options = Options {
        most_bytes: entry.budget.bytes,
        most_error: entry.budget.error,
        cancel: cancel.clone(),
        ..entry.args.options()?
    };
    let model = options.source.model.display().to_string();
    let out = options.out.clone();
    let (outcome, verb) = match check {
        false => (keras_compile::compile(&options, &mut ())?, "gives"),
        true => {
            let beside = Beside::new()?;
            let made = Options {
                out: beside.0.join("bundle"),
                ..options
            };
            let outcome = keras_compile::compile(&made, &mut ());
            let outcome = outcome.map_err(|errors| errors.map(|error| elsewhere(error, &made.out, &out)))?;
            changes::check(&out, &outcome.manifest, &made.source.model)?;
            (outcome, "gives what is in")
        }
    };
    let Outcome { manifest, notes, .. } = outcome;
    let (files, total) = manifest.total();
    let budget = entry
        .budget
        .bytes
        .map(|most| format!(", of {} allowed", bytes(most)));
    let notes: String = notes.iter().map(|note| format!("  {note}\n")).collect();
    Ok(format!(
        "{model} {verb} {}: {} in {files} files{}\n{notes}",
        out.display(),
        bytes(total),
        budget.unwrap_or_default()
    ))
}

/// An error of a bundle that was written elsewhere, as one of the bundle that it is compared with.
fn elsewhere(mut error: Error, made: &Path, out: &Path) -> Error {
    if error.place.file.as_deref() == made.to_str() {
        error.place.file = Some(out.display().to_string());
    }
    error
}

/// A directory that goes with the value.
struct Beside(PathBuf);

impl Beside {
    fn new() -> Result<Self, Error> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io(format!(
                "no temporary directory can be made ({error})"
            )))
        };
        let mut number = 0_u32;
        loop {
            let name = format!("keras-compile-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && number < 100 => {
                    number += 1
                }
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A problem as GitHub shows it beside the file, see "Workflow commands for GitHub Actions".
fn annotation(error: &Error) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let file = error
        .place
        .file
        .as_deref()
        .map(|file| format!("file={},", property(file)));
    let line = error
        .place
        .field
        .as_deref()
        .and_then(|field| field.strip_prefix("line "));
    let line = line.map(|line| format!("line={},", property(line)));
    format!(
        "::error {}{}title=keras-compile::{}\n",
        file.unwrap_or_default(),
        line.unwrap_or_default(),
        data(&error.to_string())
    )
}
