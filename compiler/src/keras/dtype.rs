//! Element types and dtype policies.

use serde_json::Value;

/// Element types that a config may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KerasDType {
    /// float16, bfloat16, float32 or float64: all compute in f32 here.
    Float,
    /// Signed or unsigned integers: all compute in i32 here.
    Int,
    /// bool.
    Bool,
}

/// The name of a dtype or of a dtype policy: `"float32"`, `{"class_name": "Policy", "config":
/// {"name": "mixed_float16"}}`. `None` for policies that are more than a name (quantized ones).
pub(super) fn policy_name(value: &Value) -> Option<&str> {
    match value {
        Value::String(name) => Some(name),
        Value::Object(map) => {
            let class = map.get("class_name")?.as_str()?;
            let plain = ["DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1"];
            plain.contains(&class).then_some(())?;
            map.get("config")?.get("name")?.as_str()
        }
        _ => None,
    }
}

/// The element type of that name.
pub(super) fn element(name: &str) -> Option<KerasDType> {
    Some(match name {
        "float16" | "bfloat16" | "float32" | "float64" => KerasDType::Float,
        "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" => KerasDType::Int,
        "bool" => KerasDType::Bool,
        _ => return None,
    })
}

/// What a layer's policy means for its numbers here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing: float32, an integer type, or no policy.
    None,
    /// Keras would compute in this float type; here it is float32.
    Computes(&'static str),
    /// Cannot be honoured.
    Refused,
}

/// Judges the `dtype` of a layer's config.
pub(super) fn effect(value: &Value) -> Effect {
    let Some(name) = policy_name(value) else {
        return if value.is_null() {
            Effect::None
        } else {
            Effect::Refused
        };
    };
    match name {
        "float16" | "mixed_float16" => Effect::Computes("float16"),
        "bfloat16" | "mixed_bfloat16" => Effect::Computes("bfloat16"),
        "float64" => Effect::Computes("float64"),
        // Keras 2's policy that takes the type of the first input.
        "float32" | "_infer" | "infer" => Effect::None,
        other if element(other).is_some() => Effect::None,
        _ => Effect::Refused,
    }
}

/// What to do about a `dtype` that is refused.
pub(super) fn remedy(value: &Value) -> &'static str {
    match policy_name(value) {
        Some("string") => {
            "tensors hold numbers here, not strings: turn strings into numbers in JavaScript, and compile what comes \
             after the layer that does it in Python, keras.Model(LAYER.output, model.outputs)"
        }
        Some("complex64" | "complex128") => {
            "numbers are real here: give real and imaginary parts as two tensors"
        }
        // A policy that is more than a name.
        None => "save the model as it was before it was quantized",
        Some(_) => "save the model with the float32 policy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn policies() {
        assert_eq!(effect(&json!("float32")), Effect::None);
        assert_eq!(effect(&json!(null)), Effect::None);
        assert_eq!(effect(&json!("int32")), Effect::None);
        let mixed = json!({"class_name": "Policy", "config": {"name": "mixed_float16"}});
        assert_eq!(effect(&mixed), Effect::Computes("float16"));
        let three = json!({"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}});
        assert_eq!(effect(&three), Effect::None);
        let quantized = json!({"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}});
        assert_eq!(effect(&quantized), Effect::Refused);
        assert_eq!(effect(&json!("complex64")), Effect::Refused);
    }
}
