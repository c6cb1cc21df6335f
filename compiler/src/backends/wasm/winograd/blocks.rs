//! Transforms of the tiles of a block: where each of them lies.

use super::scratch::Scratch;
use super::tiles::{Output, emit_input, stride};
use crate::backends::wasm::asm::{Asm, Context};
use crate::backends::wasm::epilogue::Finish;
use crate::kernel::{WINOGRAD_LANES, Winograd};
use walrus::ir::BinaryOp;
use walrus::{FunctionId, LocalId, ValType};

/// Emits the transforms.
pub(super) struct Blocks<'k> {
    pub k: &'k Winograd,
    pub finish: &'k Finish,
}

impl Blocks<'_> {
    /// `(a, half, v, tile, end)`: transforms the inputs of tiles.
    pub fn emit_inputs(&self, cx: &mut Context) -> FunctionId {
        let tile_function = emit_input(cx, self.k);
        let mut asm = Asm::new(cx, &[ValType::I32; 5], &[]);
        let [a, half, v, tile, end] = [0, 1, 2, 3, 4].map(|i| asm.param(i));
        asm.while_below(tile, end, |asm| {
            asm.get(a);
            self.add_place(asm, tile, |axis| self.k.a[axis] * 4);
            asm.get(half);
            asm.get(v);
            asm.call(tile_function);
            asm.advance(v, Scratch::of(self.k).tile_stride() as i64 * 4);
        });
        asm.finish()
    }

    /// `(half, products, bias, tile, end, out, operands…)`: transforms the products of tiles with a panel of `lanes`
    /// channels.
    pub fn emit_outputs(&self, cx: &mut Context, lanes: usize) -> FunctionId {
        let output = Output {
            k: self.k,
            finish: self.finish,
            lanes,
        };
        let tile_function = output.emit(cx);
        let count = 6 + self.finish.operands();
        let mut asm = Asm::new(cx, &vec![ValType::I32; count], &[]);
        let [half, products, bias, tile, end] = [0, 1, 2, 3, 4].map(|i| asm.param(i));
        asm.while_below(tile, end, |asm| {
            [half, products, bias]
                .into_iter()
                .for_each(|pointer| asm.get(pointer));
            self.push_extent(asm, tile, 0);
            self.push_extent(asm, tile, 1);
            for i in 5..count {
                let pointer = asm.param(i);
                asm.get(pointer);
                self.add_place(asm, tile, |axis| stride(self.k, self.finish, i - 5, axis));
            }
            asm.call(tile_function);
            asm.advance(products, WINOGRAD_LANES as i64 * 4);
        });
        asm.finish()
    }

    /// Pushes where a tile lies among batches (axis 0), rows of tiles or tiles of a row.
    fn push_index(&self, asm: &mut Asm<'_>, tile: LocalId, axis: usize) {
        let [down, across] = self.k.grid();
        let (inside, extent) = [(down * across, self.k.dims[0]), (across, down), (1, across)][axis];
        asm.get(tile);
        if inside > 1 {
            asm.int(inside as i32);
            asm.binary(BinaryOp::I32DivU);
        }
        if axis > 0 {
            asm.int(extent as i32);
            asm.binary(BinaryOp::I32RemU);
        }
    }

    /// Adds the byte offset of a tile's first element to the address on the stack.
    fn add_place(&self, asm: &mut Asm<'_>, tile: LocalId, stride: impl Fn(usize) -> usize) {
        let (m, [down, across]) = (self.k.m, self.k.grid());
        let axes = [
            (self.k.dims[0], stride(0)),
            (down, m * stride(1)),
            (across, m * stride(2)),
        ];
        for (axis, (extent, bytes)) in axes.into_iter().enumerate() {
            if extent > 1 && bytes != 0 {
                self.push_index(asm, tile, axis);
                asm.int(bytes as u32 as i32);
                asm.binary(BinaryOp::I32Mul);
                asm.binary(BinaryOp::I32Add);
            }
        }
    }

    /// Pushes how many rows (0) or pixels (1) of a tile the result has.
    fn push_extent(&self, asm: &mut Asm<'_>, tile: LocalId, axis: usize) {
        let (m, result, tiles) = (self.k.m, self.k.dims[1 + axis], self.k.grid()[axis]);
        asm.int(m as i32);
        if result % m != 0 {
            asm.int((result % m) as i32);
            self.push_index(asm, tile, 1 + axis);
            asm.int(tiles as i32 - 1);
            asm.binary(BinaryOp::I32Ne);
            asm.push(walrus::ir::Select { ty: None });
        }
    }
}
