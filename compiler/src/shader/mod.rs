//! Kernels as text in WGSL, for every machine that runs shaders.
//!
//! A [`Shader`] is written for one run of a kernel: operators, windows and what decides the form of the code stand in its text,
//! while extents, strides and offsets are [parameters](Params), so that runs which differ in these only share a text.
//! The functions of this module write how results are computed from operands; how invocations are laid out and where
//! results go is the machine's affair.
//!
//! Operands are read through functions that the machine defines, of an element address counted in elements of four bytes:
//! `f0(at) -> f32`, `i0(at) -> i32` and `u0(at) -> u32`; or of the number of a quad, a quarter of an address that is a multiple
//! of four: `q0(at) -> vec4<f32>` and `v0(at) -> vec4<u32>`. The number is that of the operand. Where it lies in several layers,
//! `l0(at)` gives the layer and the place in it of the quad with which a run begins, and `r0(run, at) -> vec4<f32>` a quad of the run. [`Access`] says which of them a shader calls.

mod attention;
mod blocks;
mod contract;
mod convolve;
mod gather;
mod index;
mod map;
mod moves;
mod params;
mod pool;
mod reduce;
mod tape;
mod text;

pub use attention::{attention, shared_by_rows};
pub use blocks::{
    BLOCK, Block, EACH, SIDE, contract_block, contracts_in_blocks, convolve_block, convolves_in_blocks,
    shared,
};
pub use contract::{contract, contract_part, epilogue};
pub use convolve::convolve;
pub use gather::gather;
pub use index::{Axes, Pixel, Walk, pixel};
pub use map::map;
pub use moves::{fill, move_};
pub use params::{Advance, Params};
pub use pool::pool;
pub use reduce::{combine, finish, identity, reduce, reduce_range};
pub use text::{Access, Lanes, Place, Shader};
