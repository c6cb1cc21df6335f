//! WebGPU: compute shaders in WGSL, and the program that says in which order they run on what.
//!
//! Every run of a kernel is one dispatch, or a part of one ([`chain`]). What a shader computes, how and in which tiles stands in its text; extents, strides and
//! offsets are words of a uniform block, so that the runs of many layers share a pipeline: creating pipelines is what makes the
//! first prediction slow. All that is in buffers are words; shaders reinterpret them, so that integers stay what they are.
//!
//! A buffer with the weights, and few for values: no kernel writes to one that it also reads, since WebGPU allows that only for
//! disjoint bindings that can all be written. Buffers are bound as a whole and runs find their operands by offsets.
//!
//! There are two programs of a plan where GPUs and CPUs that stand in for them want other tiles ([`Machine`]).

mod attention;
mod blocks;
mod bundle;
mod chain;
mod dispatch;
mod fill;
mod joint;
mod machine;
mod module;
mod operands;
mod parts;
mod product;
mod program;
mod reduce;
mod results;
mod rows;
mod target;
mod tiles;
mod validate;
mod windows;
mod writer;

pub use bundle::BACKEND;
pub use machine::Machine;
pub use program::{Dispatch, Pipeline, Program, Step};
pub use target::WebGpu;
