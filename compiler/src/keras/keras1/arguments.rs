//! The arguments of layers, as Keras 2 has them (`keras/legacy/interfaces.py` of Keras 2.2.4 has the same list).

use super::Dialect;
use serde_json::{Map, Value, json};

/// A key that has another name in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Renamed {
    /// Its name in Keras 2.
    pub(in crate::keras) now: &'static str,
    /// What the file has for it.
    pub(in crate::keras) then: String,
}

/// Keys of Keras 2 and of Keras 1 with the same values.
const RENAMED: &[(&str, &str)] = &[
    ("use_bias", "bias"),
    ("filters", "nb_filter"),
    ("padding", "border_mode"),
    ("strides", "subsample"),
    ("strides", "subsample_length"),
    ("strides", "stride"),
    ("dilation_rate", "atrous_rate"),
    ("kernel_size", "filter_length"),
    ("pool_size", "pool_length"),
    ("data_format", "dim_ordering"),
    ("recurrent_activation", "inner_activation"),
    ("implementation", "consume_less"),
    ("dropout", "dropout_W"),
    ("recurrent_dropout", "dropout_U"),
    ("rate", "p"),
    ("stddev", "sigma"),
    ("size", "length"),
];

/// Keys of Keras 2 whose values are lists of those of several keys of Keras 1.
const LISTED: &[(&str, &[&str])] = &[
    ("kernel_size", &["nb_row", "nb_col"]),
    ("kernel_size", &["kernel_dim1", "kernel_dim2", "kernel_dim3"]),
];

/// How weights start, and shapes that inputs have.
const IDLE: &[&str] = &[
    "init",
    "inner_init",
    "forget_bias_init",
    "alpha_init",
    "beta_init",
    "gamma_init",
    "t_left_init",
    "a_left_init",
    "t_right_init",
    "a_right_init",
    "transform_bias",
    "input_length",
];

/// Layers that have an order of axes and do not write it (their `get_config` leaves it out).
const SILENT: &[&str] = &[
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "Cropping2D",
    "Cropping3D",
];

/// Puts the arguments of a layer of `class`, with what those are called in the file that are called otherwise. What is not
/// understood stays as it is, to be refused by its name.
pub fn arguments(
    class: &str,
    mut values: Map<String, Value>,
    dialect: Dialect,
) -> (Map<String, Value>, Vec<Renamed>) {
    let mut renamed = Vec::new();
    for key in IDLE {
        values.remove(*key);
    }
    // An Embedding calls its own dimensions so.
    if class == "Embedding" {
        values.remove("dropout");
    } else {
        values.remove("input_dim");
        rename(&mut values, &mut renamed, ("units", "output_dim"));
    }
    for &pair in RENAMED {
        rename(&mut values, &mut renamed, pair);
    }
    for &(now, then) in LISTED {
        if then.iter().any(|key| values.contains_key(*key)) && !values.contains_key(now) {
            let parts = then.iter().map(|key| values.remove(*key).unwrap_or_default());
            let parts: Vec<_> = parts.collect();
            put(
                &mut values,
                &mut renamed,
                now,
                then.join(", "),
                Value::Array(parts),
            );
        }
    }
    if matches!(class, "LSTM" | "GRU") && !values.contains_key("recurrent_activation") {
        values.insert("recurrent_activation".to_owned(), "hard_sigmoid".into());
    }
    if let (true, Some(ordering)) = (SILENT.contains(&class), dialect.unsaid_ordering())
        && !values.contains_key("data_format")
    {
        let then = "dim_ordering".to_owned();
        put(&mut values, &mut renamed, "data_format", then, ordering.into());
    }
    if let Some(padding) = values.get("padding").and_then(|padding| sides(class, padding)) {
        values.insert("padding".to_owned(), padding);
    }
    (values, renamed)
}

fn rename(values: &mut Map<String, Value>, renamed: &mut Vec<Renamed>, (now, then): (&'static str, &str)) {
    if !values.contains_key(now)
        && let Some(value) = values.remove(then)
    {
        put(values, renamed, now, then.to_owned(), value);
    }
}

fn put(
    values: &mut Map<String, Value>,
    renamed: &mut Vec<Renamed>,
    now: &'static str,
    then: String,
    value: Value,
) {
    values.insert(now.to_owned(), value);
    renamed.push(Renamed { now, then });
}

/// The padding of a ZeroPadding that names its sides, or lists all four of an image.
fn sides(class: &str, padding: &Value) -> Option<Value> {
    match padding {
        Value::Object(map) => {
            let side = |key: &str| map.get(key).cloned().unwrap_or(json!(0));
            let only = |keys: &[&str]| map.keys().all(|key| keys.contains(&key.as_str()));
            if class == "ZeroPadding1D" {
                let known = only(&["left_pad", "right_pad"]);
                return known.then(|| json!([[side("left_pad"), side("right_pad")]]));
            }
            only(&["top_pad", "bottom_pad", "left_pad", "right_pad"]).then(|| {
                json!([
                    [side("top_pad"), side("bottom_pad")],
                    [side("left_pad"), side("right_pad")]
                ])
            })
        }
        Value::Array(items) => match items.as_slice() {
            [top, bottom, left, right] => Some(json!([[top, bottom], [left, right]])),
            _ => None,
        },
        _ => None,
    }
}
