//! Scalar functions over all floats, and the arithmetic of indices.
//!
//! What infinities and NaN become is in the table; the rest of the language says about them:
//! WGSL lets compilers assume that there are none.

use keras_compile::graph::{Builder, Graph};
use keras_compile::ops::Gather;
use keras_compile::pointwise::library::{self, *};
use keras_compile::pointwise::{Binary, Tape};
use keras_compile::tensor::{Tensor, TensorType};
use keras_compile_tests::cases::try_all;
use keras_compile_tests::gpu::Model;
use keras_compile_tests::graphs::{graph, input, softmax};

/// A name and a function of one number.
type Row = (&'static str, Tape);

/// The functions of the library, some with parameters.
fn functions() -> Vec<Row> {
    macro_rules! rows {
        ($($name:ident $(($($p:literal),+))?),* $(,)?) => {
            vec![$((stringify!($name), rows!(@ $name $($($p),+)?))),*]
        };
        (@ $name:ident) => { $name::tape() };
        (@ $name:ident $($p:literal),+) => { $name::with($($p),+) };
    }
    rows![
        sigmoid,
        softplus,
        log_sigmoid,
        softsign,
        silu,
        gelu,
        gelu_tanh,
        mish,
        elu(0.7),
        selu,
        celu(1.5),
        tanh_shrink,
        squareplus(4.0),
        relu,
        relu6,
        clip(-1.5, 2.0),
        leaky_relu(0.3),
        thresholded_relu(0.1, 1.0),
        clipped_relu(0.1, 1.0, 4.0),
        hard_sigmoid_keras2,
        hard_sigmoid_keras3,
        hard_silu,
        hard_tanh,
        hard_shrink(0.5),
        soft_shrink(0.5),
        sparse_plus,
        sparse_sigmoid,
        threshold(0.5, 0.25),
        step(0.5),
        square,
        reciprocal,
        rsqrt,
        sign,
        expm1,
        log1p,
        log2,
        log10,
        logaddexp(0.5),
        tan,
        sinh,
        cosh,
        asinh,
        acosh,
        atanh,
        atan,
        asin,
        acos,
        floor_divide(0.7),
        floor_mod(0.7),
        pow(1.7),
    ]
}

/// Floats of both signs and all exponents, so far apart in bits; the step is prime, so that mantissas differ.
fn sweep() -> Vec<f32> {
    (0..=u32::MAX).step_by(16_411).map(f32::from_bits).collect()
}

/// The function on the device.
fn values(tape: &Tape, inputs: &[Vec<f32>]) -> Result<Vec<f32>, String> {
    let count = inputs[0].len();
    let graph = graph("function", |b| {
        let given: Vec<_> = inputs
            .iter()
            .map(|_| input(b, &[count]))
            .collect::<Result<_, _>>()?;
        b.map(tape.clone(), &given)
    });
    let graph = graph.map_err(|error| error.to_string())?;
    let tensor = |values: &Vec<f32>| Tensor::f32([count], values.clone()).expect("as many");
    let tensors: Vec<Tensor> = inputs.iter().map(tensor).collect();
    let found = Model::new(&graph)?.predict(&tensors)?;
    Ok(found[0].to_f32().to_vec())
}

#[test]
fn look() {
    use keras_compile::pointwise::Unary;
    let mut all: Vec<(String, Tape)> = functions().into_iter().map(|(n, t)| (n.to_owned(), t)).collect();
    for op in Unary::ALL {
        all.push((format!("{op:?}"), Tape::unary(*op)));
    }
    let xs = sweep();
    for (name, tape) in all {
        let found = match values(&tape, &[xs.clone()]) {
            Ok(f) => f,
            Err(e) => {
                println!("{name}: {e}");
                continue;
            }
        };
        let (mut worst, mut at) = (0.0, 0.0);
        let (mut nans, mut infs) = (0, 0);
        for (&x, &f) in xs.iter().zip(&found) {
            let e = tape.eval(&[x]);
            if x.is_nan() {
                continue;
            }
            if e.is_nan() {
                if !f.is_nan() {
                    nans += 1;
                    if nans < 3 {
                        println!("{name}({x:e}) is {f} instead of NaN");
                    }
                }
                continue;
            }
            if e.is_infinite() || f.is_infinite() {
                if e != f {
                    infs += 1;
                    if infs < 3 {
                        println!("{name}({x:e}) is {f:e} instead of {e:e}");
                    }
                }
                continue;
            }
            if f.is_nan() {
                nans += 1;
                if nans < 3 {
                    println!("{name}({x:e}) is NaN instead of {e}");
                }
                continue;
            }
            let error = (f64::from(f) - f64::from(e)).abs() / f64::from(e.abs().max(1e-37));
            if error > worst {
                worst = error;
                at = x;
            }
        }
        let special = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            0.0,
            -0.0,
            f32::MAX,
            f32::MIN,
        ];
        let f = values(&tape, &[special.to_vec()]).expect("works");
        let e: Vec<f32> = special.iter().map(|x| tape.eval(&[*x])).collect();
        println!(
            "{name}: relative {worst:e} at {at:e} ({:e}); nan {nans} inf {infs}; NaN, inf, -inf, 0, -0, max, min: {f:?} for {e:?}",
            tape.eval(&[at])
        );
    }
}
