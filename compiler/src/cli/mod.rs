//! What the command does: arguments in, text out. All work is the library's.

mod bench;
mod build;
mod compile;
mod engine;
mod inspect;
mod json;
mod progress;
mod serve;
mod signals;
mod verify;

pub use bench::{Options as BenchOptions, bench};
pub use build::build;
pub use compile::{compile, emit};
pub use engine::{Engine, Place};
pub use inspect::inspect;
pub use serve::serve;
pub use verify::{Expected, Options as VerifyOptions, verify};

use crate::ModelArgs;
use keras_compile::Source;
use keras_compile::error::{Error, ErrorKind, Errors, Result};
use keras_compile::keras::{Customs, Given, InputShapes, Lambdas, Part, Pictures};
use keras_compile::text::printable_lines;
use std::io::Write;
use std::process::ExitCode;

impl ModelArgs {
    fn source(&self) -> std::result::Result<Source, Errors> {
        let mut input_shapes = InputShapes::default();
        self.input_shape
            .iter()
            .try_for_each(|text| input_shapes.parse(text))?;
        let mut lambdas = Lambdas::default();
        self.lambda.iter().try_for_each(|text| lambdas.parse(text))?;
        let mut customs = Customs::default();
        self.custom.iter().try_for_each(|file| customs.read(file))?;
        Ok(Source {
            model: self.model.clone().unwrap_or_default(),
            weights: self.weights.clone(),
            input_shapes,
            part: Part {
                outputs: self.outputs.clone(),
                inputs: self.inputs.clone(),
            },
            given: Given { lambdas, customs },
            pictures: Pictures::default(),
        })
    }
}

/// Writes to stdout what is fit to be shown of a text. When nobody listens any more, as in `… | head`, that is no error.
pub fn print(text: &str) -> Result<()> {
    write(printable_lines(text).as_bytes())
}

/// Writes a text of our own to stdout as it is.
///
/// # Errors
/// When the operating system refuses.
pub fn print_script(text: &[u8]) -> std::result::Result<(), Errors> {
    Ok(write(text)?)
}

fn write(text: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::new(ErrorKind::Io(
            format!("the output cannot be written ({error})"),
        ))),
        _ => Ok(()),
    }
}

/// Prints all problems to stderr and says with which code to exit. `writes` tells that a bundle was to be written.
pub fn report(errors: &Errors, writes: bool) -> ExitCode {
    let errors = errors.as_slice();
    if errors.iter().any(|error| error.kind == ErrorKind::Cancelled) {
        signals::wait_for_end();
    }
    let mut text = String::new();
    for error in errors {
        text += &format!("error: {}\n", error);
    }
    let problems = match errors.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    text += &format!(
        "{problems}{}\n",
        if writes { "; nothing was written" } else { "" }
    );
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    let usage = errors
        .iter()
        .all(|error| matches!(error.kind, ErrorKind::Usage(_)));
    ExitCode::from(if usage { 2 } else { 1 })
}
