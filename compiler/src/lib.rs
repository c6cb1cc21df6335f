//! Ahead-of-time compiler from trained Keras models to WebAssembly bundles.

// `#[pointwise]` names this crate from inside and outside alike.
extern crate self as keras_compile;

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
