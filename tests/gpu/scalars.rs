//! Scalar functions over all floats, and the arithmetic of indices.
//!
//! What infinities and NaN become is in the table; the rest of the language says about them:
//! WGSL lets compilers assume that there are none.

use keras_compile::graph::Graph;
use keras_compile::ops::Gather;
use keras_compile::pointwise::library::*;
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

/// Functions that give a number where they are given NaN: WGSL's `min` and `max` may leave NaN out, and do so here.
const NUMBERS_OF_NAN: &[&str] = &[
    "sigmoid",
    "relu",
    "relu6",
    "clip",
    "clipped_relu",
    "hard_sigmoid_keras2",
    "hard_sigmoid_keras3",
    "hard_tanh",
    "sparse_sigmoid",
    "step",
    "expm1",
    "tan",
    "pow",
];

/// From this magnitude on functions with a period only have to stay finite.
const PERIODIC: f32 = 1e4;

#[test]
fn functions_over_all_floats() {
    // Denormals may count as zeros.
    let xs: Vec<f32> = sweep()
        .into_iter()
        .filter(|x| x.is_normal() || x.is_infinite())
        .collect();
    try_all(
        &functions(),
        |(name, _)| (*name).to_owned(),
        |(name, tape)| {
            let found = values(tape, std::slice::from_ref(&xs))?;
            let periodic = ["tan", "floor_mod"].contains(name);
            for (&x, &found) in xs.iter().zip(&found) {
                let expected = tape.eval(&[x]);
                let near = (expected - found).abs() <= 2e-5 * expected.abs() + 1e-6;
                let huge = expected.abs() > 1e37 && found.abs() > 1e37 && expected.signum() == found.signum();
                let far = periodic && x.abs() > PERIODIC && !found.is_nan();
                let same = expected == found || expected.is_nan() && found.is_nan();
                if !(near || huge || far || same) {
                    return Err(format!("of {x:e} is {found:e} instead of {expected:e}"));
                }
            }
            Ok(())
        },
    );
}

#[test]
fn what_becomes_of_nan() {
    try_all(
        &functions(),
        |(name, _)| (*name).to_owned(),
        |(name, tape)| {
            let found = values(tape, &[vec![f32::NAN; 4]])?;
            let number = NUMBERS_OF_NAN.contains(name);
            let right = found.iter().all(|v| v.is_nan() != number);
            if right { Ok(()) } else { Err(format!("{found:?}")) }
        },
    );
}

/// The outputs of a graph on the device.
fn run(graph: &Graph, inputs: &[Tensor]) -> Vec<f32> {
    let model = Model::new(graph).unwrap_or_else(|error| panic!("{error}"));
    let found = model.predict(inputs).unwrap_or_else(|error| panic!("{error}"));
    found[0].to_f32().to_vec()
}

/// Floats over all exponents, each with each.
fn pairs() -> [Vec<f32>; 2] {
    let some: Vec<f32> = (0..=u32::MAX)
        .step_by(8_388_593)
        .map(f32::from_bits)
        .filter(|x| x.is_finite())
        .collect();
    let all = || some.iter().flat_map(|&x| some.iter().map(move |&y| (x, y)));
    [
        all().map(|pair| pair.0).collect(),
        all().map(|pair| pair.1).collect(),
    ]
}

/// Whether a result is the expected one, where neither operands nor result are denormals, which may count as zeros, and none of
/// it comes near the largest float.
fn is_near(expected: f32, found: f32, relative: f32) -> bool {
    let small = 2.0 * f32::MIN_POSITIVE;
    (expected - found).abs() <= relative * expected.abs() + small
        || expected.abs() > 1e37 && found.abs() > 9e36
}

#[test]
fn arithmetic_of_two_numbers() {
    let [x, y] = pairs();
    for op in Binary::ALL {
        let found =
            values(&Tape::binary(*op), &[x.clone(), y.clone()]).unwrap_or_else(|error| panic!("{error}"));
        for ((&x, &y), &found) in x.iter().zip(&y).zip(&found) {
            let normal = |v: f32| v == 0.0 || v.abs() >= f32::MIN_POSITIVE;
            // What is divided by more than 2¹²⁶ may come out as zero (WGSL, accuracy of division).
            let divides = *op != Binary::Div || (1e-37..1e37).contains(&y.abs());
            if !(normal(x) && normal(y) && divides) {
                continue;
            }
            let expected = op.eval(x, y);
            assert!(
                is_near(expected, found, 3e-7),
                "{op:?} of {x:e} and {y:e} is {found:e} instead of {expected:e}"
            );
        }
    }
}

/// Rows that are far apart, equal, beyond all exponents, and partly masked.
#[test]
fn softmax_of_everything() {
    let row = |values: [f32; 5]| values;
    let rows = [
        row([0.0; 5]),
        row([f32::MAX; 5]),
        row([f32::MIN; 5]),
        row([f32::MIN, f32::MAX, 0.0, 1.0, f32::MAX]),
        row([1e4, 1e4 + 1.0, -1e4, 0.0, 9_999.0]),
        row([-1e-40, 1e-40, 0.0, -0.0, 1e-30]),
        row([-104.0, -88.0, -87.0, -1.0, 0.0]),
        row([-1e9, 2.0, -1e9, 3.0, -1e9]),
        row([f32::NEG_INFINITY, 2.0, f32::NEG_INFINITY, 3.0, f32::NEG_INFINITY]),
        row([-3e38, 3e38, 3e38, -3e38, 2.9e38]),
    ];
    let graph = graph("softmax", |b| softmax(b, &[rows.len(), 5], 1)).expect("a graph");
    let given = Tensor::f32([rows.len(), 5], rows.concat()).expect("as many");
    let found = run(&graph, &[given]);
    for (row, found) in rows.iter().zip(found.chunks(5)) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exp = row.map(|x| f64::from(x - max).exp());
        let sum: f64 = exp.iter().sum();
        for (i, (&found, exp)) in found.iter().zip(exp).enumerate() {
            let off = (f64::from(found) - exp / sum).abs();
            assert!(
                off < 1e-6,
                "element {i} of the softmax of {row:?} is {found} instead of {}",
                exp / sum
            );
        }
    }
}

/// Numbers of elements beyond 2²⁴, which a float does not count, and extents that divide nothing.
#[test]
fn indices_are_exact() {
    const SIDE: usize = 4_099;
    let graph = graph("transpose", |b| {
        let x = input(b, &[SIDE, SIDE])?;
        b.transpose(x, [1, 0])
    });
    let values: Vec<f32> = (0..SIDE * SIDE)
        .map(|i| f32::from_bits(i as u32 + 0x3f80_0000))
        .collect();
    let given = Tensor::f32([SIDE, SIDE], values.clone()).expect("as many");
    let found = run(&graph.expect("a graph"), &[given]);
    for (i, &found) in found.iter().enumerate() {
        let expected = values[i % SIDE * SIDE + i / SIDE];
        assert!(found == expected, "element {i} is {found} instead of {expected}");
    }
}

/// What is out of range is clamped, whatever it is; NaN is 0.
#[test]
fn indices_of_all_kinds() {
    let of = |ty: TensorType| {
        graph("gather", |b| {
            let table = b.constant(Tensor::f32([7, 1], (0..7).map(|i| i as f32).collect::<Vec<_>>())?)?;
            let ids = b.input("ids", ty)?;
            let (axis, negative) = (0, true);
            b.add(Gather { axis, negative }, &[table, ids])
        })
        .expect("a graph")
    };
    let row = |index: i32| keras_compile::kernel::Gather::clamp(index, 7) as f32;
    let integers = [
        0,
        1,
        6,
        7,
        -1,
        -7,
        -8,
        i32::MAX,
        i32::MIN,
        i32::MAX - 1,
        i32::MIN + 1,
        1 << 24,
        100,
    ];
    let count = integers.len();
    let found = run(
        &of(TensorType::i32([count])),
        &[Tensor::i32([count], integers.to_vec()).expect("as many")],
    );
    assert_eq!(found, integers.map(row), "integers {integers:?}");
    let floats = [
        0.0,
        -0.0,
        0.9,
        -0.9,
        1.5,
        6.99,
        7.0,
        -1.0,
        -6.5,
        -7.0,
        -8.0,
        1e9,
        -1e9,
        3e9,
        -3e9,
        1e30,
        -1e30,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e-40,
        f32::NAN,
    ];
    let count = floats.len();
    let found = run(
        &of(TensorType::f32([count])),
        &[Tensor::f32([count], floats.to_vec()).expect("as many")],
    );
    assert_eq!(found, floats.map(|x| row(x as i32)), "floats {floats:?}");
}
