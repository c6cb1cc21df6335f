//! Element types of a model's inputs and outputs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Element types as pages know them: each is that of a TypedArray, but for `bool`, which a `Uint8Array` holds, and strings, which
/// an `Array` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
    /// 0 or 1.
    Bool,
    /// Integers of 8 bits.
    Int8,
    /// Integers of 16 bits.
    Int16,
    /// Integers of 32 bits.
    Int32,
    /// Integers of 64 bits.
    Int64,
    /// Integers of 8 bits from 0 on.
    Uint8,
    /// Integers of 16 bits from 0 on.
    Uint16,
    /// Integers of 32 bits from 0 on.
    Uint32,
    /// Integers of 64 bits from 0 on.
    Uint64,
    /// Strings.
    String,
}

impl ElementType {
    /// The name of its array.
    pub fn array(self) -> &'static str {
        match self {
            Self::Float32 => "Float32Array",
            Self::Float64 => "Float64Array",
            Self::Bool | Self::Uint8 => "Uint8Array",
            Self::Int8 => "Int8Array",
            Self::Int16 => "Int16Array",
            Self::Int32 => "Int32Array",
            Self::Int64 => "BigInt64Array",
            Self::Uint16 => "Uint16Array",
            Self::Uint32 => "Uint32Array",
            Self::Uint64 => "BigUint64Array",
            Self::String => "Array",
        }
    }
}

impl fmt::Display for ElementType {
    /// Its name in Keras and in manifests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::String => "string",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_runtime_are_known_by_their_names() {
        let types = include_str!("../../runtime-web/src/index.d.ts");
        let (_, rest) = types.split_once("export type DType =\n").unwrap();
        let (list, _) = rest.split_once(';').unwrap();
        let names: Vec<_> = list.split('\'').skip(1).step_by(2).collect();
        assert_eq!(names.len(), 12);
        for name in names {
            let element: ElementType = serde_json::from_value(name.into()).unwrap();
            assert_eq!(element.to_string(), name);
            let tensors = include_str!("../../runtime-web/src/tensor.js");
            assert!(tensors.contains(&format!("  {name}: {},\n", element.array())));
        }
    }
}
