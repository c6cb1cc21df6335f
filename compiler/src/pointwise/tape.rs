//! The instructions of a tape.

use super::TapeBuilder;

/// Index of an instruction in its tape, and so of the value that it computes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Value(pub u32);

impl Value {
    /// The index as what slices want.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One instruction. Operands precede the instructions that take them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Instr {
    /// The input of that number.
    Input(u32),
    /// A constant by the bits of its f32, so that instructions can be compared and hashed.
    Const(u32),
    /// A function of one value.
    Unary(Unary, Value),
    /// A function of two values.
    Binary(Binary, Value, Value),
    /// A comparison; gives a mask.
    Compare(Compare, Value, Value),
    /// Combines two masks; gives a mask.
    Logic(Logic, Value, Value),
    /// The opposite of a mask.
    Not(Value),
    /// `Select(mask, a, b)` is `a` where the mask holds, else `b`.
    Select(Value, Value, Value),
}

/// Enums of instructions, with a list of all that there are.
macro_rules! listed {
    ($($(#[$about:meta])* pub enum $name:ident { $($(#[$each:meta])* $variant:ident,)+ })+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name { $($(#[$each])* $variant),+ }
        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
        }
    )+};
}

listed! {
    /// Functions of one value. From [`Unary::Exp`] on they are those that not every target has.
    pub enum Unary {
        /// The opposite sign, also of zeros.
        Neg,
        /// The value without its sign.
        Abs,
        /// Square root, correctly rounded; NaN below zero.
        Sqrt,
        /// Rounds down.
        Floor,
        /// Rounds up.
        Ceil,
        /// Rounds towards zero.
        Trunc,
        /// Rounds to the nearest integer, ties to the even one.
        Round,
        /// The float whose bits are those of the operand shifted left by 23, so that the operand's lowest
        /// eight bits become an exponent: 2ⁿ from n + 1.5·2²³ + 127, for integers n from -127 (which
        /// gives 0) to 128 (which gives infinity).
        ShiftToExponent,
        /// The integer e of x = m·2ᵉ with m in [√½, √2), for positive normal x. In bits:
        /// `(bits - 0x3f3504f3) >> 23` as signed integers.
        Exponent,
        /// The m of the same x = m·2ᵉ: `bits - (e << 23)`.
        Mantissa,
        /// eˣ.
        Exp,
        /// Natural logarithm; -infinity at zeros, NaN below.
        Log,
        /// Hyperbolic tangent.
        Tanh,
        /// The error function, 2/√π ∫₀ˣ exp(-t²) dt.
        Erf,
        /// Sine of radians.
        Sin,
        /// Cosine of radians.
        Cos,
    }

    /// Functions of two values.
    pub enum Binary {
        /// Sum.
        Add,
        /// Difference.
        Sub,
        /// Product.
        Mul,
        /// Quotient.
        Div,
        /// The smaller; NaN if either is NaN. A constant operand is the second one, so that with a
        /// comparison `b < a ? b : a`, often one instruction, NaN stays NaN.
        Min,
        /// The greater; as for [`Binary::Min`].
        Max,
        /// The first operand with the sign bit of the second.
        CopySign,
    }

    /// Comparisons. A greater-than is a less-than with its operands exchanged.
    pub enum Compare {
        /// Equal; zeros of both signs are.
        Eq,
        /// Not equal; NaN is not equal to itself.
        Ne,
        /// Less.
        Lt,
        /// Less or equal.
        Le,
    }

    /// Operations on masks.
    pub enum Logic {
        /// Both hold.
        And,
        /// At least one holds.
        Or,
    }
}

impl Instr {
    /// What the instruction takes, in order; `None` beyond.
    pub fn operands(&self) -> impl Iterator<Item = Value> + use<> {
        let operands = match *self {
            Instr::Input(_) | Instr::Const(_) => [None; 3],
            Instr::Unary(_, a) | Instr::Not(a) => [Some(a), None, None],
            Instr::Binary(_, a, b) | Instr::Compare(_, a, b) | Instr::Logic(_, a, b) => {
                [Some(a), Some(b), None]
            }
            Instr::Select(mask, a, b) => [Some(mask), Some(a), Some(b)],
        };
        operands.into_iter().flatten()
    }
    /// The same instruction on other operands.
    pub fn map_operands(&self, mut f: impl FnMut(Value) -> Value) -> Instr {
        match *self {
            Instr::Input(_) | Instr::Const(_) => *self,
            Instr::Unary(op, a) => Instr::Unary(op, f(a)),
            Instr::Not(a) => Instr::Not(f(a)),
            Instr::Binary(op, a, b) => Instr::Binary(op, f(a), f(b)),
            Instr::Compare(op, a, b) => Instr::Compare(op, f(a), f(b)),
            Instr::Logic(op, a, b) => Instr::Logic(op, f(a), f(b)),
            Instr::Select(mask, a, b) => Instr::Select(f(mask), f(a), f(b)),
        }
    }
    /// Which of the operands are masks.
    pub(super) fn takes_masks(&self) -> [bool; 3] {
        match self {
            Instr::Logic(..) | Instr::Not(_) => [true; 3],
            Instr::Select(..) => [true, false, false],
            _ => [false; 3],
        }
    }
    /// Whether the result is a mask, not a number.
    pub fn is_mask(&self) -> bool {
        matches!(self, Instr::Compare(..) | Instr::Logic(..) | Instr::Not(_))
    }
    /// The number, if this is a constant.
    pub fn as_const(&self) -> Option<f32> {
        match *self {
            Instr::Const(bits) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }
}

/// A function from some f32 to one f32. Made by [`TapeBuilder`]; every instruction contributes to the
/// result, which is the last one, and no two instructions are the same. So equal tapes compute equal functions (but
/// not the reverse).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Tape {
    inputs: u32,
    instrs: Vec<Instr>,
}

impl Tape {
    /// Only for the builder, which keeps the invariants.
    pub(super) fn from_parts(inputs: u32, instrs: Vec<Instr>) -> Self {
        Self { inputs, instrs }
    }
    /// The function that returns its only input.
    pub fn identity() -> Self {
        Self::input(1, 0)
    }
    /// The function of `inputs` values that returns the one numbered `index`.
    ///
    /// # Panics
    /// If there is no such input.
    pub fn input(inputs: u32, index: u32) -> Self {
        let mut b = TapeBuilder::new(inputs);
        let x = b.input(index);
        b.finish(x)
    }
    /// The function of no input that returns `value`.
    pub fn constant(value: f32) -> Self {
        let mut b = TapeBuilder::new(0);
        let value = b.constant(value);
        b.finish(value)
    }
    /// `op` on one input.
    pub fn unary(op: Unary) -> Self {
        let mut b = TapeBuilder::new(1);
        let x = b.input(0);
        let y = b.unary(op, x);
        b.finish(y)
    }
    /// `op` on two inputs.
    pub fn binary(op: Binary) -> Self {
        let mut b = TapeBuilder::new(2);
        let (x, y) = (b.input(0), b.input(1));
        let z = b.binary(op, x, y);
        b.finish(z)
    }
    /// `op` on one input and a constant, as in `x * 0.5`.
    pub fn binary_const(op: Binary, constant: f32) -> Self {
        let mut b = TapeBuilder::new(1);
        let (x, c) = (b.input(0), b.constant(constant));
        let y = b.binary(op, x, c);
        b.finish(y)
    }
    /// Number of inputs; not all need be used.
    pub fn inputs(&self) -> u32 {
        self.inputs
    }
    /// The instructions, in an order in which they can be computed.
    pub fn instrs(&self) -> &[Instr] {
        &self.instrs
    }
    /// Which instruction computes the result: the last one.
    pub fn result(&self) -> Value {
        Value(self.instrs.len() as u32 - 1)
    }
    /// Whether the function returns its only input.
    pub fn is_identity(&self) -> bool {
        self.inputs == 1 && self.instrs == [Instr::Input(0)]
    }
}
