//! Reads every Keras dialect; no Keras word lives outside this module.
