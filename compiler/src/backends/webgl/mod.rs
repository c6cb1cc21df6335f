//! WebGL2: fragment shaders, written in WGSL, checked by naga and turned into GLSL ES 3.00.
//!
//! A value is a texture whose texels hold four of its elements each, one after the other, in rows of a power of two of texels; what
//! is larger than the largest texture that every device has becomes layers. Texels are words (RGBA32UI) and shaders
//! reinterpret them: such textures can be drawn to without any extension, integers stay what they are, and no driver takes them
//! for something to filter or to round.
//!
//! A run of a kernel draws its result, a fragment for each texel. What is drawn to cannot be read, so that a kernel that writes to a
//! part of a value only is given a copy of what was there before.

mod bundle;
mod draw;
mod fragment;
mod glsl;
mod layout;
mod position;
mod program;
mod target;

pub use bundle::BACKEND;
pub use program::{Draw, FragmentProgram, Program, Step, Texture};
pub use target::WebGl;
