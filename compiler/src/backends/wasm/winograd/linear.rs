//! Products of a constant matrix and a column of vectors, with few instructions.
//!
//! Interpolation points come in pairs `±p`, so rows or columns of the matrices come in twins, which differ only in the
//! signs of some elements: a pair of rows is the sum and the difference of two parts, a pair of columns needs the sum
//! and the difference of two inputs.

use crate::backends::wasm::Features;
use crate::backends::wasm::asm::Asm;
use walrus::LocalId;
use walrus::ir::{BinaryOp, TernOp, TernaryOp};

/// Emits `matrix · x`; gives the results in locals of their own.
pub(super) fn multiply(asm: &mut Asm<'_>, matrix: &[Vec<f64>], x: &[LocalId]) -> Vec<LocalId> {
    if let Some((i, j)) = twin_columns(matrix) {
        let (sum, difference) = (asm.v128(), asm.v128());
        for (op, to) in [(BinaryOp::F32x4Add, sum), (BinaryOp::F32x4Sub, difference)] {
            asm.get(x[i]);
            asm.get(x[j]);
            asm.binary(op);
            asm.set(to);
        }
        let mut inputs = x.to_vec();
        (inputs[i], inputs[j]) = (sum, difference);
        let mut folded = matrix.to_vec();
        for row in &mut folded {
            let (a, b) = (row[i], row[j]);
            (row[i], row[j]) = if a == b { (a, 0.0) } else { (0.0, a) };
        }
        let results = multiply(asm, &folded, &inputs);
        asm.release([sum, difference]);
        return results;
    }
    let mut results: Vec<Option<LocalId>> = vec![None; matrix.len()];
    for row in 0..matrix.len() {
        if results[row].is_some() {
            continue;
        }
        if let Some(other) = (row + 1..matrix.len()).find(|&other| twins(&matrix[row], &matrix[other])) {
            let (sum, difference) = pair(asm, &matrix[row], &matrix[other], x);
            (results[row], results[other]) = (Some(sum), Some(difference));
        } else {
            let result = asm.v128();
            add_up(asm, terms(&matrix[row], x), result);
            results[row] = Some(result);
        }
    }
    results.into_iter().flatten().collect()
}

/// Whether two rows differ in the signs of some elements, but not of all.
fn twins(a: &[f64], b: &[f64]) -> bool {
    let pairs: Vec<_> = a
        .iter()
        .zip(b)
        .filter(|(a, b)| (**a, **b) != (0.0, 0.0))
        .collect();
    pairs.iter().all(|(a, b)| a.abs() == b.abs())
        && pairs.iter().any(|(a, b)| a == b)
        && pairs.iter().any(|(a, b)| a != b)
}

/// The first two columns that are twins.
fn twin_columns(matrix: &[Vec<f64>]) -> Option<(usize, usize)> {
    let column = |i: usize| matrix.iter().map(|row| row[i]).collect::<Vec<_>>();
    let n = matrix[0].len();
    (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .find(|&(i, j)| twins(&column(i), &column(j)))
}

fn terms(row: &[f64], x: &[LocalId]) -> Vec<(f64, LocalId)> {
    let all = row.iter().copied().zip(x.iter().copied());
    all.filter(|term| term.0 != 0.0).collect()
}

/// Two rows that are twins: the part with equal signs, plus and minus the part with opposite ones.
fn pair(asm: &mut Asm<'_>, a: &[f64], b: &[f64], x: &[LocalId]) -> (LocalId, LocalId) {
    let part = |equal: bool| -> Vec<f64> {
        let keep = |(&a, &b): (&f64, &f64)| if (a == b) == equal { a } else { 0.0 };
        a.iter().zip(b).map(keep).collect()
    };
    let (same, mut opposite) = (terms(&part(true), x), terms(&part(false), x));
    // Scaled so that its last term needs no product.
    let scale = opposite.last().map_or(1.0, |term| term.0);
    opposite.iter_mut().for_each(|term| term.0 /= scale);
    let [even, odd, sum, difference] = [(); 4].map(|()| asm.v128());
    add_up(asm, same, even);
    add_up(asm, opposite, odd);
    add_up(asm, vec![(1.0, even), (scale, odd)], sum);
    add_up(asm, vec![(1.0, even), (-scale, odd)], difference);
    asm.release([even, odd]);
    (sum, difference)
}

/// Sets `to` to the sum of products.
fn add_up(asm: &mut Asm<'_>, mut terms: Vec<(f64, LocalId)>, to: LocalId) {
    // A first term of factor 1 needs no instruction.
    if let Some(first) = terms.iter().position(|term| term.0 == 1.0) {
        terms.swap(0, first);
    }
    push_sum(asm, &terms);
    asm.set(to);
}

/// Pushes a sum of products; factors 1 and -1 need none.
fn push_sum(asm: &mut Asm<'_>, terms: &[(f64, LocalId)]) {
    let Some((&(factor, x), rest)) = terms.split_last() else {
        return asm.splat_const(0);
    };
    if rest.is_empty() {
        asm.get(x);
        if factor != 1.0 {
            constant(asm, factor);
            asm.binary(BinaryOp::F32x4Mul);
        }
    } else if factor.abs() == 1.0 {
        push_sum(asm, rest);
        asm.get(x);
        asm.binary(if factor == 1.0 {
            BinaryOp::F32x4Add
        } else {
            BinaryOp::F32x4Sub
        });
    } else {
        asm.get(x);
        constant(asm, factor);
        if asm.cx.features == Features::Relaxed {
            push_sum(asm, rest);
            asm.push(TernOp {
                op: TernaryOp::F32x4RelaxedMadd,
            });
        } else {
            asm.binary(BinaryOp::F32x4Mul);
            push_sum(asm, rest);
            asm.binary(BinaryOp::F32x4Add);
        }
    }
}

fn constant(asm: &mut Asm<'_>, value: f64) {
    asm.splat_const((value as f32).to_bits());
}
