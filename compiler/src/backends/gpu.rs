//! What backends on a GPU have in common.

use super::{Part, Script, Section};
use crate::error::{Error, Result};
use crate::kernel::{Contract, Convolve, DEPTHWISE_LANES, Kernel, Right, WindowAxis};
use crate::plan::{Binding, Candidate, Joins, Matrix, Method, Packed, Product, Views};
use crate::tensor::DType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What shows that a device computes what it should; predictions in order, a device that may be lost; and several backends
/// beside each other.
pub(super) static PART: Part = Part {
    mark: "gpu",
    modules: &[
        Script {
            name: "check.js",
            text: include_str!("../../runtime-web/src/check.js"),
        },
        Script {
            name: "gpu.js",
            text: include_str!("../../runtime-web/src/gpu.js"),
        },
    ],
    scripts: &[],
};

/// How files of JSON are called: some bundlers make modules of `.json`.
pub(super) const JSON: &str = "bin";

/// Most bytes of all values: addresses count elements in 32 bits.
pub(super) const MAX_BYTES: usize = 8 << 30;

/// Element types in memory.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Storage {
    /// IEEE 754 binary32.
    F32,
    /// Two's complement 32-bit integer.
    I32,
}

impl Storage {
    /// Of the elements of an input or output.
    pub fn of(binding: &Binding) -> Self {
        match binding.ty.dtype {
            DType::F32 => Self::F32,
            DType::I32 => Self::I32,
        }
    }
}

/// Kernels test bounds instead of reading frames, and write into another value only if they do not read it: what a GPU writes to
/// cannot be read at the same time.
pub(super) const VIEWS: Views = Views {
    reshapes: true,
    parts: true,
    joins: Joins::Apart,
    frames: false,
};

/// The only way to compute a product: weights in the panels that other backends take as well, so that all share a file.
pub(super) fn methods(product: &Product) -> Vec<Candidate> {
    let every_pixel = |axis: &WindowAxis| (axis.size, axis.before, axis.after) == (1, 0, 0);
    let no_window = product.window.is_none_or(|axes| axes.iter().all(every_pixel));
    let method = if product.is_depthwise() {
        Method::Bounded {
            width: DEPTHWISE_LANES,
        }
    } else if no_window && product.groups == 1 {
        Method::Panels {
            width: product.panel_width(),
        }
    } else {
        Method::Bounded {
            width: product.panel_width(),
        }
    };
    vec![Candidate {
        method,
        cost: 1.0,
        error: 0.0,
    }]
}

/// Weights in panels.
///
/// # Errors
/// When no product was asked for that reads them.
pub(super) fn pack(kernel: &Kernel, weights: &Matrix<'_>) -> Result<Packed> {
    let width = match kernel {
        Kernel::Contract(Contract {
            right: Right::Panels { width },
            ..
        })
        | Kernel::Convolve(Convolve {
            panels: Some(width), ..
        }) => *width,
        other => {
            return Err(Error::internal(format!(
                "a {} kernel has no packed weights",
                other.family()
            )));
        }
    };
    Ok(Packed {
        data: Contract::pack(weights.rows(), weights.bias(), width),
        prepare: None,
        codes: false,
    })
}

/// Texts one after the other, each below a line that tells its kind and number, and the family of kernels that it is for.
pub(super) fn labelled(kind: &str, texts: &[String], families: &[&str]) -> String {
    let mut all = String::new();
    for (number, (text, family)) in texts.iter().zip(families).enumerate() {
        all += &format!("// {kind} {number}: {family}\n{}\n", text.trim_end());
    }
    all
}

/// What a backend adds to its section of the manifest.
///
/// # Errors
/// When it is no object (a bug of ours).
pub(super) fn section(own: &impl Serialize) -> Result<Section> {
    match serde_json::to_value(own) {
        Ok(Value::Object(section)) => Ok(section),
        other => Err(Error::internal(format!(
            "the section of the manifest is {other:?}"
        ))),
    }
}

/// A kernel that no target on a GPU asks for.
pub(super) fn other(kernel: &Kernel) -> Error {
    Error::internal(format!(
        "a {} kernel, of a plan that was made for another target",
        kernel.family()
    ))
}
