//! Layers that do nothing at inference. Their arguments matter to training only, but must make sense.

use super::context::{Cx, Outcome, one};
use super::read::Read;
use crate::keras::ranges::{ANY, NOT_NEGATIVE, SHARE};

/// `Identity`, and others without arguments.
pub fn identity(cx: &mut Cx<'_>) -> Outcome {
    idle(cx, |_, _| {})
}

/// `Layer` itself, which gives its input in Keras 2 and cannot be called in Keras 3.
pub fn base(cx: &mut Cx<'_>) -> Outcome {
    if cx.is_keras3() {
        return Err(cx.inconsistent("it is a base of layers and computes nothing"));
    }
    identity(cx)
}

/// `Dropout`, `SpatialDropout1D` to `3D`.
pub fn dropout(cx: &mut Cx<'_>) -> Outcome {
    idle(cx, |_, r| {
        r.number("rate", 0.0, SHARE);
        r.format();
    })
}

/// `GaussianDropout`, `AlphaDropout`; Keras 2 takes any rate.
pub fn noisy_dropout(cx: &mut Cx<'_>) -> Outcome {
    idle(cx, |keras3, r| {
        r.number("rate", 0.0, if keras3 { SHARE } else { ANY });
    })
}

/// `GaussianNoise`; Keras 2 takes any deviation.
pub fn noise(cx: &mut Cx<'_>) -> Outcome {
    idle(cx, |keras3, r| {
        r.number("stddev", 0.0, if keras3 { SHARE } else { ANY });
    })
}

/// `ActivityRegularization`; Keras 2 takes negative factors too.
pub fn regularization(cx: &mut Cx<'_>) -> Outcome {
    idle(cx, |keras3, r| {
        for key in ["l1", "l2"] {
            r.opt_number(key, if keras3 { NOT_NEGATIVE } else { ANY });
        }
    })
}

/// Gives the input, after a look at the arguments.
fn idle(cx: &mut Cx<'_>, look: impl FnOnce(bool, &Read<'_>)) -> Outcome {
    cx.check_training()?;
    let r = cx.read();
    look(cx.is_keras3(), &r);
    r.finish_idle(cx);
    one(cx.input()?.node)
}
