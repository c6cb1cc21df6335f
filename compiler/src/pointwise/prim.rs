//! The primitives under names that `#[pointwise]` functions can call: `exp(x)` natively is what the
//! interpreter computes, and `exp::emit` appends the instruction.

use super::{Binary, Unary};

macro_rules! unary {
    ($($name:ident = $op:ident;)*) => {$(
        #[doc = concat!("[`Unary::", stringify!($op), "`].")]
        pub fn $name(x: f32) -> f32 {
            Unary::$op.eval(x)
        }
        #[doc = concat!("The instruction [`Unary::", stringify!($op), "`].")]
        pub mod $name {
            use crate::pointwise::{TapeBuilder, Unary, Value};
            /// Appends the instruction.
            pub fn emit(b: &mut TapeBuilder, x: Value) -> Value {
                b.unary(Unary::$op, x)
            }
        }
    )*};
}

macro_rules! binary {
    ($($name:ident = $op:ident;)*) => {$(
        #[doc = concat!("[`Binary::", stringify!($op), "`].")]
        pub fn $name(x: f32, y: f32) -> f32 {
            Binary::$op.eval(x, y)
        }
        #[doc = concat!("The instruction [`Binary::", stringify!($op), "`].")]
        pub mod $name {
            use crate::pointwise::{Binary, TapeBuilder, Value};
            /// Appends the instruction.
            pub fn emit(b: &mut TapeBuilder, x: Value, y: Value) -> Value {
                b.binary(Binary::$op, x, y)
            }
        }
    )*};
}

unary! {
    abs = Abs;
    sqrt = Sqrt;
    floor = Floor;
    ceil = Ceil;
    trunc = Trunc;
    round = Round;
    shift_to_exponent = ShiftToExponent;
    exponent = Exponent;
    mantissa = Mantissa;
    exp = Exp;
    log = Log;
    tanh = Tanh;
    erf = Erf;
    sin = Sin;
    cos = Cos;
}

binary! {
    min = Min;
    max = Max;
    copysign = CopySign;
}
