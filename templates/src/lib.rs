//! Procedural macros that stamp code into bundles.
