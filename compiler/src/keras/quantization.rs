//! Layers whose numbers Keras 3 keeps in few bits (`model.quantize`): what their policies and configs say.

use super::config::Config;
use super::dtype::policy;
use super::fields::Fields;
use super::ranges::{ANY, NOT_NEGATIVE};
use super::values::integer;
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::MAX_ELEMENTS;
use serde_json::Value;

/// How a layer keeps its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Integers of 8 bits, and a scale for each column.
    Int8,
    /// Integers of 4 bits, two to a byte. With a block, so many rows share a scale and a zero; else a column has a scale.
    Int4 {
        /// Rows of a block.
        block: Option<usize>,
    },
    /// Floats, which are rounded to 8 bits (e4m3) where they are multiplied.
    Float8 {
        /// How many largest values of training are kept beside them.
        history: usize,
    },
    /// GPTQ and AWQ: integers of some bits, and for each group of rows a scale and a zero. Those of 4 bits are two to a byte.
    Grouped {
        /// Bits of an integer.
        bits: usize,
        /// Rows of a group.
        group: Option<usize>,
        /// Whether rows have scales besides (AWQ).
        scaled: bool,
    },
}

/// `AbsMaxQuantizer`: whole numbers from `low` to `high`, of which the latter stands for the largest absolute value plus
/// `epsilon`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AbsMax {
    /// The lowest number.
    pub low: f32,
    /// The highest number.
    pub high: f32,
    /// What is added to the largest absolute value.
    pub epsilon: f32,
}

impl AbsMax {
    /// What Keras takes where a layer has no config of its own.
    pub const DEFAULT: Self = Self {
        low: -127.0,
        high: 127.0,
        epsilon: 1e-7,
    };
}

/// How a layer keeps its weights, and what becomes of its inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// How it keeps its weights.
    pub kind: Kind,
    /// What its config says of its inputs, if it has one: that they are rounded, or are left alone.
    pub inputs: Option<Option<AbsMax>>,
}

impl Kind {
    /// Reads a mode as policies have it: `int8`, `int4/128`, `float8`, `gptq/4/128`.
    pub(super) fn parse(mode: &str, history: Option<&Value>) -> Option<Self> {
        let group = |text: &str| match text {
            "-1" => Some(None),
            text => text
                .parse()
                .ok()
                .filter(|rows| (1..=MAX_ELEMENTS).contains(rows))
                .map(Some),
        };
        let parts: Vec<&str> = mode.split('/').collect();
        Some(match parts[..] {
            ["int8"] => Self::Int8,
            ["int4"] => Self::Int4 { block: None },
            ["int4", block] => Self::Int4 { block: group(block)? },
            ["float8"] => Self::Float8 {
                history: match history {
                    None => 1024,
                    Some(length) => usize::try_from(integer(length)?).ok()?,
                },
            },
            [method @ ("gptq" | "awq"), bits @ ("2" | "3" | "4" | "8"), rows] => Self::Grouped {
                bits: bits.parse().ok()?,
                group: group(rows)?,
                scaled: method == "awq",
            },
            _ => return None,
        })
    }

    /// Whether `class` is that of a `quantization_config` for it.
    fn takes(self, class: &str) -> bool {
        class
            == match self {
                Self::Int8 => "Int8QuantizationConfig",
                Self::Int4 { .. } => "Int4QuantizationConfig",
                Self::Float8 { .. } => "Float8QuantizationConfig",
                Self::Grouped { scaled: false, .. } => "GPTQConfig",
                Self::Grouped { scaled: true, .. } => "AWQConfig",
            }
    }
}

impl Quantization {
    /// What a layer's config says; `None` of a layer with floats.
    pub fn of(config: &Config) -> Result<Option<Self>> {
        config.fields().quantization()
    }
    /// What becomes of the inputs, if the config does not say it.
    pub fn inputs_or(&self, default: Option<AbsMax>) -> Option<AbsMax> {
        self.inputs.unwrap_or(default)
    }
}

impl Fields<'_> {
    /// How the layer keeps its weights, by its policy and `quantization_config`; `None` if they are floats.
    ///
    /// # Errors
    /// When its config is one that no Keras gives it.
    pub fn quantization(&self) -> Result<Option<Quantization>> {
        let Some(mut kind) = self
            .value("dtype")
            .and_then(policy)
            .and_then(|policy| policy.kind)
        else {
            return Ok(None);
        };
        let Some(object) = self.object("quantization_config")? else {
            return Ok(Some(Quantization { kind, inputs: None }));
        };
        if !kind.takes(&object.class.written) {
            return Err(self.unsupported("quantization_config"));
        }
        let fields = object.config.fields();
        let mut inputs = None;
        if let Kind::Grouped { .. } = kind {
            // How the weights were found: bits and groups stand in the policy as well.
            return Ok(Some(Quantization { kind, inputs }));
        }
        // Weights are in the file as they were rounded.
        fields.ignore(&["weight_quantizer"]);
        if !matches!(kind, Kind::Float8 { .. }) {
            inputs = Some(abs_max(&fields)?);
        }
        if let Kind::Int4 { block } = &mut kind {
            *block = match fields.value("block_size") {
                None | Some(Value::Null) => None,
                Some(_) => usize::try_from(fields.i64_or("block_size", -1, -1..=MAX_ELEMENTS as i64)?)
                    .ok()
                    .filter(|&rows| rows > 0),
            };
        }
        fields
            .finish(&[])
            .map_err(|_| self.unsupported("quantization_config"))?;
        Ok(Some(Quantization { kind, inputs }))
    }
}

/// `activation_quantizer`: an `AbsMaxQuantizer`, or nothing.
fn abs_max(fields: &Fields<'_>) -> Result<Option<AbsMax>> {
    let Some(object) = fields.object("activation_quantizer")? else {
        return Ok(None);
    };
    let refused = || -> Error {
        fields
            .unsupported("activation_quantizer")
            .help("it can be an AbsMaxQuantizer of the last axis with numbers of type int8")
    };
    let quantizer = object.config.fields();
    let last = |value: &Value| {
        integer(value) == Some(-1)
            || value
                .as_array()
                .is_some_and(|a| a.len() == 1 && integer(&a[0]) == Some(-1))
    };
    let axis = quantizer
        .value("axis")
        .is_none_or(|axis| axis.is_null() || last(axis));
    let int8 = quantizer.opt_str("output_dtype")?.unwrap_or("int8") == "int8";
    if object.class.written != "AbsMaxQuantizer" || !axis || !int8 {
        return Err(refused());
    }
    let range = match quantizer.value("value_range") {
        None => vec![-127.0, 127.0],
        Some(_) => quantizer.floats("value_range", -128.0..=127.0)?,
    };
    let epsilon = quantizer.f64_or("epsilon", 1e-7, NOT_NEGATIVE)?;
    match range[..] {
        [low, high] if low < high && quantizer.finish(&[]).is_ok() => Ok(Some(AbsMax {
            low: low as f32,
            high: high as f32,
            epsilon: epsilon as f32,
        })),
        _ => Err(refused()),
    }
}

/// The factor of a low-rank adaption, alpha by rank, and the rank.
pub fn adaption(config: &Config) -> Result<(f32, usize)> {
    let fields = config.fields();
    let rank = fields.usize("lora_rank", super::ranges::COUNT)?;
    let alpha = fields.opt_f64("lora_alpha", ANY)?.unwrap_or(rank as f64);
    let factor = (alpha / rank as f64) as f32;
    match factor.is_finite() {
        true => Ok((factor, rank)),
        false => Err(config.error_at(
            "lora_alpha",
            ErrorKind::Inconsistent("it is no number".to_owned()),
        )),
    }
}
