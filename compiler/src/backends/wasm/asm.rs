//! A small assembler over walrus' function builder: instructions are appended to the innermost open block.

use super::Features;
use super::team::Team;
use walrus::ir::{
    AtomicNotify, AtomicOp, AtomicRmw, AtomicWait, AtomicWidth, BinaryOp, Binop, BrIf, Call, Cmpxchg,
    GlobalGet, GlobalSet, Instr, InstrSeqId, Load, LoadKind, LoadSimd, LoadSimdKind, LocalGet, LocalSet,
    LocalTee, Loop, MemArg, Store, StoreKind, TernOp, TernaryOp, UnaryOp, Unop, Value,
};
use walrus::{FunctionBuilder, FunctionId, GlobalId, LocalId, MemoryId, Module, ValType};

/// The module under construction, with what all functions share.
pub(super) struct Context {
    /// walrus' module.
    pub module: Module,
    /// The imported memory.
    pub memory: MemoryId,
    /// Which instructions may be used.
    pub features: Features,
    /// The globals of a thread, where threads share the work.
    pub team: Option<Team>,
    /// Functions of tapes that are too long to inline.
    pub tapes: std::collections::HashMap<crate::pointwise::Tape, FunctionId>,
    /// How many instructions there are so far.
    pub instructions: usize,
}

/// A function under construction.
pub(super) struct Asm<'c> {
    /// The module.
    pub cx: &'c mut Context,
    builder: FunctionBuilder,
    params: Vec<LocalId>,
    open: Vec<InstrSeqId>,
    /// Vectors to use again: locals cost time at every call until V8 optimises.
    free: Vec<LocalId>,
}

impl<'c> Asm<'c> {
    /// A function with these parameters and results.
    pub fn new(cx: &'c mut Context, params: &[ValType], results: &[ValType]) -> Self {
        let mut builder = FunctionBuilder::new(&mut cx.module.types, params, results);
        let params = params.iter().map(|&ty| cx.module.locals.add(ty)).collect();
        let open = vec![builder.func_body().id()];
        Self {
            cx,
            builder,
            params,
            open,
            free: Vec::new(),
        }
    }
    /// Parameter `index`.
    pub fn param(&self, index: usize) -> LocalId {
        self.params[index]
    }
    /// Ends the function.
    pub fn finish(self) -> FunctionId {
        self.builder.finish(self.params, &mut self.cx.module.funcs)
    }
    /// A new i32 local.
    pub fn i32(&mut self) -> LocalId {
        self.cx.module.locals.add(ValType::I32)
    }
    /// A v128 local of any content.
    pub fn v128(&mut self) -> LocalId {
        self.free
            .pop()
            .unwrap_or_else(|| self.cx.module.locals.add(ValType::V128))
    }
    /// Gives locals back: their values are not needed any more.
    pub fn release(&mut self, locals: impl IntoIterator<Item = LocalId>) {
        self.free.extend(locals);
    }
    /// `count` v128 locals.
    pub fn v128s(&mut self, count: usize) -> Vec<LocalId> {
        (0..count).map(|_| self.v128()).collect()
    }

    /// Appends an instruction.
    pub fn push(&mut self, instr: impl Into<Instr>) {
        self.cx.instructions += 1;
        let top = *self.open.last().expect("the body is open until the end");
        self.builder.instr_seq(top).instr(instr.into());
    }
    /// `local.get`.
    pub fn get(&mut self, local: LocalId) {
        self.push(LocalGet { local });
    }
    /// `local.set`.
    pub fn set(&mut self, local: LocalId) {
        self.push(LocalSet { local });
    }
    /// `local.tee`.
    pub fn tee(&mut self, local: LocalId) {
        self.push(LocalTee { local });
    }
    /// `global.get`.
    pub fn get_global(&mut self, global: GlobalId) {
        self.push(GlobalGet { global });
    }
    /// `global.set`.
    pub fn set_global(&mut self, global: GlobalId) {
        self.push(GlobalSet { global });
    }
    /// `i32.const`.
    pub fn int(&mut self, value: i32) {
        self.push(walrus::ir::Const {
            value: Value::I32(value),
        });
    }
    /// `v128.const` with four equal floats, given by their bits.
    pub fn splat_const(&mut self, bits: u32) {
        let lane = u128::from(bits);
        self.push(walrus::ir::Const {
            value: Value::V128(lane | lane << 32 | lane << 64 | lane << 96),
        });
    }
    /// A binary operator.
    pub fn binary(&mut self, op: BinaryOp) {
        self.push(Binop { op });
    }
    /// `i8x16.shuffle` of whole lanes of 32 bits: 0 to 3 are those of the first vector, 4 to 7 those of the second.
    pub fn shuffle(&mut self, lanes: [u8; 4]) {
        let indices = std::array::from_fn(|i| 4 * lanes[i / 4] + i as u8 % 4);
        self.push(walrus::ir::I8x16Shuffle { indices });
    }
    /// A unary operator.
    pub fn unary(&mut self, op: UnaryOp) {
        self.push(Unop { op });
    }
    /// Calls a function.
    pub fn call(&mut self, func: FunctionId) {
        self.push(Call { func });
    }

    /// `local += bytes`.
    pub fn advance(&mut self, local: LocalId, bytes: i64) {
        if bytes != 0 {
            self.add_to(local, local, bytes);
        }
    }
    /// `to = from + bytes`.
    pub fn add_to(&mut self, to: LocalId, from: LocalId, bytes: i64) {
        self.get(from);
        if bytes != 0 {
            // Addresses wrap at 4 GiB, so a negative distance is added like a positive one.
            self.int(bytes as u32 as i32);
            self.binary(BinaryOp::I32Add);
        }
        self.set(to);
    }
    /// A new i32 local with the value of another.
    pub fn copy(&mut self, from: LocalId) -> LocalId {
        let to = self.i32();
        self.add_to(to, from, 0);
        to
    }
    /// `local = value`.
    pub fn set_int(&mut self, local: LocalId, value: usize) {
        self.int(value as i32);
        self.set(local);
    }
    /// Pushes `local * factor`.
    pub fn times(&mut self, local: LocalId, factor: usize) {
        self.get(local);
        if factor != 1 {
            self.int(factor as u32 as i32);
            self.binary(BinaryOp::I32Mul);
        }
    }

    /// Sets `quotient` and `rest` of `local / by`.
    pub fn divide(&mut self, local: LocalId, by: usize, quotient: LocalId, rest: LocalId) {
        for (op, to) in [(BinaryOp::I32DivU, quotient), (BinaryOp::I32RemU, rest)] {
            self.get(local);
            self.int(by as i32);
            self.binary(op);
            self.set(to);
        }
    }

    fn memarg(&self, align: u32, offset: usize) -> MemArg {
        MemArg {
            align,
            offset: offset as u64,
        }
    }
    /// `i32.load`.
    pub fn load_i32(&mut self, offset: usize) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, offset));
        self.push(Load {
            memory,
            kind: LoadKind::I32 { atomic: false },
            arg,
        });
    }
    /// `i32.store`.
    pub fn store_i32(&mut self, offset: usize) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, offset));
        self.push(Store {
            memory,
            kind: StoreKind::I32 { atomic: false },
            arg,
        });
    }
    /// `i32.atomic.load`.
    pub fn atomic_load(&mut self) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, 0));
        self.push(Load {
            memory,
            kind: LoadKind::I32 { atomic: true },
            arg,
        });
    }
    /// `i32.atomic.store`.
    pub fn atomic_store(&mut self) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, 0));
        self.push(Store {
            memory,
            kind: StoreKind::I32 { atomic: true },
            arg,
        });
    }
    /// `i32.atomic.rmw.add` and the like: takes address and value, gives what was there before.
    pub fn atomic(&mut self, op: AtomicOp) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, 0));
        self.push(AtomicRmw {
            memory,
            op,
            width: AtomicWidth::I32,
            arg,
        });
    }
    /// `i32.atomic.rmw.cmpxchg`: takes address, expected and new value, gives what was there before.
    pub fn compare_exchange(&mut self) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, 0));
        self.push(Cmpxchg {
            memory,
            width: AtomicWidth::I32,
            arg,
        });
    }
    /// `memory.atomic.wait32` without a time limit: takes address and expected value.
    pub fn wait(&mut self) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, 0));
        self.push(walrus::ir::Const {
            value: Value::I64(-1),
        });
        self.push(AtomicWait {
            memory,
            arg,
            sixty_four: false,
        });
    }
    /// `memory.atomic.notify`: takes address and how many to wake.
    pub fn notify(&mut self) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, 0));
        self.push(AtomicNotify { memory, arg });
    }
    /// `f32.load`.
    pub fn load_f32(&mut self, offset: usize) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, offset));
        self.push(Load {
            memory,
            kind: LoadKind::F32,
            arg,
        });
    }
    /// `v128.load`.
    pub fn load_v128(&mut self, offset: usize) {
        // Alignment 4 is what strides guarantee; it is only a hint.
        let (memory, arg) = (self.cx.memory, self.memarg(4, offset));
        self.push(Load {
            memory,
            kind: LoadKind::V128,
            arg,
        });
    }
    /// `v128.store`.
    pub fn store_v128(&mut self, offset: usize) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, offset));
        self.push(Store {
            memory,
            kind: StoreKind::V128,
            arg,
        });
    }
    /// `v128.load32_splat`.
    pub fn load_splat(&mut self, offset: usize) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, offset));
        self.push(LoadSimd {
            memory,
            kind: LoadSimdKind::Splat32,
            arg,
        });
    }
    /// `v128.load8x8_s`: eight signed bytes as integers of sixteen bits.
    pub fn load_bytes(&mut self, offset: usize) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, offset));
        self.push(LoadSimd {
            memory,
            kind: LoadSimdKind::V128Load8x8S,
            arg,
        });
    }
    /// `v128.store16_lane` of the first lane: takes address and vector.
    pub fn store_half(&mut self, offset: usize) {
        let (memory, arg) = (self.cx.memory, self.memarg(2, offset));
        self.push(LoadSimd {
            memory,
            kind: LoadSimdKind::V128Store16Lane(0),
            arg,
        });
    }
    /// `v128.store32_lane`: takes address and vector.
    pub fn store_lane(&mut self, lane: u8, offset: usize) {
        let (memory, arg) = (self.cx.memory, self.memarg(4, offset));
        self.push(LoadSimd {
            memory,
            kind: LoadSimdKind::V128Store32Lane(lane),
            arg,
        });
    }
    /// Stores the first `lanes` of `value` at `address + offset`.
    pub fn store_lanes(&mut self, address: LocalId, offset: usize, value: LocalId, lanes: usize) {
        if lanes >= 4 {
            self.get(address);
            self.get(value);
            return self.store_v128(offset);
        }
        for lane in 0..lanes {
            self.get(address);
            self.get(value);
            self.store_lane(lane as u8, offset + lane * 4);
        }
    }
    /// `acc = a * b + acc`; fused where the module may.
    pub fn multiply_add(&mut self, acc: LocalId, a: LocalId, b: LocalId) {
        match self.cx.features {
            Features::Relaxed => {
                self.get(a);
                self.get(b);
                self.get(acc);
                self.push(TernOp {
                    op: TernaryOp::F32x4RelaxedMadd,
                });
            }
            Features::Baseline => {
                self.get(a);
                self.get(b);
                self.binary(BinaryOp::F32x4Mul);
                self.get(acc);
                self.binary(BinaryOp::F32x4Add);
            }
        }
        self.set(acc);
    }

    /// A loop: it ends with `body` unless that branches back to the block it is given.
    pub fn repeat(&mut self, body: impl FnOnce(&mut Self, InstrSeqId)) {
        let seq = self.builder.dangling_instr_seq(None).id();
        self.open.push(seq);
        body(self, seq);
        self.open.pop();
        self.push(Loop { seq });
    }
    /// A block; branching to it leaves it.
    pub fn block(&mut self, body: impl FnOnce(&mut Self, InstrSeqId)) {
        let seq = self.builder.dangling_instr_seq(None).id();
        self.open.push(seq);
        body(self, seq);
        self.open.pop();
        self.push(walrus::ir::Block { seq });
    }
    /// `if` on the condition on the stack.
    pub fn branch(&mut self, then: impl FnOnce(&mut Self), otherwise: impl FnOnce(&mut Self)) {
        let consequent = self.builder.dangling_instr_seq(None).id();
        self.open.push(consequent);
        then(self);
        self.open.pop();
        let alternative = self.builder.dangling_instr_seq(None).id();
        self.open.push(alternative);
        otherwise(self);
        self.open.pop();
        self.push(walrus::ir::IfElse {
            consequent,
            alternative,
        });
    }
    /// `br_if` with the condition on the stack.
    pub fn br_if(&mut self, block: InstrSeqId) {
        self.push(BrIf { block });
    }
    /// Repeats `body` a fixed number of times, with a counter only where one is needed.
    pub fn times_do(&mut self, count: usize, body: impl FnOnce(&mut Self)) {
        match count {
            0 => {}
            1 => body(self),
            _ => {
                let counter = self.i32();
                self.set_int(counter, count);
                self.repeat(|asm, top| {
                    body(asm);
                    asm.count_down(counter, top);
                });
            }
        }
    }
    /// `counter -= 1` and back to `top` unless it is zero.
    pub fn count_down(&mut self, counter: LocalId, top: InstrSeqId) {
        self.get(counter);
        self.int(1);
        self.binary(BinaryOp::I32Sub);
        self.tee(counter);
        self.br_if(top);
    }
    /// Runs `body` for `index` from `begin` (already in `index`) while it is below `end`.
    pub fn while_below(&mut self, index: LocalId, end: LocalId, body: impl FnOnce(&mut Self)) {
        self.block(|asm, out| {
            asm.get(index);
            asm.get(end);
            asm.binary(BinaryOp::I32GeU);
            asm.br_if(out);
            asm.repeat(|asm, top| {
                body(asm);
                asm.get(index);
                asm.int(1);
                asm.binary(BinaryOp::I32Add);
                asm.tee(index);
                asm.get(end);
                asm.binary(BinaryOp::I32LtU);
                asm.br_if(top);
            });
        });
    }
}
