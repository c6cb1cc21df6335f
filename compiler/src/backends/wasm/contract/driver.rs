//! The loops around tiles.

use crate::backends::wasm::asm::{Asm, Context};
use crate::backends::wasm::epilogue::Finish;
use crate::backends::wasm::tile::Tiling;
use crate::backends::wasm::{KernelCode, kernel_function, parameters, pointers};
use crate::kernel::{Contract, ContractOperands, Image, Operands, Right};
use walrus::ir::BinaryOp;
use walrus::{FunctionId, LocalId, ValType};

/// The loops around tiles.
pub(super) struct Driver<'k> {
    pub k: &'k Contract,
    pub finish: &'k Finish,
    pub tiling: Tiling,
    pub panels: usize,
    pub width: usize,
    /// Strips of a unit.
    pub block: usize,
    pub strips: usize,
    /// Bytes of the next panel that a tile touches.
    pub ahead: Option<usize>,
}

impl Driver<'_> {
    /// Bytes between two panels of the right-hand side.
    fn panel_bytes(&self) -> usize {
        match self.k.right {
            Right::Panels { width } | Right::Codes { width } => self.k.panel(width) * 4,
            Right::Rows { .. } => self.width * 4,
        }
    }

    /// `(strip, end, a, b, out, operands…)`: computes strips of one panel; the pointers stand at batch 0, row 0.
    pub fn emit(&self, cx: &mut Context, large: FunctionId, small: FunctionId) -> FunctionId {
        let mut asm = Asm::new(cx, &vec![ValType::I32; 2 + pointers(self.k)], &[]);
        let (strip, end) = (asm.param(0), asm.param(1));
        let base = parameters(&asm, self.k, 2);
        let (panel, base) = (base.right, base.into_list());
        let at: Vec<LocalId> = base.iter().map(|_| asm.i32()).collect();
        let (tile, row) = (asm.i32(), asm.i32());
        let ahead = self.start_ahead(&mut asm, panel);
        let strides = self.strides();
        asm.get(strip);
        asm.int(self.tiling.count as i32);
        asm.binary(BinaryOp::I32DivU);
        asm.set(row);
        asm.get(strip);
        asm.int(self.tiling.count as i32);
        asm.binary(BinaryOp::I32RemU);
        asm.set(tile);
        self.start_row(&mut asm, &base, &at, row, Some(tile));
        asm.while_below(strip, end, |asm| {
            let call = |asm: &mut Asm<'_>, function: FunctionId, pixels: usize| {
                at.iter().for_each(|&pointer| asm.get(pointer));
                self.call_tile(asm, function, ahead);
                for (&pointer, stride) in at.iter().zip(&strides) {
                    asm.advance(pointer, (pixels * stride.map_or(0, |bytes| bytes[2])) as i64);
                }
            };
            if self.tiling.large == self.tiling.count {
                call(asm, large, self.tiling.size);
            } else {
                asm.get(tile);
                asm.int(self.tiling.large as i32);
                asm.binary(BinaryOp::I32LtU);
                asm.branch(
                    |asm| call(asm, large, self.tiling.size),
                    |asm| call(asm, small, self.tiling.size - 1),
                );
            }
            if self.k.dims[0] * self.k.dims[1] > 1 {
                self.next_row(asm, &base, &at, tile, row);
            } else {
                asm.advance(tile, 1);
            }
        });
        asm.finish()
    }

    /// The same for tiles that go on from one row to the next: `(strip, end, a, b, out, operands…)`.
    pub fn emit_folded(&self, cx: &mut Context, large: FunctionId, small: FunctionId) -> FunctionId {
        let mut asm = Asm::new(cx, &vec![ValType::I32; 2 + pointers(self.k)], &[]);
        let (strip, end) = (asm.param(0), asm.param(1));
        let base = parameters(&asm, self.k, 2);
        let (panel, base) = (base.right, base.into_list());
        let strides = self.strides();
        let [batch, tile, first, row, column] = [(); 5].map(|()| asm.i32());
        let [batches, _, pixels, _] = self.k.dims;
        let ahead = self.start_ahead(&mut asm, panel);
        asm.while_below(strip, end, |asm| {
            if batches > 1 {
                asm.divide(strip, self.tiling.count, batch, tile);
            } else {
                asm.add_to(tile, strip, 0);
            }
            self.tile_pixel(asm, tile);
            asm.set(first);
            asm.divide(first, pixels, row, column);
            let call = |asm: &mut Asm<'_>, function: FunctionId| {
                for (&base, strides) in base.iter().zip(&strides) {
                    asm.get(base);
                    for (axis, index) in [batch, row, column].into_iter().enumerate() {
                        let stride = strides.map_or(0, |bytes| bytes[axis]);
                        if stride > 0 && (axis > 0 || batches > 1) {
                            asm.times(index, stride);
                            asm.binary(BinaryOp::I32Add);
                        }
                    }
                }
                asm.int(pixels as i32);
                asm.get(column);
                asm.binary(BinaryOp::I32Sub);
                self.call_tile(asm, function, ahead);
            };
            asm.get(tile);
            asm.int(self.tiling.large as i32);
            asm.binary(BinaryOp::I32LtU);
            asm.branch(|asm| call(asm, large), |asm| call(asm, small));
        });
        asm.finish()
    }

    /// Where the panel after `panel` starts, if tiles touch it.
    fn start_ahead(&self, asm: &mut Asm<'_>, panel: LocalId) -> Option<(LocalId, usize)> {
        let share = self.ahead?;
        let at = asm.i32();
        asm.add_to(at, panel, self.panel_bytes() as i64);
        Some((at, share))
    }

    /// Calls a tile whose other parameters are on the stack; `ahead` is what it touches and how far that goes.
    fn call_tile(&self, asm: &mut Asm<'_>, tile: FunctionId, ahead: Option<(LocalId, usize)>) {
        if let Some((at, _)) = ahead {
            asm.get(at);
        }
        asm.call(tile);
        if let Some((at, share)) = ahead {
            asm.advance(at, share as i64);
        }
    }

    /// Goes to the next tile; at the end of a row to the start of the next.
    fn next_row(&self, asm: &mut Asm<'_>, base: &[LocalId], at: &[LocalId], tile: LocalId, row: LocalId) {
        asm.get(tile);
        asm.int(1);
        asm.binary(BinaryOp::I32Add);
        asm.tee(tile);
        asm.int(self.tiling.count as i32);
        asm.binary(BinaryOp::I32Eq);
        asm.branch(
            |asm| {
                asm.set_int(tile, 0);
                asm.advance(row, 1);
                self.start_row(asm, base, at, row, None);
            },
            |_| {},
        );
    }

    /// Strides in bytes of every pointer between batches, rows and pixels; the right-hand side is the same for all.
    fn strides(&self) -> Vec<Option<[usize; 3]>> {
        let bytes = |elements: &Image| Some(elements.map(|stride| stride * 4));
        let operand = |i: usize| Some([0, 1, 2].map(|axis| self.finish.stride(i, axis)));
        let strides = ContractOperands {
            a: bytes(&self.k.a),
            right: None,
            out: bytes(&self.k.out),
            epilogue: (0..self.finish.operands()).map(operand).collect(),
        };
        strides.into_list()
    }

    /// Bytes of every pointer between panels.
    fn panels(&self) -> Vec<usize> {
        let operand = |i: usize| self.width * self.finish.stride(i, 3);
        let bytes = ContractOperands {
            a: 0,
            right: self.panel_bytes(),
            out: self.width * 4,
            epilogue: (0..self.finish.operands()).map(operand).collect(),
        };
        bytes.into_list()
    }

    /// Lets the pointers stand at the start of `row` (counted through all batches), or at one of its tiles.
    fn start_row(
        &self,
        asm: &mut Asm<'_>,
        base: &[LocalId],
        at: &[LocalId],
        row: LocalId,
        tile: Option<LocalId>,
    ) {
        let [batches, rows, ..] = self.k.dims;
        for ((&base, &at), strides) in base.iter().zip(at).zip(self.strides()) {
            asm.get(base);
            if let Some([of_batch, of_row, of_pixel]) = strides {
                if batches > 1 && of_batch != rows * of_row {
                    asm.get(row);
                    asm.int(rows as i32);
                    asm.binary(BinaryOp::I32DivU);
                    asm.int(of_batch as i32);
                    asm.binary(BinaryOp::I32Mul);
                    asm.binary(BinaryOp::I32Add);
                    asm.get(row);
                    asm.int(rows as i32);
                    asm.binary(BinaryOp::I32RemU);
                } else {
                    asm.get(row);
                }
                asm.int(of_row as i32);
                asm.binary(BinaryOp::I32Mul);
                asm.binary(BinaryOp::I32Add);
                if let Some(tile) = tile {
                    self.tile_pixel(asm, tile);
                    asm.int(of_pixel as i32);
                    asm.binary(BinaryOp::I32Mul);
                    asm.binary(BinaryOp::I32Add);
                }
            }
            asm.set(at);
        }
    }

    /// Pushes the first pixel of a tile: every tile before it has `size` pixels, less one for each small one.
    fn tile_pixel(&self, asm: &mut Asm<'_>, tile: LocalId) {
        asm.times(tile, self.tiling.size);
        if self.tiling.large < self.tiling.count {
            // tile - min(tile, large) small tiles lie before it.
            asm.get(tile);
            asm.get(tile);
            asm.int(self.tiling.large as i32);
            asm.get(tile);
            asm.int(self.tiling.large as i32);
            asm.binary(BinaryOp::I32LtU);
            asm.push(walrus::ir::Select { ty: None });
            asm.binary(BinaryOp::I32Sub);
            asm.binary(BinaryOp::I32Sub);
        }
    }

    /// The kernel: unit `u` is panel `u % panels` for block `u / panels`.
    pub fn emit_kernel(&self, cx: &mut Context, full: FunctionId, last: FunctionId) -> KernelCode {
        let (mut asm, pointers) = kernel_function(cx, self.k);
        let (pointers, strides) = (pointers.into_list(), self.panels());
        let (unit, end) = (asm.param(1), asm.param(2));
        let (panel, first) = (asm.i32(), asm.i32());
        asm.while_below(unit, end, |asm| {
            asm.get(unit);
            asm.int(self.panels as i32);
            asm.binary(BinaryOp::I32RemU);
            asm.set(panel);
            asm.get(unit);
            asm.int(self.panels as i32);
            asm.binary(BinaryOp::I32DivU);
            asm.int(self.block as i32);
            asm.binary(BinaryOp::I32Mul);
            asm.set(first);
            let arguments = |asm: &mut Asm<'_>| {
                asm.get(first);
                self.block_end(asm, first);
                for (&pointer, &bytes) in pointers.iter().zip(&strides) {
                    asm.get(pointer);
                    if bytes != 0 {
                        asm.times(panel, bytes);
                        asm.binary(BinaryOp::I32Add);
                    }
                }
            };
            if full == last {
                arguments(asm);
                asm.call(full);
            } else {
                asm.get(panel);
                asm.int(self.panels as i32 - 1);
                asm.binary(BinaryOp::I32Eq);
                asm.branch(
                    |asm| {
                        arguments(asm);
                        asm.call(last);
                    },
                    |asm| {
                        arguments(asm);
                        asm.call(full);
                    },
                );
            }
        });
        let units = self.strips.div_ceil(self.block) * self.panels;
        KernelCode::new(asm.finish(), units, self.width * 4)
    }

    /// Pushes the smaller of `first + block` and the number of strips.
    fn block_end(&self, asm: &mut Asm<'_>, first: LocalId) {
        let end = asm.i32();
        asm.add_to(end, first, self.block as i64);
        asm.get(end);
        asm.int(self.strips as i32);
        asm.get(end);
        asm.int(self.strips as i32);
        asm.binary(BinaryOp::I32LtU);
        asm.push(walrus::ir::Select { ty: None });
    }
}
