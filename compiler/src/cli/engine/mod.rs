//! Node or headless Chromium, in which bundles run.

mod chromium;
mod node;
mod running;

use keras_compile::backends::{BACKENDS, Backend, Browser};
use keras_compile::bundle::{self, Manifest, Section};
use keras_compile::error::{Collector, Error, ErrorKind, Errors, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where bundles can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Headless Chromium.
    Chromium,
    /// Node.
    Node,
}

impl Engine {
    /// By this users choose it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Node => "node",
        }
    }
}

/// Which bundle runs where.
#[derive(Debug, Clone)]
pub struct Place {
    /// The bundle.
    pub directory: PathBuf,
    /// Where it runs.
    pub engine: Engine,
    /// What of the bundle runs, if not what it holds of the first in the table of backends.
    pub backend: Option<String>,
    /// The browser, if not one on the path.
    pub chromium: Option<PathBuf>,
}

/// What runs there.
#[derive(Debug)]
pub struct Script {
    /// A module with a function `answer(load, settings, samples)`, which gives text, or bytes in a `Uint8Array`.
    pub text: String,
    /// In JSON.
    pub settings: String,
    /// Bytes besides.
    pub samples: Arc<[u8]>,
    /// Most bytes that the answer may have.
    pub most: usize,
}

impl Place {
    /// Reads the bundle's manifest and checks its files.
    ///
    /// # Errors
    /// All that is wrong with the bundle.
    pub fn manifest(&self) -> Result<Manifest, Errors> {
        let inspection = bundle::inspect(&self.directory)?;
        let mut collector = Collector::default();
        let problems = inspection.problems.into_iter();
        problems.for_each(|problem| collector.push(problem));
        collector.finish(inspection.manifest)
    }

    /// The backend that was chosen, or the first of the table that the bundle holds.
    pub fn preferred<'a>(&self, manifest: &'a Manifest) -> Result<(&'static Backend, &'a Section)> {
        let section = |&backend: &&'static Backend| Some((backend, manifest.backends.get(backend.name)?));
        let mut held = BACKENDS.iter().filter_map(section);
        if let Some(name) = &self.backend {
            return held.find(|(backend, _)| backend.name == name).ok_or_else(|| {
                let held: Vec<_> = manifest.backends.keys().map(String::as_str).collect();
                Error::new(ErrorKind::Usage(format!("the bundle holds nothing for {name:?}")))
                    .in_field("--backend")
                    .help(format!("it holds {}", held.join(", ")))
            });
        }
        held.next().ok_or_else(|| {
            Error::malformed("holds no code")
                .in_file(self.directory.display().to_string())
                .help("compile the model anew")
        })
    }

    /// Runs a script with the bundle until `read` makes something of its answer; gives that, and what is to be known of it.
    pub fn run<T>(
        &self,
        backend: &Backend,
        script: &Script,
        read: impl Fn(Vec<u8>) -> Result<T, String>,
    ) -> Result<(T, Option<&'static str>)> {
        let read = |answer: Vec<u8>| read(answer).map_err(|said| self.failed(&said));
        if self.engine == Engine::Node {
            return Ok((read(node::run(self, backend, script)?)?, None));
        }
        let mut last = Error::internal("there is no way to start a browser");
        for Browser { flags, about } in backend.bench.browsers {
            match read(chromium::run(self, script, flags)?) {
                Ok(found) => return Ok((found, *about)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The bundle did not run to its end.
    fn failed(&self, said: &str) -> Error {
        Error::new(ErrorKind::Io(format!("cannot be run ({})", said.trim())))
            .in_file(self.directory.display().to_string())
            .help("try the other --engine; inspect checks the bundle's files")
    }
}

/// A program that is to be run is not there.
fn absent(program: &str, field: &'static str, help: &str) -> Error {
    Error::new(ErrorKind::Usage(format!("{program} cannot be found")))
        .in_field(field)
        .help(help)
}

/// What an engine's directory holds for the script.
fn write(directory: &Path, name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let path = directory.join(name);
    std::fs::write(&path, bytes).map(|()| path)
}
