//! Code generators: each turns a [`Plan`] into what a bundle holds for one kind of engine.
//!
//! [`BACKENDS`] is the table of them. What compiles, writes, inspects, reports, serves and measures goes through its
//! rows, and knows no backend by name.

mod emitted;
mod gpu;
mod selection;
pub mod wasm;
pub mod webgl;
pub mod webgpu;

pub use emitted::{Build, Code, CodeFile, Emitted};
pub use selection::Selection;

use crate::error::Result;
use crate::kernel::Kernel;
use crate::plan::{Plan, Target};
use serde_json::{Map, Value};
use std::fmt;

/// All backends. Weights are laid out as the first wants them; which one runs is chosen where a model is loaded.
pub static BACKENDS: &[&Backend] = &[&wasm::BACKEND, &webgpu::BACKEND, &webgl::BACKEND];

/// Most bytes of a file of weights. Each is hashed, and what it holds prepared, while the next ones are on their way;
/// content delivery networks refuse or do not cache much larger files.
pub const SHARD_BYTES: u64 = 4 << 20;

/// What is generated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether the code for several threads is left out.
    pub one_thread: bool,
    /// Whether products are computed product by product, as Keras does, not by faster methods that round more.
    pub exact: bool,
    /// In which precision a GPU keeps the weights of products, where it has a choice.
    pub gpu_precision: Precision,
}

/// A precision of floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Half precision; what is computed from them is in single precision.
    F16,
}

/// The part of a manifest that only one backend reads and writes.
pub type Section = Map<String, Value>;

/// A row of the table: a code generator, and what it adds to a bundle and to the command.
pub struct Backend {
    /// By this users choose it; in a manifest its section is called so.
    pub name: &'static str,
    /// The variants of its code. All are in a bundle, and an engine takes the first that it can run.
    pub variants: &'static [Variant],
    /// What plans for it are made for.
    pub target: fn(Options) -> Box<dyn Target>,
    /// Generates the code of a plan in all variants.
    pub emit: fn(&Plan, Options) -> Result<Emitted>,
    /// Says what is wrong with a section of a manifest.
    pub check: fn(&Section) -> std::result::Result<(), String>,
    /// The forms in which its code can be printed.
    pub texts: &'static [Text],
    /// What its files are, besides those of weights.
    pub files: &'static [FileType],
    /// What the scripts of a bundle need for it.
    pub parts: &'static [&'static Part],
    /// Names of scripts that bundles of this version or of one before hold for it.
    pub scripts: &'static [&'static str],
    /// What a measurement needs.
    pub bench: Bench,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Backend").field(&self.name).finish()
    }
}

/// A variant of a backend's code.
#[derive(Debug)]
pub struct Variant {
    /// By this manifests, profiles and pages know it.
    pub name: &'static str,
    /// What distinguishes it from the others, in a report.
    pub about: &'static str,
    /// Pixels and channels of the tile in which it computes a kernel, if it does so in tiles.
    pub tile: fn(&Kernel) -> Option<[usize; 2]>,
}

/// A form in which code can be printed.
#[derive(Debug)]
pub struct Text {
    /// By this users choose it.
    pub name: &'static str,
    /// What it is, for the help.
    pub about: &'static str,
    /// The code of a plan.
    pub print: fn(&Plan) -> Result<String>,
}

/// A type of files.
#[derive(Debug)]
pub struct FileType {
    /// How their names end.
    pub end: &'static str,
    /// What a server calls them.
    pub media_type: &'static str,
}

/// A part of the scripts of a bundle.
#[derive(Debug)]
pub struct Part {
    /// Lines of the entry script that are for it stand between marks with this name.
    pub mark: &'static str,
    /// Modules that are joined into the entry script, each after those that it imports.
    pub modules: &'static [Script],
    /// Scripts of their own.
    pub scripts: &'static [Script],
}

/// A file of the runtime.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// What `bench` needs to measure bundles.
#[derive(Debug)]
pub struct Bench {
    /// A script whose function `openLoop` gives a loop that does nothing but what the backend does fastest, if there is one.
    pub peak: Option<&'static str>,
    /// Flags that some versions of Node need.
    pub node_flags: &'static [&'static str],
    /// In which ways a browser is started, one after the other until the bundle runs.
    pub browsers: &'static [Browser],
}

/// A way to start a browser.
#[derive(Debug)]
pub struct Browser {
    /// Flags besides those without which no browser can be measured.
    pub flags: &'static [&'static str],
    /// What is to be known of times that were taken with them.
    pub about: Option<&'static str>,
}

/// The backend of that name.
pub fn find(name: &str) -> Option<&'static Backend> {
    BACKENDS.iter().copied().find(|backend| backend.name == name)
}
