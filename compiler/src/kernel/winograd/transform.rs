//! The matrices of Winograd's minimal filtering F(m, 3), made from interpolation points.
//!
//! A 1-D correlation of `m + 2` inputs `d` with 3 weights `g` is `output · ((weights · g) ∘ (input · d))`: a product of
//! polynomials that is evaluated at `m + 1` points and infinity, and interpolated (Toom and Cook; Lavin and Gray, "Fast
//! Algorithms for Convolutional Neural Networks", 2016). In two dimensions every matrix is applied along both axes.
//!
//! The points decide the rounding error. For m = 4 the usual 0, ±1, ±2 lose three times more than those here: small
//! magnitudes that differ well keep all matrices small (Barabasz, Anderson, Soodhalter and Gregg, "Error Analysis and
//! Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020). Maximum and root mean square of
//! the error of a layer with 256 input channels, relative to the root mean square of its results:
//!
//! | points | maximum | rms |
//! |---|---|---|
//! | m = 2: 0, ±1 | 2.4e-6 | 0.5e-6 |
//! | m = 4: 0, ±1, ±2 | 41e-6 | 3.2e-6 |
//! | m = 4: 0, ±1, 1/2, -2 | 14e-6 | 2.0e-6 |
//! | m = 4: 0, ±5/8, ±3/2 | 12e-6 | 1.4e-6 |
//!
//! They are also pairs, which halves the work of the transforms, and short dyadic fractions, so that the input and
//! output matrices are exact in f32.

/// The three matrices, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Transforms {
    /// `(m + 2) x (m + 2)`: applied to inputs.
    pub input: Vec<Vec<f64>>,
    /// `(m + 2) x 3`: applied to weights.
    pub weights: Vec<Vec<f64>>,
    /// `m x (m + 2)`: applied to products.
    pub output: Vec<Vec<f64>>,
}

impl Transforms {
    /// The matrices for `m` results.
    ///
    /// # Panics
    /// When `m` is neither 2 nor 4.
    pub fn new(m: usize) -> Self {
        match m {
            2 => Self::interpolating(&[0.0, 1.0, -1.0]),
            4 => Self::interpolating(&[0.0, 0.625, -0.625, 1.5, -1.5]),
            _ => panic!("F({m}, 3) has no points"),
        }
    }

    /// From finite points; infinity is one more.
    fn interpolating(points: &[f64]) -> Self {
        let (n, m) = (points.len() + 1, points.len() - 1);
        let powers = |p: f64, count: usize| (0..count).map(move |i| p.powi(i as i32));
        let unit = |length: usize| (0..length).map(move |i| f64::from(i + 1 == length));
        let others = |i: usize| {
            points
                .iter()
                .enumerate()
                .filter(move |(j, _)| *j != i)
                .map(|(_, &q)| q)
        };
        let mut input: Vec<_> = (0..n - 1).map(|i| polynomial(others(i), n)).collect();
        input.push(polynomial(points.iter().copied(), n));
        let mut weights: Vec<Vec<f64>> = (0..n - 1)
            .map(|i| {
                let scale: f64 = others(i).map(|q| points[i] - q).product();
                powers(points[i], 3).map(|v| v / scale).collect()
            })
            .collect();
        weights.push(unit(3).collect());
        let mut columns: Vec<Vec<f64>> = points.iter().map(|&p| powers(p, m).collect()).collect();
        columns.push(unit(m).collect());
        let output = (0..m)
            .map(|row| columns.iter().map(|column| column[row]).collect())
            .collect();
        Self {
            input,
            weights,
            output,
        }
    }
}

/// Coefficients, lowest first, of the monic polynomial with these roots.
fn polynomial(roots: impl Iterator<Item = f64>, length: usize) -> Vec<f64> {
    let mut product = vec![0.0; length];
    product[0] = 1.0;
    for root in roots {
        for i in (0..length).rev() {
            let below = if i > 0 { product[i - 1] } else { 0.0 };
            product[i] = below - root * product[i];
        }
    }
    product
}

/// `matrix · x · matrixᵀ` of a square `x`, row-major.
pub fn both_axes(matrix: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    let n = matrix[0].len();
    let along = |x: &[f64], stride: usize, step: usize, lines: usize| -> Vec<f64> {
        (0..lines)
            .flat_map(|line| {
                matrix.iter().map(move |row| {
                    row.iter()
                        .enumerate()
                        .map(|(i, v)| v * x[line * step + i * stride])
                        .sum::<f64>()
                })
            })
            .collect()
    };
    // Columns first; the result is transposed, so that the second time restores the order.
    let columns = along(x, n, 1, n);
    along(&columns, matrix.len(), 1, matrix.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F(m x m, 3 x 3) of small integers, against the sum that it stands for.
    fn check(m: usize, tolerance: f64) {
        let n = m + 2;
        let t = Transforms::new(m);
        let d: Vec<f64> = (0..n * n).map(|i| ((i * 7 + 3) % 11) as f64 - 5.0).collect();
        let g: Vec<f64> = (0..9).map(|i| ((i * 5 + 2) % 7) as f64 - 3.0).collect();
        let (v, u) = (both_axes(&t.input, &d), both_axes(&t.weights, &g));
        let products: Vec<f64> = v.iter().zip(&u).map(|(a, b)| a * b).collect();
        let y = both_axes(&t.output, &products);
        for (at, found) in y.iter().enumerate() {
            let (row, column) = (at / m, at % m);
            let expected: f64 = (0..9)
                .map(|tap| d[(row + tap / 3) * n + column + tap % 3] * g[tap])
                .sum();
            assert!(
                (found - expected).abs() <= tolerance,
                "m = {m}, {at}: {found} instead of {expected}"
            );
        }
    }

    #[test]
    fn two_by_two_is_exact_on_integers() {
        check(2, 0.0);
    }

    #[test]
    fn four_by_four_is_exact_but_for_the_rounding_of_its_weights() {
        check(4, 1e-11);
    }

    #[test]
    fn input_and_output_matrices_are_exact_in_f32() {
        for m in [2, 4] {
            let t = Transforms::new(m);
            for v in t.input.iter().chain(&t.output).flatten() {
                assert_eq!(f64::from(*v as f32), *v);
            }
        }
    }
}
