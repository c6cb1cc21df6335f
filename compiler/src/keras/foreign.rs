//! Files and folders that are no Keras model: what they are, and where the model is.

use crate::error::Error;
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;

const SAVE_AGAIN: &str = "load it in Python and save it with model.save('model.keras')";
/// What to do about a file that is nothing known.
pub(super) const FETCH_AGAIN: &str =
    "if the download was cut short or went wrong otherwise, fetch the file again";
const CONVERTED: &str = "compile the Keras model that it was made from";
const REBUILD: &str = "models of other frameworks are not read: rebuild it in Keras, with its weights";
const SAVED_MODEL: &str = "load its folder in Python with tf_keras.models.load_model(folder) and save it with model.save('model.keras')";
const CHECKPOINT: &str = "it holds weights without an architecture: build the model in Python, call \
                          model.load_weights(…) and save it with model.save('model.keras')";
const BUNDLE: &str =
    "compile the Keras model that it was made from; keras-compile inspect DIR shows what is in a bundle";
const FETCH_SHARD: &str = "compile the Keras model that it was made from, or convert its model.json back with \
                           tensorflowjs_converter --input_format=tfjs_layers_model --output_format=keras";

fn not_keras(what: &str, help: &str) -> Error {
    Error::malformed(format!("this is {what}, not a Keras model")).help(help)
}

/// Recognises a file by its first bytes, or else by its name.
pub(super) fn file(head: &[u8], path: &Path) -> Option<Error> {
    const UNPACK: &str = "unpack it first";
    const MAGICS: &[(usize, &[u8], &str, &str)] = &[
        (4, b"TFL3", "a TensorFlow Lite model", CONVERTED),
        (0, b"\0asm", "a WebAssembly module", BUNDLE),
        (0, b"GGUF", "a GGUF model", REBUILD),
        (0, b"\x1f\x8b", "a gzip file", UNPACK),
        (0, b"BZh", "a bzip2 file", UNPACK),
        (0, b"\xfd7zXZ", "an xz file", UNPACK),
        (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
        (0, b"Rar!", "a RAR archive", UNPACK),
        (257, b"ustar", "a tar archive", UNPACK),
        (0, b"\x80\x02", "a Python pickle", SAVE_AGAIN),
        (0, b"\x80\x03", "a Python pickle", SAVE_AGAIN),
        (0, b"\x80\x04", "a Python pickle", SAVE_AGAIN),
        (0, b"\x80\x05", "a Python pickle", SAVE_AGAIN),
        (
            0,
            b"model_checkpoint_path:",
            "the index of TensorFlow checkpoints",
            CHECKPOINT,
        ),
        (
            0,
            b"version https://git-lfs",
            "a pointer of Git LFS",
            "fetch the file itself with git lfs pull",
        ),
        (0, b"<!DOCTYPE", "a web page", FETCH_AGAIN),
        (0, b"<!doctype", "a web page", FETCH_AGAIN),
        (0, b"<html", "a web page", FETCH_AGAIN),
    ];
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    if let Some((.., what, help)) = MAGICS.iter().find(|(offset, magic, ..)| at(*offset, magic)) {
        return Some(not_keras(what, help));
    }
    named(path).map(|(what, help)| not_keras(what, help))
}

/// What a file is called that has no bytes of its own to know it by.
fn named(path: &Path) -> Option<(&'static str, &'static str)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    if name.contains(".data-0000") || name.ends_with(".index") || name.ends_with(".ckpt") {
        return Some(("a part of a TensorFlow checkpoint", CHECKPOINT));
    }
    if name.ends_with(".bin") && name.contains("shard") {
        return Some(("a part of the weights of a TensorFlow.js model", FETCH_SHARD));
    }
    if name == "saved_model.pb" || name == "keras_metadata.pb" {
        return Some(("a part of a TensorFlow SavedModel", SAVED_MODEL));
    }
    Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "tflite" => ("a TensorFlow Lite model", CONVERTED),
        "pb" | "pbtxt" => ("a TensorFlow graph", CONVERTED),
        "onnx" => ("an ONNX model", CONVERTED),
        "mlmodel" => ("a Core ML model", CONVERTED),
        "pt" | "pth" => ("a PyTorch model", REBUILD),
        "safetensors" => ("a safetensors file", REBUILD),
        "js" | "mjs" => (
            "a script",
            "give the model that the page uses, or the Keras model that it was made from",
        ),
        "py" | "ipynb" => (
            "Python code",
            "run it, and save the model there with model.save('model.keras')",
        ),
        _ => return None,
    })
}

/// JSON of others.
pub(super) fn json(value: &Value) -> Option<Error> {
    let has = |key: &str| value.get(key).is_some();
    if has("modelTopology") || has("weightsManifest") {
        return Some(not_keras("a TensorFlow.js model", FETCH_SHARD));
    }
    (has("generator") && has("backends")).then(|| not_keras("the manifest of a bundle", BUNDLE))
}

/// A folder.
pub(super) fn folder(path: &Path) -> Error {
    let has = |name: &str| path.join(name).exists();
    let names = || std::fs::read_dir(path).into_iter().flatten().flatten();
    let ends = |end: &str| names().any(|entry| entry.path().extension().is_some_and(|found| found == end));
    if has("saved_model.pb") {
        return not_keras("a TensorFlow SavedModel folder", SAVED_MODEL);
    }
    if has("config.json") && has("model.weights.h5") {
        let error = Error::malformed("this is an unpacked .keras archive");
        return error.help("give config.json as the model and model.weights.h5 with --weights");
    }
    if has("index.js") && ends("wasm") {
        return not_keras("a bundle", BUNDLE);
    }
    if ends("index") {
        return not_keras("a folder with a TensorFlow checkpoint", CHECKPOINT);
    }
    Error::malformed("this is a folder").help("give the file of the model, .h5, .keras or .json")
}

/// A zip archive with these members and without `config.json`.
pub(super) fn archive(names: &[Cow<str>]) -> Error {
    // The weights of a .keras archive alone are no model.
    let models = names.iter().filter(|name| !name.ends_with(".weights.h5"));
    let ends = |end: &str| {
        models
            .clone()
            .find(|name| name.to_ascii_lowercase().ends_with(end))
    };
    if let Some(model) = ends(".h5").or(ends(".hdf5")).or(ends(".keras")) {
        let error = Error::malformed(format!("this is an archive with the model {model:?} inside"));
        return error.help("unpack it and give that file");
    }
    if ends("saved_model.pb").is_some() {
        return not_keras("an archive with a TensorFlow SavedModel", SAVED_MODEL);
    }
    if ends("model.json").is_some() {
        return not_keras("an archive with a TensorFlow.js model", FETCH_SHARD);
    }
    if ends(".tflite").is_some() {
        return not_keras("an archive with a TensorFlow Lite model", CONVERTED);
    }
    if ends("data.pkl").is_some() {
        return not_keras("a PyTorch model", REBUILD);
    }
    if ends(".npy").is_some() {
        return not_keras("a NumPy archive", SAVE_AGAIN);
    }
    Error::malformed("the archive has no config.json, so it is no .keras file").help(SAVE_AGAIN)
}
