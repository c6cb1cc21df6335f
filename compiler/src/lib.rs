//! Ahead-of-time compiler from trained Keras models to WebAssembly bundles.

pub mod backends;
pub mod bundle;
pub mod error;
pub mod graph;
pub mod keras;
pub mod kernel;
pub mod ops;
pub mod passes;
pub mod plan;
pub mod pointwise;
pub mod report;
pub mod tensor;

mod compile;

pub use compile::{Options, Outcome, Prepared, Progress, Source, Stage, compile, prepare};
