use super::{Constant, Expr, Function, parse};

fn constant(text: &str) -> Constant {
    let Function { nodes, result, .. } = parse(text).unwrap();
    match nodes.get(result) {
        Some(Expr::Constant(constant)) => constant.clone(),
        other => panic!("{text} is {other:?}"),
    }
}

/// As Python 3 computes them.
#[test]
fn arithmetic_is_that_of_python() {
    for (text, value) in [
        ("1 + 2 * 3", 7),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("7 % -3", -2),
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("~5", -6),
        ("6 & 3 | 8 ^ 1", 11),
        ("1_000", 1000),
    ] {
        assert_eq!(constant(text), Constant::Int(value), "{text}");
    }
    for (text, value) in [
        ("1 / 4", 0.25),
        ("2 ** -1", 0.5),
        ("-7.5 // 2", -4.0),
        ("-7.5 % 2", 0.5),
        ("7.5 % -2", -0.5),
        ("1e3 + .5 + 2.", 1002.5),
        ("0.7 // 0.1", 6.0),
    ] {
        assert_eq!(constant(text), Constant::float(value), "{text}");
    }
    assert_eq!(constant("1 < 2.5"), Constant::Bool(true));
    for text in [
        "1 / 0",
        "1 // 0",
        "1 % 0",
        "2 ** 100",
        "(-2) ** 0.5",
        "9223372036854775807 + 1",
    ] {
        let Function { nodes, result, .. } = parse(text).unwrap();
        assert!(
            matches!(nodes[result], Expr::Binary(..)),
            "{text} is left as it is"
        );
    }
}

#[test]
fn one_meaning_has_one_form() {
    for (a, b) in [
        ("x", "lambda x: x"),
        ("x + x * 2", "(x) + (x * 2.0 ** 1 * 0 + x * 2)"),
        ("x[:3]", "x[:3:]"),
        ("(x, 1)", "x, 1,"),
        ("f(x, a=1,)", "f (x , a = 1)"),
        ("x / (1 + 1)", "x / 2"),
        ("a.b.c(x)", "a .b. c(x)"),
    ] {
        let same = parse(a).unwrap() == parse(b).unwrap();
        assert_eq!(same, !b.contains("** 1 * 0"), "{a} and {b}");
    }
}

#[test]
fn what_is_no_expression_is_shown() {
    let deep = "(".repeat(100);
    let signs = "-".repeat(100_000);
    let long = vec!["x"; 40_000].join("+");
    for (text, expected) in [
        ("", "the expression ends too soon"),
        ("x +", "the expression ends too soon"),
        ("x if x else 1", "\"if\" at character 3 is not understood"),
        ("x $ 2", "\"$\" at character 3 is not understood"),
        ("(x", "the expression ends too soon, where \")\" should be"),
        ("x and x", "\"and\" at character 3 is not understood"),
        ("1 < x < 2", "\"<\" at character 7 is not understood"),
        ("f'{x}'", "\"f'{x}'\" at character 1 is not understood"),
        ("2j", "\"2j\" at character 1 is not understood"),
        (
            "99999999999999999999",
            "\"99999999999999999999\" at character 1 is not understood",
        ),
        ("lambda a, a: a", "the parameter \"a\" stands twice"),
        ("f(a=1, 2)", "\"2\" at character 8 is not understood"),
        ("x[]", "an index is empty"),
        (&deep, "the expression is too long or too deep"),
        (&signs, "the expression has more than 65536 bytes"),
        (&signs[..1000], "the expression is too deep"),
        (&long, "the expression has more than 65536 bytes"),
    ] {
        let shown = &text[..text.len().min(20)];
        assert_eq!(parse(text).unwrap_err(), expected, "{shown}");
    }
}
