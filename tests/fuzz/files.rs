//! Damaged files: HDF5, archives and bundles.

use super::compile::compile;
use super::mutate::{Random, damage, odd};
use super::runner::{Outcome, Stage, refused};
use keras_compile::keras::{InputShapes, ModelFile, read_inputs};
use keras_compile::{Options, Source, bundle};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn containers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/containers")
}

/// The goldens of containers whose names end so, in the order of their names.
fn goldens(end: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(containers()).expect("the folder of goldens");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(end))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("a golden"))
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no golden ends with {end}");
    found
}

/// Small models in HDF5.
pub fn hdf5() -> Vec<(String, Vec<u8>)> {
    let mut found = goldens(".h5");
    found.retain(|(name, bytes)| !name.contains("weights") && bytes.len() < 200_000);
    found
}

/// Reads and compiles a damaged copy of one of the files.
pub fn damaged(seeds: &[(String, Vec<u8>)], number: u64) -> Outcome {
    let mut random = Random::new(number);
    let Some((name, bytes)) = random.pick(seeds) else {
        return Err("there are no seeds".to_owned());
    };
    let mut bytes = bytes.clone();
    damage(&mut random, &mut bytes);
    read(name, &bytes, number)
}

fn read(name: &str, bytes: &[u8], number: u64) -> Outcome {
    match read_inputs(ModelFile::Bytes(name, bytes), None) {
        Ok(model) => compile(&model, &InputShapes::default(), number),
        Err(errors) => refused(errors, Stage::Refused),
    }
}

/// What archives are made of: an architecture and its weights.
pub struct Archives(Vec<[Vec<u8>; 2]>);

/// The parts of `.keras` archives. The archives themselves are made anew, so that their checksums fit what is in them.
pub fn archives() -> Archives {
    let weights = goldens(".weights.h5");
    let pairs = goldens(".model.json").into_iter().filter_map(|(name, model)| {
        let start = name.trim_end_matches(".model.json");
        let found = weights
            .iter()
            .find(|(name, _)| name.strip_suffix(".weights.h5") == Some(start));
        found.map(|(_, weights)| [model, weights.clone()])
    });
    let pairs: Vec<_> = pairs.collect();
    assert!(
        !pairs.is_empty(),
        "no golden has its weights in a file of their own"
    );
    Archives(pairs)
}

impl Archives {
    /// Reads and compiles an archive of which something is damaged: a part of it, or the whole.
    pub fn run(&self, number: u64) -> Outcome {
        let mut random = Random::new(number);
        let Some([model, weights]) = random.pick(&self.0) else {
            return Err("there are no seeds".to_owned());
        };
        let (mut model, mut weights) = (model.clone(), weights.clone());
        let version = if random.once_in(2) { "2.12.0" } else { "3.8.0" };
        let mut metadata = format!(r#"{{"keras_version": "{version}", "date_saved": "x"}}"#).into_bytes();
        let what = random.below(5);
        match what {
            0 => damage(&mut random, &mut model),
            1 => damage(&mut random, &mut weights),
            2 => damage(&mut random, &mut metadata),
            3 => {
                let mut json: Value = serde_json::from_slice(&model).expect("a golden is JSON");
                odd(&mut random, &mut json);
                model = json.to_string().into_bytes();
            }
            _ => {}
        }
        let parts = [
            ("metadata.json", metadata),
            ("config.json", model),
            ("model.weights.h5", weights),
        ];
        let mut bytes = stored(&parts);
        if what == 4 {
            damage(&mut random, &mut bytes);
        }
        read("archive.keras", &bytes, number)
    }
}

/// A zip archive of stored files, as Keras writes it.
fn stored(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in parts {
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        for number in [crc.sum(), data.len() as u32, data.len() as u32, name.len() as u32] {
            // The length of the name, and none of further fields, are two numbers of two bytes.
            common.extend(number.to_le_bytes());
        }
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(data);
    }
    let (at, size, count) = (bytes.len() as u32, directory.len() as u32, parts.len() as u16);
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend([size.to_le_bytes(), at.to_le_bytes()].concat());
    bytes.extend([0, 0]);
    bytes
}

/// A bundle of a small model, in a directory that is removed in the end.
pub struct Bundle {
    directory: PathBuf,
    manifest: Vec<u8>,
}

impl Bundle {
    /// Compiles the smallest golden.
    pub fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("keras-compile-fuzz-{}", std::process::id()));
        let options = Options {
            source: Source {
                model: containers().join("k2-sequential.h5"),
                ..Source::default()
            },
            out: directory.clone(),
            force: true,
            ..Options::default()
        };
        keras_compile::compile(&options, &mut ()).expect("a golden compiles");
        let manifest = std::fs::read(directory.join("manifest.json")).expect("a manifest");
        Self { directory, manifest }
    }

    /// Inspects the bundle with a changed manifest.
    pub fn run(&self, number: u64) -> Outcome {
        let mut random = Random::new(number);
        let mut text = self.manifest.clone();
        if random.once_in(4) {
            damage(&mut random, &mut text);
        } else {
            let mut json: Value = serde_json::from_slice(&text).expect("our manifest is JSON");
            for _ in 0..=random.below(3) {
                odd(&mut random, &mut json);
            }
            text = json.to_string().into_bytes();
        }
        std::fs::write(self.directory.join("manifest.json"), text).map_err(|error| error.to_string())?;
        match bundle::inspect(&self.directory) {
            Ok(_) => Ok(Stage::Read),
            Err(error) => refused(error, Stage::Refused),
        }
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.directory);
    }
}
