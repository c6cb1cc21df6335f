//! stub
use super::context::{Cx, Outcome};
pub fn lstm(cx: &mut Cx<'_>) -> Outcome {
    Err(cx.inconsistent("todo"))
}
pub fn cudnn_lstm(cx: &mut Cx<'_>) -> Outcome {
    Err(cx.inconsistent("todo"))
}
pub fn gru(cx: &mut Cx<'_>) -> Outcome {
    Err(cx.inconsistent("todo"))
}
pub fn simple_rnn(cx: &mut Cx<'_>) -> Outcome {
    Err(cx.inconsistent("todo"))
}
pub fn rnn(cx: &mut Cx<'_>) -> Outcome {
    Err(cx.inconsistent("todo"))
}
