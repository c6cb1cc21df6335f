//! Element types and dtype policies.

use super::quantization::Kind;
use serde_json::Value;

/// Element types that a config may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KerasDType {
    /// float16, bfloat16, float32 or float64: all compute in f32 here.
    Float,
    /// Integers: all compute in i32 here.
    Int {
        /// Bits of one: 8, 16, 32 or 64.
        bits: u8,
        /// Whether they can be negative.
        signed: bool,
    },
    /// bool.
    Bool,
    /// Strings, which become integers before a prediction, or are made of them behind it.
    Text,
}

impl KerasDType {
    /// The integers that all compute in here.
    pub const INT32: Self = Self::Int {
        bits: 32,
        signed: true,
    };
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
        "bool" => KerasDType::Bool,
        "string" => KerasDType::Text,
        name => {
            let (signed, bits) = match name.strip_prefix('u') {
                Some(rest) => (false, rest.strip_prefix("int")?),
                None => (true, name.strip_prefix("int")?),
            };
            let bits = bits.parse().ok().filter(|bits| [8, 16, 32, 64].contains(bits))?;
            KerasDType::Int { bits, signed }
        }
    })
}

/// A dtype policy: the type of float that a layer computes in, and how it keeps its weights if not as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy<'v> {
    /// The name of a type or policy.
    pub(super) float: &'v str,
    /// How weights are kept in few bits.
    pub(super) kind: Option<Kind>,
}

/// The policy that a config has, as a name or an object; `None` for others.
pub(super) fn policy(value: &Value) -> Option<Policy<'_>> {
    let quantized = |mode: &str, float, history| {
        let kind = Some(Kind::parse(mode, history)?);
        Some(Policy { float, kind })
    };
    if let Some(name) = policy_name(value) {
        return match name.split_once("_from_") {
            Some((mode, float)) => quantized(mode, float, None),
            None => Some(Policy {
                float: name,
                kind: None,
            }),
        };
    }
    let map = value.as_object()?;
    let classes = [
        "QuantizedDTypePolicy",
        "QuantizedFloat8DTypePolicy",
        "Int4DTypePolicy",
        "GPTQDTypePolicy",
        "AWQDTypePolicy",
    ];
    let config = map
        .get("config")
        .filter(|_| classes.contains(&map.get("class_name").and_then(Value::as_str).unwrap_or("")))?;
    let text = |key: &str| config.get(key)?.as_str();
    quantized(
        text("mode")?,
        text("source_name")?,
        config.get("amax_history_length"),
    )
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

/// Judges the `dtype` of a layer's config. `quantized` says whether weights of such a layer may be kept in few bits, `strings`
/// whether it takes strings.
pub(super) fn effect(value: &Value, quantized: bool, strings: bool) -> Effect {
    if value.is_null() {
        return Effect::None;
    }
    if let Some(policies) = policies_inside(value) {
        let effects = policies.into_iter().map(|value| effect(value, false, strings));
        return effects.fold(Effect::None, |all, one| match (all, one) {
            (Effect::Refused, _) | (_, Effect::Refused) => Effect::Refused,
            (Effect::None, one) => one,
            (all, _) => all,
        });
    }
    let Some(policy) = policy(value).filter(|policy| quantized || policy.kind.is_none()) else {
        return Effect::Refused;
    };
    match policy.float {
        "float16" | "mixed_float16" => Effect::Computes("float16"),
        "bfloat16" | "mixed_bfloat16" => Effect::Computes("bfloat16"),
        "float64" => Effect::Computes("float64"),
        // Keras 2's policy that takes the type of the first input.
        "float32" | "_infer" | "infer" => Effect::None,
        "string" if !strings => Effect::Refused,
        other if policy.kind.is_none() && element(other).is_some() => Effect::None,
        _ => Effect::Refused,
    }
}

/// The policies of a `DTypePolicyMap`: the one of layers without a path in it, and those of the paths.
fn policies_inside(value: &Value) -> Option<Vec<&Value>> {
    let map = value.as_object()?;
    if map.get("class_name")?.as_str()? != "DTypePolicyMap" {
        return None;
    }
    let config = map.get("config")?.as_object()?;
    let paths = config.get("policy_map").and_then(Value::as_object);
    let paths = paths.into_iter().flat_map(|paths| paths.values());
    Some(config.get("default_policy").into_iter().chain(paths).collect())
}

/// What to do about a `dtype` that is refused.
pub(super) fn remedy(value: &Value) -> &'static str {
    match policy_name(value) {
        Some("string") => {
            "it is for inputs, StringLookup, TextVectorization and Hashing: tensors hold numbers here, not strings"
        }
        Some("complex64" | "complex128") => {
            "numbers are real here: give real and imaginary parts as two tensors"
        }
        // A policy that is more than a name, or a layer that Keras does not quantize itself.
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
        let effect = |value: Value| super::effect(&value, false, false);
        assert_eq!(effect(json!("string")), Effect::Refused);
        assert_eq!(super::effect(&json!("string"), false, true), Effect::None);
        assert_eq!(effect(json!("float32")), Effect::None);
        assert_eq!(effect(json!(null)), Effect::None);
        assert_eq!(effect(json!("int32")), Effect::None);
        let mixed = json!({"class_name": "Policy", "config": {"name": "mixed_float16"}});
        assert_eq!(effect(mixed.clone()), Effect::Computes("float16"));
        let scaled = json!({"class_name": "PolicyV1", "config": {"name": "mixed_float16", "loss_scale":
            {"class_name": "DynamicLossScale", "config": {"initial_loss_scale": 32768}}}});
        assert_eq!(effect(scaled), Effect::Computes("float16"));
        let three = json!({"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}});
        assert_eq!(effect(three.clone()), Effect::None);
        assert_eq!(effect(json!("complex64")), Effect::Refused);
        assert_eq!(effect(json!("uint24")), Effect::Refused);
        let map = |inside: Value| json!({"class_name": "DTypePolicyMap", "config": {"default_policy": three, "policy_map": {"a/b": inside}}});
        assert_eq!(effect(map(mixed)), Effect::Computes("float16"));
        assert_eq!(effect(map(json!("int8_from_float32"))), Effect::Refused);
    }

    #[test]
    fn quantized_policies() {
        let policy = |class: &str, mode: &str| json!({"class_name": class, "config": {"mode": mode, "source_name": "mixed_bfloat16"}});
        let int8 = policy("QuantizedDTypePolicy", "int8");
        assert_eq!(effect(&int8, true, false), Effect::Computes("bfloat16"));
        assert_eq!(effect(&int8, false, false), Effect::Refused);
        assert_eq!(
            effect(
                &json!({"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}),
                true,
                false
            ),
            Effect::Refused
        );
        let kind = |value: &Value| super::policy(value).and_then(|policy| policy.kind);
        assert_eq!(kind(&int8), Some(Kind::Int8));
        assert_eq!(
            kind(&json!("int4/128_from_float32")),
            Some(Kind::Int4 { block: Some(128) })
        );
        assert_eq!(
            kind(&policy("Int4DTypePolicy", "int4/-1")),
            Some(Kind::Int4 { block: None })
        );
        assert_eq!(
            kind(&policy("GPTQDTypePolicy", "gptq/3/2")),
            Some(Kind::Grouped {
                bits: 3,
                group: Some(2),
                scaled: false
            })
        );
        for wrong in ["int4/0", "gptq/5/2", "int2", "int8/3", ""] {
            assert_eq!(
                effect(&policy("QuantizedDTypePolicy", wrong), true, false),
                Effect::Refused,
                "{wrong}"
            );
        }
    }
}
