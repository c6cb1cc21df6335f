//! A register tile.

use super::codes;
use crate::backends::wasm::asm::{Asm, Context};
use crate::backends::wasm::epilogue::{Finish, Fold};
use crate::backends::wasm::tile::{Ahead, Walk};
use crate::backends::wasm::{parameters, pointers};
use crate::kernel::{Contract, ContractOperands, Right};
use walrus::{FunctionId, LocalId, ValType};

/// One register tile: `size` pixels by `lanes` of a panel's `width` channels.
pub(super) struct Tile<'k> {
    pub k: &'k Contract,
    pub width: usize,
    pub size: usize,
    pub lanes: usize,
    /// Whether it may go on in the next row.
    pub folded: bool,
    /// Bytes from touch to touch of weights ahead.
    pub ahead: Option<usize>,
    pub finish: &'k Finish,
}

impl Tile<'_> {
    /// `(a, b, out, operands…)`, if it is folded the number of pixels before the fold, and what it touches ahead.
    pub fn emit(&self, cx: &mut Context) -> FunctionId {
        let count = pointers(self.k);
        let mut asm = Asm::new(
            cx,
            &vec![ValType::I32; count + usize::from(self.folded) + usize::from(self.ahead.is_some())],
            &[],
        );
        let ContractOperands {
            a,
            right: b,
            out,
            epilogue,
        } = parameters(&asm, self.k, 0);
        let results = [vec![out], epilogue].concat();
        let fold = self.folded.then(|| Fold {
            at: asm.param(count),
            gaps: self.gaps(),
        });
        let vectors = self.lanes.div_ceil(4);
        let acc: Vec<Vec<LocalId>> = (0..self.size).map(|_| asm.v128s(vectors)).collect();
        self.start(&mut asm, b, &acc);
        let walk = |row: usize| Walk {
            taps: &self.k.taps,
            run: self.k.run,
            pixel: self.k.a[2],
            ahead: self.ahead.map(|step| Ahead {
                at: asm.param(count + usize::from(self.folded)),
                step,
            }),
            row,
        };
        match self.k.right {
            Right::Panels { width } => walk(width).emit(&mut asm, a, b, &acc),
            Right::Rows { stride, .. } => walk(stride).emit(&mut asm, a, b, &acc),
            Right::Codes { width } => codes::emit(&mut asm, self.k, width, [a, b], &acc),
        }
        for (pixel, row) in acc.iter().enumerate() {
            let at = match &fold {
                Some(fold) => fold.pointers(&mut asm, &results, pixel),
                None => results.clone(),
            };
            for (v, &value) in row.iter().enumerate() {
                self.finish.apply(&mut asm, value, &at[1..], pixel, 4 * v);
                let offset = (pixel * self.k.out[2] + 4 * v) * 4;
                asm.store_lanes(at[0], offset, value, self.lanes - 4 * v);
            }
        }
        let stride = self.k.out[2] * 4;
        self.finish
            .sweep(&mut asm, &results, stride, self.size, self.lanes, fold.as_ref());
        asm.finish()
    }

    /// Bytes between rows of out and the operands, beyond their pixels.
    fn gaps(&self) -> Vec<usize> {
        let gap = |row: usize, pixel: usize| row.wrapping_sub(self.k.dims[2] * pixel);
        let operands =
            (0..self.finish.operands()).map(|i| gap(self.finish.stride(i, 1), self.finish.stride(i, 2)));
        let out = gap(self.k.out[1] * 4, self.k.out[2] * 4);
        [out].into_iter().chain(operands).collect()
    }

    /// The accumulators start with the bias, which heads the panel; there is none for rows, and codes add it later.
    fn start(&self, asm: &mut Asm<'_>, b: LocalId, acc: &[Vec<LocalId>]) {
        if !matches!(self.k.right, Right::Panels { .. }) {
            return;
        }
        for v in 0..acc[0].len() {
            asm.get(b);
            asm.load_v128(16 * v);
            for row in acc {
                asm.tee(row[v]);
            }
            asm.push(walrus::ir::Drop {});
        }
        asm.advance(b, self.width as i64 * 4);
    }
}
