//! Other names of Keras' layers: older versions, or variants that differ in training only.
//!
//! They are resolved once, where a class is read from a file ([`super::object`]); whatever comes after that knows one
//! name for each layer. What a file calls the layer is kept for messages, and because Keras names groups of weights
//! after it.

/// An alias and the class it stands for.
const ALIASES: &[(&str, &str)] = &[
    // TensorFlow 1.13 to 1.15: the versions for graph mode and for eager mode.
    ("BatchNormalizationV1", "BatchNormalization"),
    ("BatchNormalizationV2", "BatchNormalization"),
    // Statistics are gathered over all devices, which only training does.
    ("SyncBatchNormalization", "BatchNormalization"),
];

/// The class that Keras means by a name.
pub(super) fn resolve(class: &str) -> &str {
    let found = ALIASES.iter().find(|(alias, _)| *alias == class);
    found.map_or(class, |(_, class)| class)
}

/// All aliases, for tests that want each of them shown.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALIASES.iter().map(|(alias, _)| *alias)
}
