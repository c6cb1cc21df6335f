//! The transform of weights, once when a model is loaded.

use super::linear::multiply;
use crate::backends::wasm::asm::{Asm, Context};
use crate::backends::wasm::{KernelCode, kernel_function};
use crate::kernel::{Transforms, WINOGRAD_LANES, WinogradWeights, WinogradWeightsOperands};
use walrus::ir::BinaryOp;
use walrus::{FunctionId, LocalId, ValType};

/// Emits it. A unit of work is a panel.
pub fn emit(cx: &mut Context, k: &WinogradWeights) -> KernelCode {
    let panel = emit_panel(cx, k);
    let (mut asm, WinogradWeightsOperands { weights, out }) = kernel_function(cx, k);
    let (unit, end) = (asm.param(1), asm.param(2));
    asm.while_below(unit, end, |asm| {
        for (pointer, elements) in [(weights, k.panel_before()), (out, k.panel_after())] {
            asm.get(pointer);
            asm.times(unit, elements * 4);
            asm.binary(BinaryOp::I32Add);
        }
        asm.call(panel);
    });
    KernelCode::new(asm.finish(), k.panels, k.panel_after() * 4)
}

/// `(from, to)`: a panel.
fn emit_panel(cx: &mut Context, k: &WinogradWeights) -> FunctionId {
    let channel = emit_channel(cx, k);
    let mut asm = Asm::new(cx, &[ValType::I32; 2], &[]);
    let [from, to] = [0, 1].map(|i| asm.param(i));
    let bytes = WINOGRAD_LANES * 4;
    asm.times_do(WINOGRAD_LANES / 4, |asm| {
        asm.get(to);
        asm.get(from);
        asm.load_v128(0);
        asm.store_v128(0);
        [from, to]
            .into_iter()
            .for_each(|pointer| asm.advance(pointer, 16));
    });
    asm.times_do(k.channels * bytes / 16, |asm| {
        asm.get(from);
        asm.get(to);
        asm.call(channel);
        [from, to]
            .into_iter()
            .for_each(|pointer| asm.advance(pointer, 16));
    });
    asm.finish()
}

/// `(from, to)`: four output channels of one input channel.
fn emit_channel(cx: &mut Context, k: &WinogradWeights) -> FunctionId {
    let mut asm = Asm::new(cx, &[ValType::I32; 2], &[]);
    let [from, to] = [0, 1].map(|i| asm.param(i));
    let matrix = Transforms::new(k.m).weights;
    let row = k.channels * WINOGRAD_LANES * 4;
    // Along columns, then along rows.
    let columns: Vec<Vec<LocalId>> = (0..3)
        .map(|column| {
            let taps = asm.v128s(3);
            for (i, &tap) in taps.iter().enumerate() {
                asm.get(from);
                asm.load_v128((3 * i + column) * row);
                asm.set(tap);
            }
            let results = multiply(&mut asm, &matrix, &taps);
            asm.release(taps);
            results
        })
        .collect();
    for i in 0..k.m + 2 {
        let line: Vec<LocalId> = columns.iter().map(|column| column[i]).collect();
        let results = multiply(&mut asm, &matrix, &line);
        for (j, &value) in results.iter().enumerate() {
            asm.store_lanes(to, (i * (k.m + 2) + j) * row, value, 4);
        }
        asm.release(results);
    }
    asm.finish()
}
