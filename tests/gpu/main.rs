//! The WebGPU backend on a software GPU, natively: goldens from Keras, kernels at odd sizes beside the interpreter, and
//! scalar functions over all floats.
//!
//! `GOLDEN` names goldens, of which only those whose id contains it are tried; `GPU_ADAPTER` a part of the name of another
//! Vulkan adapter than a software one.

mod goldens;
mod kernels;
mod scalars;
