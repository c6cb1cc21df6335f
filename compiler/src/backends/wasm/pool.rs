//! Pooling: every pixel knows the part of its window that lies inside the image; channels run inside.

use super::asm::{Asm, Context};
use super::epilogue::Finish;
use super::{KernelCode, kernel_function, parameters, pointers};
use crate::kernel::{Operands, Pool, PoolKind, PoolOperands, PoolPadding, WindowAxis};
use walrus::ir::{BinaryOp, UnaryOp};
use walrus::{FunctionId, LocalId, ValType};

/// Emits a pool. A unit of work is one row of one batch.
pub(super) fn emit(cx: &mut Context, k: &Pool) -> KernelCode {
    let [batches, rows, pixels, _] = k.dims;
    let finish = Finish::new(&k.epilogue, &k.out);
    let window = Window { k, finish: &finish }.emit(cx);
    let (mut asm, pointers) = kernel_function(cx, k);
    let pointers = pointers.into_list();
    let (unit, end) = (asm.param(1), asm.param(2));
    let at: Vec<LocalId> = pointers.iter().map(|_| asm.i32()).collect();
    let (row, batch, pixel, last) = (asm.i32(), asm.i32(), asm.i32(), asm.i32());
    let (y, x) = (Clip::new(&mut asm), Clip::new(&mut asm));
    asm.set_int(last, pixels);
    let strides = strides(k, &finish);
    asm.while_below(unit, end, |asm| {
        for (local, operator) in [(batch, BinaryOp::I32DivU), (row, BinaryOp::I32RemU)] {
            asm.get(unit);
            asm.int(rows as i32);
            asm.binary(operator);
            asm.set(local);
        }
        y.emit(asm, row, &k.window[0], k.input[0]);
        for ((&base, &at), stride) in pointers.iter().zip(&at).zip(&strides) {
            asm.get(base);
            for (axis, index) in [(0, batch), (1, row)] {
                let bytes = stride.bytes[axis];
                if bytes > 0 && (axis > 0 || batches > 1) {
                    asm.times(index, bytes);
                    asm.binary(BinaryOp::I32Add);
                }
            }
            if stride.is_windowed {
                asm.times(y.first, k.x[1] * 4);
                asm.binary(BinaryOp::I32Add);
            }
            asm.set(at);
        }
        asm.set_int(pixel, 0);
        asm.while_below(pixel, last, |asm| {
            x.emit(asm, pixel, &k.window[1], k.input[1]);
            for (&pointer, stride) in at.iter().zip(&strides) {
                asm.get(pointer);
                if stride.is_windowed {
                    asm.times(x.first, k.x[2] * 4);
                    asm.binary(BinaryOp::I32Add);
                }
            }
            asm.get(y.count);
            asm.get(x.count);
            asm.call(window);
            for (&pointer, stride) in at.iter().zip(&strides).filter(|(_, s)| !s.is_windowed) {
                asm.advance(pointer, stride.bytes[2] as i64);
            }
        });
    });
    let row = if rows > 1 { k.out[1] } else { k.out[0] };
    KernelCode::new(asm.finish(), batches * rows, row * 4)
}

/// How a pointer moves.
struct Stride {
    /// Bytes between batches, rows and pixels.
    bytes: [usize; 3],
    /// Whether rows and pixels are those of the clipped window.
    is_windowed: bool,
}

fn strides(k: &Pool, finish: &Finish) -> Vec<Stride> {
    let walked = |bytes: [usize; 3]| Stride {
        bytes,
        is_windowed: false,
    };
    let operand = |i: usize| walked([0, 1, 2].map(|axis| finish.stride(i, axis)));
    let strides = PoolOperands {
        x: Stride {
            bytes: [k.x[0] * 4, 0, 0],
            is_windowed: true,
        },
        out: walked(k.out.map(|stride| stride * 4)),
        epilogue: (0..finish.operands()).map(operand).collect(),
    };
    strides.into_list()
}

/// The part of a window that lies inside the image.
struct Clip {
    first: LocalId,
    count: LocalId,
}

impl Clip {
    fn new(asm: &mut Asm<'_>) -> Self {
        Self {
            first: asm.i32(),
            count: asm.i32(),
        }
    }

    /// `first = max(at * stride - before, 0)`, `count = max(min(at * stride - before + size, input) - first, 0)`.
    fn emit(&self, asm: &mut Asm<'_>, at: LocalId, window: &WindowAxis, input: usize) {
        let start = asm.i32();
        asm.times(at, window.stride);
        asm.int(window.before as i32);
        asm.binary(BinaryOp::I32Sub);
        asm.set(start);
        asm.get(start);
        asm.int(0);
        asm.get(start);
        asm.int(0);
        asm.binary(BinaryOp::I32GtS);
        asm.push(walrus::ir::Select { ty: None });
        asm.set(self.first);
        asm.advance(start, window.size as i64);
        asm.get(start);
        asm.int(input as i32);
        asm.get(start);
        asm.int(input as i32);
        asm.binary(BinaryOp::I32LtS);
        asm.push(walrus::ir::Select { ty: None });
        asm.get(self.first);
        asm.binary(BinaryOp::I32Sub);
        asm.tee(self.count);
        // A window may lie in the padding alone.
        asm.int(0);
        asm.get(self.count);
        asm.int(0);
        asm.binary(BinaryOp::I32GtS);
        asm.push(walrus::ir::Select { ty: None });
        asm.set(self.count);
    }
}

/// The elements of a window so far.
struct Accumulator {
    kind: PoolKind,
    /// Their sum, or the largest of those that are numbers.
    value: LocalId,
    /// An element, and where there was a NaN: `pmax` and a comparison take three instructions where V8 has eight for
    /// `max`, which keeps NaN.
    element: LocalId,
    nan: LocalId,
}

impl Accumulator {
    fn start(asm: &mut Asm<'_>, kind: PoolKind) -> Self {
        let [value, element, nan] = [(); 3].map(|()| asm.v128());
        let start = match kind {
            PoolKind::Max => f32::NEG_INFINITY,
            PoolKind::Average => 0.0,
        };
        for (local, bits) in [(value, start.to_bits()), (nan, 0)] {
            asm.splat_const(bits);
            asm.set(local);
        }
        Self {
            kind,
            value,
            element,
            nan,
        }
    }

    /// Adds the vector on the stack.
    fn add(&self, asm: &mut Asm<'_>) {
        asm.set(self.element);
        asm.get(self.value);
        asm.get(self.element);
        asm.binary(match self.kind {
            PoolKind::Average => BinaryOp::F32x4Add,
            PoolKind::Max => BinaryOp::F32x4PMax,
        });
        asm.set(self.value);
        if self.kind == PoolKind::Max {
            asm.get(self.element);
            asm.get(self.element);
            asm.binary(BinaryOp::F32x4Ne);
            asm.get(self.nan);
            asm.binary(BinaryOp::V128Or);
            asm.set(self.nan);
        }
    }

    /// The result: the mean, or the largest element.
    fn end(self, asm: &mut Asm<'_>, divisor: LocalId) -> LocalId {
        asm.get(self.value);
        match self.kind {
            PoolKind::Average => {
                asm.get(divisor);
                asm.binary(BinaryOp::F32x4Div);
            }
            // All bits set are a NaN.
            PoolKind::Max => {
                asm.get(self.nan);
                asm.binary(BinaryOp::V128Or);
            }
        }
        asm.set(self.value);
        asm.release([self.element, self.nan]);
        self.value
    }
}

/// The function of one window.
struct Window<'k> {
    k: &'k Pool,
    finish: &'k Finish,
}

impl Window<'_> {
    /// `(x, out, operands…, rows, columns)`: all channels of one pixel.
    fn emit(&self, cx: &mut Context) -> FunctionId {
        let count = pointers(self.k);
        let mut asm = Asm::new(cx, &vec![ValType::I32; count + 2], &[]);
        let pointers = parameters(&asm, self.k, 0);
        let (rows, columns) = (asm.param(count), asm.param(count + 1));
        let full = [rows, columns].map(|_| asm.i32());
        let divisor = asm.v128();
        self.divisor(&mut asm, rows, columns, divisor);
        let [wy, wx] = self.k.window.map(|w| w.size);
        for (local, extent, size) in [(full[0], rows, wy), (full[1], columns, wx)] {
            asm.get(extent);
            asm.int(size as i32);
            asm.binary(BinaryOp::I32Eq);
            asm.set(local);
        }
        asm.get(full[0]);
        asm.get(full[1]);
        asm.binary(BinaryOp::I32And);
        asm.branch(
            |asm| {
                self.channels(asm, &pointers, divisor, &|asm, acc| {
                    self.whole(asm, pointers.x, acc)
                })
            },
            |asm| {
                self.channels(asm, &pointers, divisor, &|asm, acc| {
                    self.clipped(asm, pointers.x, rows, columns, acc);
                });
            },
        );
        asm.finish()
    }

    /// What sums are divided by.
    fn divisor(&self, asm: &mut Asm<'_>, rows: LocalId, columns: LocalId, divisor: LocalId) {
        if self.k.kind == PoolKind::Max {
            return;
        }
        if self.k.padding == PoolPadding::Zero {
            asm.splat_const(((self.k.window[0].size * self.k.window[1].size) as f32).to_bits());
        } else {
            asm.get(rows);
            asm.get(columns);
            asm.binary(BinaryOp::I32Mul);
            asm.unary(UnaryOp::I32x4Splat);
            asm.unary(UnaryOp::F32x4ConvertI32x4S);
        }
        asm.set(divisor);
    }

    /// Loops over channels; `taps` accumulates the window at the channel where the pointer stands.
    fn channels(
        &self,
        asm: &mut Asm<'_>,
        pointers: &PoolOperands<LocalId>,
        divisor: LocalId,
        taps: &dyn Fn(&mut Asm<'_>, &Accumulator),
    ) {
        let channels = self.k.dims[3];
        let some = |asm: &mut Asm<'_>, lanes: usize| {
            let accumulator = Accumulator::start(asm, self.k.kind);
            taps(asm, &accumulator);
            let acc = accumulator.end(asm, divisor);
            self.finish.apply_now(asm, acc, &pointers.epilogue, 0, 0);
            asm.store_lanes(pointers.out, 0, acc, lanes);
            asm.advance(pointers.x, 16);
            asm.advance(pointers.out, 16);
            for (i, &pointer) in pointers.epilogue.iter().enumerate() {
                asm.advance(pointer, self.finish.stride(i, 3) as i64 * 4);
            }
            asm.release([acc]);
        };
        asm.times_do(channels / 4, |asm| some(asm, 4));
        if !channels.is_multiple_of(4) {
            some(asm, channels % 4);
        }
    }

    /// A window inside the image: small ones are written out.
    fn whole(&self, asm: &mut Asm<'_>, x: LocalId, acc: &Accumulator) {
        let [wy, wx] = self.k.window.map(|w| w.size);
        let row = asm.i32();
        asm.add_to(row, x, 0);
        asm.times_do(wy, |asm| {
            let unrolled = if wx <= 8 { wx } else { 1 };
            let column = asm.i32();
            asm.add_to(column, row, 0);
            asm.times_do(wx / unrolled, |asm| {
                for i in 0..unrolled {
                    asm.get(column);
                    asm.load_v128(i * self.k.x[2] * 4);
                    acc.add(asm);
                }
                asm.advance(column, (unrolled * self.k.x[2]) as i64 * 4);
            });
            asm.advance(row, self.k.x[1] as i64 * 4);
        });
    }

    /// A window at the edge: `rows` by `columns` of it lie inside, possibly none where padding counts.
    fn clipped(&self, asm: &mut Asm<'_>, x: LocalId, rows: LocalId, columns: LocalId, acc: &Accumulator) {
        let (row, column, y, at) = (asm.i32(), asm.i32(), asm.i32(), asm.i32());
        asm.add_to(row, x, 0);
        asm.set_int(y, 0);
        asm.while_below(y, rows, |asm| {
            asm.add_to(at, row, 0);
            asm.set_int(column, 0);
            asm.while_below(column, columns, |asm| {
                asm.get(at);
                asm.load_v128(0);
                acc.add(asm);
                asm.advance(at, self.k.x[2] as i64 * 4);
            });
            asm.advance(row, self.k.x[1] as i64 * 4);
        });
        if self.k.kind == PoolKind::Max && self.k.padding == PoolPadding::Zero {
            asm.splat_const(0);
            acc.add(asm);
        }
    }
}
