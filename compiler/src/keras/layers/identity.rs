//! Layers that do nothing at inference: dropout, noise, random augmentation.

use super::context::{Cx, Outcome, one};
use super::read::check_training;

/// Gives its input. Arguments of these layers matter to training only.
pub fn identity(cx: &mut Cx<'_>) -> Outcome {
    check_training(cx.literal("training"))?;
    one(cx.input()?.node)
}
