//! WebGPU: compute shaders in WGSL, and the program that says in which order they run on what.
//!
//! Every run of a kernel is one dispatch. What a shader computes, how and in which tiles stands in its text; extents, strides and
//! offsets are words of a uniform block, so that the runs of many layers share a pipeline: creating pipelines is what makes the
//! first prediction slow. All that is in buffers are words; shaders reinterpret them, so that integers stay what they are.
//!
//! A buffer with the weights, and few for values: no kernel writes to one that it also reads, since WebGPU allows that only for
//! disjoint bindings that can all be written. Buffers are bound as a whole and runs find their operands by offsets.

mod bundle;
mod dispatch;
mod fill;
mod module;
mod operands;
mod product;
mod program;
mod reduce;
mod results;
mod target;
mod validate;
mod windows;

pub use bundle::BACKEND;
pub use program::{Dispatch, Pipeline, Program, Step};
pub use target::WebGpu;
