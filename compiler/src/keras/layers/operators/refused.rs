//! Operations of Keras 3 that are refused, and why.

/// Its result has a shape that depends on the numbers.
const OPEN: &str = "the shape of its result depends on the numbers, and shapes are fixed here";
/// It takes a function in Python.
const PROGRAM: &str = "it holds a Python function, which is not in the file";
/// Complex numbers.
const COMPLEX: &str = "numbers are real here: compute with real and imaginary parts as two tensors";

/// Classes of operations and the reason.
pub const REFUSED: &[(&[&str], &str)] = &[
    (&["Nonzero", "Unique", "Bincount", "Arange"], OPEN),
    (
        &[
            "Map",
            "Scan",
            "AssociativeScan",
            "Switch",
            "WhileLoop",
            "ForiLoop",
            "Cond",
            "VectorizedMap",
            "JVP",
        ],
        PROGRAM,
    ),
    (&["ViewAsComplex", "ViewAsReal", "Polar", "Eig"], COMPLEX),
    (
        &["Argpartition"],
        "the order within its parts is not defined: use argsort",
    ),
    (
        &["BitwiseInvert", "BitwiseNot"],
        "what it gives depends on the type of the integers, which computed numbers do not carry here: write -1 - x, or 255 - x of uint8",
    ),
    (
        &["View", "Nextafter"],
        "it is about the bits of a type, and all numbers are 32-bit floats here, of which GPUs take the smallest for 0",
    ),
    (&["ElasticTransform"], "it is random"),
];

/// Why an operation is refused.
pub fn reason(class: &str) -> Option<&'static str> {
    let row = REFUSED.iter().find(|(classes, _)| classes.contains(&class));
    row.map(|(_, reason)| *reason)
}
