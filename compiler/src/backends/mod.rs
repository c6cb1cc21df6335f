//! Code generators: each turns a [`Plan`](crate::plan::Plan) into the files of a bundle.

pub mod wasm;
