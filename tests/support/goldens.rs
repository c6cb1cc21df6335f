//! Golden cases from real Keras: an architecture, ranges from which weights and inputs are generated, and what
//! Keras predicted. The rule of generation is that of `goldens/generated.py`, bit for bit.

use keras_compile::error::Errors;
use keras_compile::keras::{self, KerasModel, Weight};
use keras_compile::tensor::{Tensor, TensorType};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A tensor made from its name and a range.
#[derive(Debug, Clone, Deserialize)]
pub struct Generated {
    /// Its name.
    pub name: String,
    /// Its extents, batch included.
    pub shape: Vec<usize>,
    /// numpy's name of its element type.
    pub dtype: String,
    /// Smallest value.
    pub lo: f32,
    /// Bound of the values.
    pub hi: f32,
    /// The values themselves, where they are given.
    #[serde(default)]
    pub values: Option<Vec<f32>>,
    /// The same of strings, in every prediction.
    #[serde(default)]
    pub texts: Vec<String>,
}

/// The weights of one layer in Keras' order.
#[derive(Debug, Clone, Deserialize)]
pub struct LayerWeights {
    /// The layer's path.
    pub layer: String,
    /// Its weights.
    pub weights: Vec<Generated>,
}

/// What Keras predicted.
#[derive(Debug, Clone, Deserialize)]
pub struct Expected {
    /// The output's name.
    pub name: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// Little-endian f32 in base64.
    #[serde(default)]
    pub data: String,
    /// Strings, where it gives such.
    #[serde(default)]
    pub words: Option<Vec<String>>,
}

/// Elements as a page passes or gets them.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// Numbers.
    Floats(Vec<f32>),
    /// Strings.
    Strings(Vec<String>),
}

/// One case.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// What it shows.
    pub id: String,
    /// The version of Keras that made it.
    pub keras: String,
    /// `model.to_json()`.
    pub config: serde_json::Value,
    /// What is said of classes and functions of the user's, as a file for `--custom` has it.
    #[serde(default)]
    pub custom: Option<serde_json::Value>,
    /// The shape of every input.
    pub input_shapes: HashMap<String, Vec<usize>>,
    weights: Vec<LayerWeights>,
    /// The inputs.
    pub inputs: Vec<Generated>,
    outputs: Vec<Expected>,
    /// What Keras predicted then, one prediction after the other, of inputs with their number behind their names.
    #[serde(default)]
    again: Vec<Vec<Expected>>,
    rtol: f32,
    atol: f32,
}

/// The cases in a file: `.json.gz` with one, `.jsonl` with one a line.
///
/// # Panics
/// When the file is not there or damaged: a test that lacks its data fails.
pub fn cases(path: &Path) -> Vec<Case> {
    let name = path.display();
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = if name.to_string().ends_with(".gz") {
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(bytes.as_slice());
        decoder
            .read_to_string(&mut text)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        text
    } else {
        String::from_utf8(bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}")))
        .collect()
}

/// All files of a folder of goldens, in order of their names.
///
/// # Panics
/// When the folder is missing or empty.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder is readable").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

impl Generated {
    /// The floats of the tensor that `seed` names.
    fn floats(&self, seed: &str) -> Vec<f32> {
        if let Some(values) = &self.values {
            return values.clone();
        }
        let seed = seed.bytes().fold(0x811C_9DC5_u32, |h, b| {
            (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
        });
        let span = self.hi - self.lo;
        (0..self.shape.iter().product::<usize>() as u32)
            .map(|i| {
                let mut x = i.wrapping_mul(0x9E37_79B9).wrapping_add(seed);
                x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
                x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
                x ^= x >> 16;
                self.lo + span * ((x >> 8) as f32 * (1.0 / 16_777_216.0))
            })
            .collect()
    }

    /// The tensor that `seed` names, as it is given to a model: integers stay integers.
    fn tensor(&self, seed: &str, integers: bool) -> Tensor {
        let floats = self.floats(seed);
        let whole = self.dtype.contains("int") || self.dtype == "bool";
        let tensor = match (whole, integers) {
            (true, true) => Tensor::i32(
                self.shape.clone(),
                floats.iter().map(|v| v.floor() as i32).collect::<Vec<_>>(),
            ),
            (true, false) => Tensor::f32(
                self.shape.clone(),
                floats.iter().map(|v| v.floor()).collect::<Vec<_>>(),
            ),
            (false, _) => Tensor::f32(self.shape.clone(), floats),
        };
        tensor.expect("as many as the shape says")
    }
}

impl Case {
    /// The model with its generated weights.
    ///
    /// # Errors
    /// What reading the architecture gives.
    pub fn model(&self) -> Result<KerasModel, Errors> {
        let layers: HashMap<&str, &LayerWeights> =
            self.weights.iter().map(|l| (l.layer.as_str(), l)).collect();
        let mut given = keras::Given::default();
        if let Some(custom) = &self.custom {
            given.customs.parse("custom.json", &custom.to_string())?;
        }
        keras::from_architecture_given(self.config.clone(), &given, &mut |path| {
            let specs = layers.get(path).map_or(&[][..], |layer| &layer.weights);
            let weight = |(i, spec): (usize, &Generated)| Weight {
                name: spec.name.clone(),
                tensor: spec.tensor(&format!("{path}/{i}"), false),
            };
            specs.iter().enumerate().map(weight).collect()
        })
    }

    /// The shapes of the inputs as on the command line.
    pub fn shapes(&self) -> keras::InputShapes {
        let mut shapes = keras::InputShapes::default();
        let several = self.input_shapes.len() > 1;
        for (name, dims) in &self.input_shapes {
            shapes.add(several.then(|| name.clone()), dims.clone());
        }
        shapes
    }

    /// How many predictions there are, one after the other.
    pub fn predictions(&self) -> usize {
        1 + self.again.len()
    }

    /// The inputs of a prediction in the order of `wanted`: names and types of a graph's inputs.
    ///
    /// # Panics
    /// When the case has no input of a wanted name.
    pub fn inputs(&self, prediction: usize, wanted: &[(String, TensorType)]) -> Vec<Tensor> {
        let suffix = match prediction {
            0 => String::new(),
            number => format!("/{number}"),
        };
        wanted
            .iter()
            .map(|(name, ty)| {
                // The only input needs no name: Keras calls it by its layer, its golden by its tensor.
                let only = self.inputs.first().filter(|_| self.inputs.len() == 1);
                let spec = self.inputs.iter().find(|input| input.name == *name).or(only);
                let spec = spec.unwrap_or_else(|| panic!("{} has no input {name:?}", self.id));
                spec.tensor(
                    &format!("input/{}{suffix}", spec.name),
                    ty.dtype == keras_compile::tensor::DType::I32,
                )
            })
            .collect()
    }

    /// The strings of an input.
    ///
    /// # Panics
    /// When the case has no input of that name.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let only = self.inputs.first().filter(|_| self.inputs.len() == 1);
        let spec = self.inputs.iter().find(|input| input.name == *name).or(only);
        let spec = spec.unwrap_or_else(|| panic!("{} has no input {name:?}", self.id));
        spec.texts.clone()
    }

    /// What Keras predicted, by output name.
    ///
    /// # Panics
    /// When there are not so many predictions.
    pub fn expected(&self, prediction: usize) -> Vec<(String, Data)> {
        let data = |output: &Expected| match &output.words {
            Some(words) => Data::Strings(words.clone()),
            None => Data::Floats(decode(&output.data)),
        };
        let outputs = self.outputs_of(prediction).iter();
        outputs
            .map(|output| (output.name.clone(), data(output)))
            .collect()
    }

    fn outputs_of(&self, prediction: usize) -> &[Expected] {
        match prediction.checked_sub(1) {
            None => &self.outputs,
            Some(place) => &self.again[place],
        }
    }

    /// The relative and the absolute tolerance.
    pub fn tolerance(&self) -> (f32, f32) {
        (self.rtol, self.atol)
    }

    /// Compares named outputs of a prediction with Keras': per element
    /// `atol * max(0.01, max |expected|) + rtol * |expected|`.
    ///
    /// # Errors
    /// The first difference. What integers become strings is in `said`, by the place of the output.
    pub fn compare(
        &self,
        prediction: usize,
        found: &[(String, Tensor)],
        said: &HashMap<usize, Vec<String>>,
    ) -> Result<(), String> {
        let names = |names: Vec<&String>| format!("{names:?}");
        let outputs = self.outputs_of(prediction);
        if found.len() != outputs.len() {
            let found = names(found.iter().map(|f| &f.0).collect());
            return Err(format!(
                "outputs {found} instead of {}",
                names(outputs.iter().map(|o| &o.name).collect())
            ));
        }
        for (place, (expected, (name, tensor))) in outputs.iter().zip(found).enumerate() {
            if expected.name != *name || expected.shape != tensor.shape().dims() {
                return Err(format!(
                    "output {name:?} {} instead of {:?} {:?}",
                    tensor.shape(),
                    expected.name,
                    expected.shape
                ));
            }
            if expected.words.as_ref() != said.get(&place) {
                let (said, wanted) = (said.get(&place), &expected.words);
                return Err(format!("output {name:?} says {said:?} instead of {wanted:?}"));
            }
            if said.contains_key(&place) {
                continue;
            }
            let expected = decode(&expected.data);
            self.compare_values(&expected, &tensor.to_f32())
                .map_err(|error| format!("output {name:?}: {error}"))?;
        }
        Ok(())
    }

    fn compare_values(&self, expected: &[f32], found: &[f32]) -> Result<(), String> {
        let scale = expected
            .iter()
            .filter(|v| v.is_finite())
            .fold(0.01f32, |m, v| m.max(v.abs()));
        for (i, (&e, &f)) in expected.iter().zip(found).enumerate() {
            let same = e == f || (e.is_nan() && f.is_nan());
            let close = (e - f).abs() <= self.atol * scale + self.rtol * e.abs();
            if !same && !close {
                return Err(format!("element {i} is {f} instead of {e} (largest {scale})"));
            }
        }
        Ok(())
    }
}

/// Little-endian f32 from base64 (RFC 4648).
///
/// # Panics
/// When it is none.
pub fn decode(text: &str) -> Vec<f32> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let (mut bits, mut held, mut bytes) = (0u32, 0, Vec::new());
    for c in text.bytes().filter(|&c| c != b'=') {
        bits = bits << 6 | u32::from(digit(c));
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
        .chunks_exact(4)
        .map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Generated, decode};

    #[test]
    fn numbers_are_those_of_the_script() {
        let spec = Generated {
            name: String::new(),
            shape: vec![5],
            dtype: "float32".into(),
            lo: -0.75,
            hi: 0.3,
            values: None,
            texts: Vec::new(),
        };
        let bits: Vec<u32> = spec.floats("outer/inner/3").iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits, EXPECTED_BITS);
    }

    #[test]
    fn base64_is_read() {
        assert_eq!(decode("AACAPwAAAMA="), [1.0, -2.0]);
    }

    /// What `python generated.py` prints for this name and range.
    const EXPECTED_BITS: [u32; 5] = [0xbcc9d340, 0xbf1660fc, 0xbf21e476, 0xbe9fb1e4, 0x3e8a0c98];
}
