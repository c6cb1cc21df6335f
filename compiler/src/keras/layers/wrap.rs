//! stub
use super::context::{Cx, Outcome};
pub fn bidirectional(cx: &mut Cx<'_>) -> Outcome {
    Err(cx.inconsistent("todo"))
}
pub fn time_distributed(cx: &mut Cx<'_>) -> Outcome {
    Err(cx.inconsistent("todo"))
}
