//! Linear algebra on small matrices, which are the last two axes: factors, solutions, determinants, singular values.
//!
//! Their algorithms are loops whose steps work on whole matrices, with masks for what a step leaves alone: as many steps
//! as a matrix has columns, or for singular values a fixed number of sweeps, whatever the numbers are.

mod elimination;
mod orthogonal;
mod singular;
mod triangular;

#[cfg(test)]
mod tests;

use super::arguments::Arguments;
use super::selection::broadcast;
use crate::graph::NodeId;
use crate::keras::layers::context::{Cx, Stop};
use crate::ops::MatMul;
use crate::pointwise::Tape;

pub use elimination::{determinant, inverse, lu_factor, sign_and_log, solve};
pub use orthogonal::qr;
pub use singular::{eigen, least_squares, matrix_norm, pseudo_inverse, rank, singular_values};
pub use triangular::{cholesky, cholesky_inverse, log_determinant, solve_triangular};

type Args<'a, 'b> = &'b Arguments<'a>;

/// Most rows and columns of a matrix that is eliminated column by column: as many steps of a dozen kernels.
const MOST: usize = 64;

/// A batch of matrices `[count, rows, columns]`, and the axes before them.
struct Matrices {
    node: NodeId,
    outer: Vec<usize>,
    rows: usize,
    columns: usize,
}

impl Matrices {
    /// The last two axes of a tensor, each of `most` at most.
    fn of(cx: &mut Cx<'_>, x: NodeId, most: usize) -> Result<Self, Stop> {
        let dims = cx.dims(x);
        let [outer @ .., rows, columns] = &dims[..] else {
            return Err(cx.inconsistent("it takes a tensor of rank 2 or more"));
        };
        if *rows.max(columns) > most {
            return Err(cx.inconsistent(format!(
                "it takes matrices of no more than {most} rows and columns, not {rows}x{columns}: its steps, each of which \
                 waits for the one before, would take a browser too long; work on smaller blocks, or compute it before"
            )));
        }
        Ok(Self {
            node: cx.b().reshape(x, [outer.iter().product(), *rows, *columns])?,
            outer: outer.to_vec(),
            rows: *rows,
            columns: *columns,
        })
    }
    /// The same of matrices that must be square.
    fn square(cx: &mut Cx<'_>, x: NodeId, most: usize) -> Result<Self, Stop> {
        let found = Self::of(cx, x, most)?;
        if found.rows != found.columns {
            let (rows, columns) = (found.rows, found.columns);
            return Err(cx.inconsistent(format!("it takes square matrices, not {rows}x{columns}")));
        }
        Ok(found)
    }
    /// How many there are.
    fn count(&self) -> usize {
        self.outer.iter().product()
    }
    /// A result of those matrices under their axes: `[count, …]` becomes `[outer…, …]`.
    fn give(&self, cx: &mut Cx<'_>, x: NodeId, inner: &[usize]) -> Result<NodeId, Stop> {
        Ok(cx.b().reshape(x, [&self.outer[..], inner].concat())?)
    }
}

/// Both sides of a system, matrices and what they are solved for `[count, n, k]`, and the shape of the solution. A
/// right-hand side with one axis less is a vector; axes before the matrices broadcast.
fn system(cx: &mut Cx<'_>, a: Args<'_, '_>) -> Result<(Matrices, NodeId, Vec<usize>), Stop> {
    let (left, right) = (a.tensor(cx, 0, &["a", "x"])?, a.tensor(cx, 1, &["b"])?);
    let (dims, shape) = (cx.dims(left), cx.dims(right));
    let vector = shape.len() + 1 == dims.len();
    let mut columns = shape.clone();
    if vector {
        columns.push(1);
    }
    let fits = dims.len() >= 2 && columns.len() >= 2 && columns[columns.len() - 2] == dims[dims.len() - 1];
    if !fits {
        return Err(cx.inconsistent(format!("{dims:?} and {shape:?} are not the sides of a system")));
    }
    let right = cx.b().reshape(right, columns.clone())?;
    let outer = [&dims, &columns].map(|dims| crate::tensor::Shape::new(&dims[..dims.len() - 2]));
    let outer = outer[0].broadcast(&outer[1]);
    let outer = outer.ok_or_else(|| cx.inconsistent(format!("{dims:?} and {shape:?} do not broadcast")))?;
    let wide = |dims: &[usize]| -> Vec<i64> {
        let all = outer.dims().iter().chain(&dims[dims.len() - 2..]);
        all.map(|&n| i64::try_from(n).unwrap_or(i64::MAX)).collect()
    };
    let (left, right) = (
        broadcast(cx, left, &wide(&dims))?,
        broadcast(cx, right, &wide(&columns))?,
    );
    let matrices = Matrices::square(cx, left, MOST)?;
    let sizes = [matrices.count(), matrices.rows, columns[columns.len() - 1]];
    let right = cx.b().reshape(right, sizes)?;
    let end = columns.len() - usize::from(vector);
    let solution = [outer.dims(), &columns[columns.len() - 2..end]].concat();
    Ok((matrices, right, solution))
}

/// The product of matrices `[count, m, k]` and `[count, k, n]`.
fn times(cx: &mut Cx<'_>, a: NodeId, b: NodeId) -> Result<NodeId, Stop> {
    let op = MatMul {
        bias: false,
        epilogue: Tape::identity(),
    };
    Ok(cx.b().add(op, &[a, b])?)
}
