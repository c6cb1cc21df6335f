//! Tapes as SIMD code: one f32x4 instruction for each instruction of a tape.

use super::Features;
use super::asm::{Asm, Context};
use crate::pointwise::{Binary, Compare, Fused, Instr, Logic, Tape, Unary, Value};
use std::collections::HashMap;
use walrus::ir::{BinaryOp, TernOp, TernaryOp, UnaryOp, V128Bitselect};
use walrus::{FunctionId, LocalId, ValType};

/// Tapes of more instructions than this are long: inlined at each of a tile's twelve accumulators they would dwarf
/// the kernel.
const INLINE_COST: u32 = 8;

/// A tape ready to be applied to vectors: primitives that wasm lacks are expanded.
#[derive(Clone)]
pub(super) enum Scalar {
    /// Nothing to do.
    Identity,
    /// Few instructions, written at each use.
    Short(Tape),
    /// Written once, in a loop over results in memory ([`Scalar::hoist`]) or as a function.
    Long(Tape),
}

/// The constants of a tape in locals, set before a loop.
pub(super) type Constants = HashMap<u32, LocalId>;

impl Scalar {
    /// Prepares a tape.
    pub fn new(tape: &Tape) -> Self {
        if tape.is_identity() {
            return Self::Identity;
        }
        let expanded = tape.expand(has);
        if expanded.cost() <= INLINE_COST {
            Self::Short(expanded)
        } else {
            Self::Long(expanded)
        }
    }

    /// Pushes the result for the vectors in `inputs`, by a call if the tape is long.
    pub fn apply(&self, asm: &mut Asm<'_>, inputs: &[LocalId]) {
        match self {
            Self::Identity => asm.get(inputs[0]),
            Self::Short(tape) => emit(asm, tape, inputs, &Constants::new()),
            Self::Long(tape) => {
                let function = function(asm.cx, tape);
                inputs.iter().for_each(|&input| asm.get(input));
                asm.call(function);
            }
        }
    }

    /// Sets locals to the constants of a long tape, for [`Scalar::apply_in_loop`].
    pub fn hoist(&self, asm: &mut Asm<'_>) -> Constants {
        let mut constants = Constants::new();
        if let Self::Long(tape) = self {
            for bits in tape
                .instrs()
                .iter()
                .filter_map(|instr| instr.as_const())
                .map(f32::to_bits)
            {
                constants.entry(bits).or_insert_with(|| {
                    let local = asm.v128();
                    asm.splat_const(bits);
                    asm.set(local);
                    local
                });
            }
        }
        constants
    }

    /// Pushes the result for the vectors in `inputs`, whatever the length of the tape.
    pub fn apply_in_loop(&self, asm: &mut Asm<'_>, inputs: &[LocalId], constants: &Constants) {
        match self {
            Self::Long(tape) => emit(asm, tape, inputs, constants),
            _ => self.apply(asm, inputs),
        }
    }
}

/// A function of one vector for each input of the tape.
fn function(cx: &mut Context, tape: &Tape) -> FunctionId {
    if let Some(&function) = cx.tapes.get(tape) {
        return function;
    }
    let params = vec![ValType::V128; tape.inputs() as usize];
    let mut asm = Asm::new(cx, &params, &[ValType::V128]);
    let inputs: Vec<LocalId> = (0..params.len()).map(|i| asm.param(i)).collect();
    emit(&mut asm, tape, &inputs, &Constants::new());
    let function = asm.finish();
    cx.tapes.insert(tape.clone(), function);
    function
}

/// Whether wasm has the primitive, as one instruction or a few integer ones.
fn has(op: Unary) -> bool {
    !matches!(
        op,
        Unary::Exp | Unary::Log | Unary::Tanh | Unary::Erf | Unary::Sin | Unary::Cos
    )
}

/// Pushes the value of an expanded tape.
fn emit(asm: &mut Asm<'_>, tape: &Tape, inputs: &[LocalId], constants: &Constants) {
    let steps = tape.steps(asm.cx.features == Features::Relaxed);
    let mut uses = vec![0u32; steps.len()];
    for operand in steps.iter().flat_map(Fused::operands) {
        uses[operand.index()] += 1;
    }
    let mut emitter = Emitter {
        steps,
        inputs,
        constants,
        uses,
        done: HashMap::new(),
    };
    emitter.value(asm, tape.result());
    // In the order of the tape, so that the same model gives the same bytes.
    let mut done: Vec<_> = emitter.done.into_iter().collect();
    done.sort_unstable_by_key(|d| d.0);
    asm.release(done.into_iter().map(|d| d.1));
}

/// Walks the tape from its result; values with several uses are kept in locals.
struct Emitter<'t> {
    steps: Vec<Fused>,
    inputs: &'t [LocalId],
    constants: &'t Constants,
    uses: Vec<u32>,
    done: HashMap<Value, LocalId>,
}

impl Emitter<'_> {
    fn value(&mut self, asm: &mut Asm<'_>, value: Value) {
        if let Some(&local) = self.done.get(&value) {
            return asm.get(local);
        }
        match self.steps[value.index()] {
            Fused::Plain(Instr::Input(i)) => return asm.get(self.inputs[i as usize]),
            Fused::Plain(Instr::Const(bits)) => {
                return match self.constants.get(&bits) {
                    Some(&local) => asm.get(local),
                    None => asm.splat_const(bits),
                };
            }
            Fused::Plain(instr) => self.instr(asm, instr),
            Fused::MulAdd(a, b, c) => self.fused(asm, [a, b, c], TernaryOp::F32x4RelaxedMadd),
            Fused::NegMulAdd(a, b, c) => self.fused(asm, [a, b, c], TernaryOp::F32x4RelaxedNmadd),
            Fused::Absorbed => unreachable!("only the step that absorbed it uses it"),
        }
        if self.uses[value.index()] > 1 {
            let local = asm.v128();
            asm.tee(local);
            self.done.insert(value, local);
        }
    }

    fn fused(&mut self, asm: &mut Asm<'_>, operands: [Value; 3], op: TernaryOp) {
        operands.into_iter().for_each(|operand| self.value(asm, operand));
        asm.push(TernOp { op });
    }

    fn instr(&mut self, asm: &mut Asm<'_>, instr: Instr) {
        match instr {
            Instr::Input(_) | Instr::Const(_) => unreachable!("these are at hand"),
            Instr::Unary(op, a) => self.unary(asm, op, a),
            Instr::Binary(op, a, b) => self.binary(asm, op, a, b),
            Instr::Compare(op, a, b) => {
                self.value(asm, a);
                self.value(asm, b);
                asm.binary(match op {
                    Compare::Eq => BinaryOp::F32x4Eq,
                    Compare::Ne => BinaryOp::F32x4Ne,
                    Compare::Lt => BinaryOp::F32x4Lt,
                    Compare::Le => BinaryOp::F32x4Le,
                });
            }
            Instr::Logic(op, a, b) => {
                self.value(asm, a);
                self.value(asm, b);
                asm.binary(match op {
                    Logic::And => BinaryOp::V128And,
                    Logic::Or => BinaryOp::V128Or,
                });
            }
            Instr::Not(a) => {
                self.value(asm, a);
                asm.unary(UnaryOp::V128Not);
            }
            Instr::Select(mask, a, b) => {
                self.value(asm, a);
                self.value(asm, b);
                self.value(asm, mask);
                asm.push(V128Bitselect {});
            }
        }
    }

    fn binary(&mut self, asm: &mut Asm<'_>, op: Binary, a: Value, b: Value) {
        self.value(asm, a);
        self.value(asm, b);
        match op {
            Binary::Add => asm.binary(BinaryOp::F32x4Add),
            Binary::Sub => asm.binary(BinaryOp::F32x4Sub),
            Binary::Mul => asm.binary(BinaryOp::F32x4Mul),
            Binary::Div => asm.binary(BinaryOp::F32x4Div),
            Binary::Min if self.is_number(b) => asm.binary(BinaryOp::F32x4PMin),
            Binary::Max if self.is_number(b) => asm.binary(BinaryOp::F32x4PMax),
            Binary::Min => asm.binary(BinaryOp::F32x4Min),
            Binary::Max => asm.binary(BinaryOp::F32x4Max),
            Binary::CopySign => {
                // Where the mask is set, the sign of b; elsewhere a.
                let (x, sign) = (asm.v128(), asm.v128());
                asm.set(sign);
                asm.set(x);
                asm.get(sign);
                asm.get(x);
                asm.splat_const(0x8000_0000);
                asm.push(V128Bitselect {});
                asm.release([x, sign]);
            }
        }
    }

    /// Whether a value is a constant and not NaN. As the second operand it lets `pmin` and `pmax`, one instruction on
    /// x86, keep a NaN in the first; V8 needs eight for `min` and `max`, which keep it in both.
    fn is_number(&self, value: Value) -> bool {
        match self.steps[value.index()] {
            Fused::Plain(instr) => instr.as_const().is_some_and(|c| !c.is_nan()),
            _ => false,
        }
    }

    fn unary(&mut self, asm: &mut Asm<'_>, op: Unary, a: Value) {
        self.value(asm, a);
        match op {
            Unary::Neg => asm.unary(UnaryOp::F32x4Neg),
            Unary::Abs => asm.unary(UnaryOp::F32x4Abs),
            Unary::Sqrt => asm.unary(UnaryOp::F32x4Sqrt),
            Unary::Floor => asm.unary(UnaryOp::F32x4Floor),
            Unary::Ceil => asm.unary(UnaryOp::F32x4Ceil),
            Unary::Trunc => asm.unary(UnaryOp::F32x4Trunc),
            Unary::Round => asm.unary(UnaryOp::F32x4Nearest),
            Unary::ShiftToExponent => {
                asm.int(23);
                asm.binary(BinaryOp::I32x4Shl);
            }
            Unary::Exponent => {
                exponent_bits(asm);
                asm.unary(UnaryOp::F32x4ConvertI32x4S);
            }
            Unary::Mantissa => {
                let bits = asm.v128();
                asm.tee(bits);
                asm.get(bits);
                exponent_bits(asm);
                asm.int(23);
                asm.binary(BinaryOp::I32x4Shl);
                asm.binary(BinaryOp::I32x4Sub);
                asm.release([bits]);
            }
            Unary::Exp | Unary::Log | Unary::Tanh | Unary::Erf | Unary::Sin | Unary::Cos => {
                unreachable!("{op:?} is expanded before")
            }
        }
    }
}

/// The vector on the stack becomes `(bits - 0x3f3504f3) >> 23` as integers; see [`Unary::Exponent`].
fn exponent_bits(asm: &mut Asm<'_>) {
    asm.splat_const(0x3f35_04f3);
    asm.binary(BinaryOp::I32x4Sub);
    asm.int(23);
    asm.binary(BinaryOp::I32x4ShrS);
}
