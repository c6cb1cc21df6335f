//! What is said about layers that cannot be compiled.

use crate::error::{Error, ErrorKind};
use crate::keras::class::Origin;
use crate::keras::model::{Layer, Semantics, Weight};
use crate::text::brief;

/// What a user can do about functions in Python code: Keras saves those of `keras.ops`, of `tf` and of operators.
pub const CALL_IT: &str = "call the function on the tensor, y = f(x), which Keras saves as operations";

/// What is said where the rest of the model can be compiled.
const IN_JAVASCRIPT: &str = "do its work in JavaScript";

/// Layers that hold the program of another framework.
const FOREIGN: &[&str] = &["TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper"];
const OF_ANOTHER: &str =
    "it holds a program of another framework: rebuild this part of the model from Keras' layers";

const COLUMNS: &str = "its columns are functions of dicts with strings: do its work in JavaScript";
const BASE: &str = "it is a base of other layers, which are Python code: say what they compute with --custom";
const CHANGING: &str =
    "its vocabulary changes while it runs: use IntegerLookup, or do its work in JavaScript";

/// Others, with the reason.
const OTHERS: &[(&str, &str)] = &[
    ("DenseFeatures", COLUMNS),
    ("DynamicEmbedding", CHANGING),
    ("DynamicLookup", CHANGING),
    ("Wrapper", BASE),
    ("AbstractRNNCell", BASE),
    ("PreprocessingLayer", BASE),
];

/// Why a layer of Keras is refused by name.
pub fn reason(class: &str) -> Option<&'static str> {
    match class {
        _ if FOREIGN.contains(&class) => Some(OF_ANOTHER),
        _ => OTHERS
            .iter()
            .find(|(of, _)| *of == class)
            .map(|(_, reason)| *reason),
    }
}

/// The same of a class that the other Keras can call.
pub fn reason_in(class: &str, semantics: Semantics) -> Option<&'static str> {
    (class == "Layer" && semantics == Semantics::Keras3).then_some(BASE)
}

/// The refusal of the layer `name` for its class, with what the user can do.
pub fn unsupported(class: &str, origin: &Origin, name: &str) -> Error {
    let error = Error::new(ErrorKind::UnsupportedLayer {
        class: class.to_owned(),
    });
    match origin {
        Origin::Custom(package) => error.help(format!(
            "it is a class of package {package:?}, whose Python code is not in the file: say what it computes with --custom, or rebuild the model from Keras' own layers"
        )),
        Origin::Operation => match super::operators::refused_operation(class) {
            Some(reason) => error.help(reason),
            None => error.help("rebuild this part of the model from Keras' layers"),
        },
        Origin::Keras | Origin::Keras1 => error.help(remedy(class, name)),
    }
}

/// The same of a layer whose inputs, weights and arguments are known.
pub fn unsupported_layer(layer: &Layer) -> Error {
    let class = layer.written.as_str();
    let is_custom = match &layer.origin {
        Origin::Custom(_) => true,
        Origin::Keras | Origin::Keras1 => reason(class).is_none() && misspelt(class).is_none(),
        Origin::Operation => false,
    };
    if !is_custom {
        return unsupported(class, &layer.origin, &layer.name);
    }
    let (name, what) = match &layer.origin {
        Origin::Custom(package) => (
            format!("{package}>{class}"),
            format!(
                "it is a class of package {:?}, whose Python code is not in the file",
                brief(package, SHORT)
            ),
        ),
        _ => (class.to_owned(), "it is none of Keras' classes".to_owned()),
    };
    let inputs = layer.calls.first().map_or(1, |call| call.tensors().len());
    let example = super::described::example(&brief(&name, SHORT), inputs, &layer.weights);
    let weight = |weight: &Weight| {
        let numbered = weight.own_name().parse::<usize>().is_ok();
        let name = if numbered { &weight.name } else { weight.own_name() };
        let name = brief(&name, SHORT);
        format!("{name} {}", weight.tensor.shape())
    };
    let weights: Vec<String> = layer.weights.iter().take(LISTED).map(weight).collect();
    let own = |key: &&String| !ARGUMENTS_OF_ALL.contains(&key.as_str());
    let arguments = layer.config.values().keys().filter(own).take(LISTED);
    let arguments: Vec<String> = arguments.map(|key| brief(key, SHORT)).collect();
    let has = |what: &str, all: String, none: bool| match none {
        true => format!("no {what}"),
        false => format!("the {what} {all}"),
    };
    let facts = format!(
        "it has {} and {}",
        has("weights", weights.join(", "), weights.is_empty()),
        has("arguments", format!("{arguments:?}"), arguments.is_empty())
    );
    Error::new(ErrorKind::UnsupportedLayer {
        class: class.to_owned(),
    })
    .help(format!(
        "{what}: say what it computes with --custom FILE, JSON such as {example}; {facts}"
    ))
}

/// Most characters of a name in an example.
const SHORT: usize = 64;

/// Most weights and arguments that a message lists.
const LISTED: usize = 12;

/// Arguments that every layer has.
const ARGUMENTS_OF_ALL: &[&str] = &[
    "name",
    "trainable",
    "dtype",
    "autocast",
    "activity_regularizer",
    "batch_input_shape",
];

fn remedy(class: &str, name: &str) -> String {
    match (reason(class), misspelt(class)) {
        (Some(what), _) if what.ends_with(IN_JAVASCRIPT) => format!(
            "{what} and compile what comes after it, keras.Model(model.get_layer({name:?}).output, model.outputs)"
        ),
        (Some(what), _) => what.to_owned(),
        (None, Some(known)) => format!("the closest supported layer is {known}"),
        (None, None) => {
            "rebuild this part of the model from supported layers, which README.md lists".to_owned()
        }
    }
}

/// The supported class that was meant, if this is a misspelling: other case, or a slip in one or two of its words.
/// Names with other words or another number of axes mean something else.
fn misspelt(class: &str) -> Option<&'static str> {
    let slips = |known: &str| {
        if known.eq_ignore_ascii_case(class) {
            return Some(0);
        }
        let (known, found) = (words(known), words(class));
        let slips = known.iter().zip(&found).map(|(a, b)| slip(a, b));
        let slips = slips.sum::<Option<usize>>()?;
        (known.len() == found.len() && slips <= 2).then_some(slips)
    };
    // What ended with Keras 1 is no remedy.
    let lasting = super::rows().map(|row| row.class).filter(|class| !class.ended);
    let scored = lasting.filter_map(|class| Some((slips(class.name)?, class.name)));
    scored.min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

/// How many slips make one word of the other, at most one; `None` when they are different words.
fn slip(a: &str, b: &str) -> Option<usize> {
    const SHORTEST: usize = 5;
    if a == b {
        return Some(0);
    }
    let digit = |word: &str| word.chars().next().filter(char::is_ascii_digit);
    let long = a.len().min(b.len()) >= SHORTEST;
    (long && digit(a) == digit(b) && one_slip(a.as_bytes(), b.as_bytes())).then_some(1)
}

/// Whether one letter was added, lost or changed, or two neighbours exchanged: a distance of 1 as Damerau and
/// Levenshtein count it.
fn one_slip(a: &[u8], b: &[u8]) -> bool {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (
        a.get(same..).unwrap_or_default(),
        b.get(same..).unwrap_or_default(),
    );
    match (a, b) {
        ([w, x, a @ ..], [y, z, b @ ..]) if w == z && x == y && a == b => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, rest @ ..], b) if rest == b => true,
        (a, [_, rest @ ..]) => a == rest,
        _ => false,
    }
}

/// The words of a name in camel case, in lower case; digits begin a word too.
fn words(name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars().take(64) {
        let begins =
            c.is_ascii_digit() || (c.is_uppercase() && !before.is_uppercase() && !before.is_ascii_digit());
        match found.last_mut() {
            Some(word) if !begins => word.push(c.to_ascii_lowercase()),
            _ => found.push(c.to_ascii_lowercase().to_string()),
        }
        before = c;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_understood() {
        let cases = [
            ("Dence", Some("Dense")),
            ("dense", Some("Dense")),
            ("Desne", Some("Dense")),
            ("conv2d", Some("Conv2D")),
            ("BatchNormalisation", Some("BatchNormalization")),
            ("Batchnormalization", Some("BatchNormalization")),
            ("MaxPoolling2D", Some("MaxPooling2D")),
            ("AveragePoolin2D", Some("AveragePooling2D")),
            ("Concatentae", Some("Concatenate")),
            ("LeakyRelu", Some("LeakyReLU")),
            ("MaxUnpooling2D", None),
            ("Conv4D", None),
            ("RNNN", None),
            ("GELU", None),
            ("Dens", None),
            ("Conv2DConv2D", None),
            ("Denormalization", None),
        ];
        for (class, known) in cases {
            assert_eq!(misspelt(class), known, "{class}");
        }
    }

    /// All of Keras 2.21 and 3.15 with a capital, but for aliases of functions and classes that nobody saves.
    #[test]
    fn names_that_keras_has_are_not_misspellings() {
        let names = "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D \
            AdaptiveMaxPooling2D AdaptiveMaxPooling3D AdditiveAttention Attention AugMix AutoContrast AveragePooling3D \
            CategoryEncoding ContrastLimitedAdaptiveHistogramEqualization Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D \
            ConvLSTM3D CuDNNGRU CuDNNLSTM CutMix DenseFeatures Discretization EinsumDense Equalization FlaxLayer GRUCell \
            GroupQueryAttention HashedCrossing Hashing IntegerLookup JaxLayer LSTMCell Lambda LocallyConnected1D \
            LocallyConnected2D MaxNumBoundingBoxes MaxPooling3D MelSpectrogram MixUp MultiHeadAttention Pipeline \
            RandAugment RandomColorDegeneration RandomColorJitter RandomCrop RandomElasticTransform RandomErasing \
            RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization \
            RandomSaturation RandomSharpness RandomShear ReversibleEmbedding STFTSpectrogram SimpleRNNCell Solarization \
            SpectralNormalization StackedRNNCells StringLookup TFSMLayer TextVectorization TorchModuleWrapper \
            UpSampling3D Wrapper";
        for name in names.split_whitespace() {
            let known = super::super::classes().any(|class| class == name);
            assert!(known || misspelt(name).is_none(), "{name}: {:?}", misspelt(name));
        }
    }

    #[test]
    fn a_layer_for_javascript_says_where_to_cut() {
        let said = unsupported("DenseFeatures", &Origin::Keras, "words").to_string();
        assert_eq!(
            said,
            "layer class DenseFeatures is not supported; its columns are functions of dicts with strings: do its work in JavaScript and compile what comes after it, \
             keras.Model(model.get_layer(\"words\").output, model.outputs)"
        );
        let said = unsupported("TFSMLayer", &Origin::Keras, "x").to_string();
        assert!(said.contains("a program of another framework"), "{said}");
    }
}
