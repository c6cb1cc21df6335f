//! A second opinion: the same questions to libhdf5, the reference implementation, about every fixture.
//!
//! Not part of the library. libhdf5 crashes and hangs on damaged files and follows links to other
//! files, so that no model is ever compiled through it; but on good files it is right by definition.

use super::hdf5::{Store, Tree};
use crate::budget::Budget;
use hdf5_metno::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5_metno::{Attribute, Dataset, File, Group};
use std::path::Path;

/// Longest fixed-length string that is compared: what fits into an attribute.
const LONGEST: usize = 1 << 16;

/// How much was compared.
#[derive(Default)]
struct Counts {
    groups: usize,
    lists: usize,
    numbers: usize,
}

/// The strings of an attribute; an empty array of any type has none.
fn strings(attribute: &Attribute) -> Option<Vec<String>> {
    if attribute.size() == 0 {
        return Some(Vec::new());
    }
    fn all<T: hdf5_metno::H5Type>(attribute: &Attribute, text: impl Fn(&T) -> &str) -> Option<Vec<String>> {
        let read = attribute.read_raw::<T>().ok()?;
        Some(read.iter().map(|value| text(value).to_owned()).collect())
    }
    match attribute.dtype().ok()?.to_descriptor().ok()? {
        TypeDescriptor::VarLenUnicode => all::<VarLenUnicode>(attribute, VarLenUnicode::as_str),
        TypeDescriptor::VarLenAscii => all::<VarLenAscii>(attribute, VarLenAscii::as_str),
        TypeDescriptor::FixedAscii(_) => all::<FixedAscii<LONGEST>>(attribute, FixedAscii::as_str),
        TypeDescriptor::FixedUnicode(_) => all::<FixedUnicode<LONGEST>>(attribute, FixedUnicode::as_str),
        _ => None,
    }
}

fn compare_numbers(path: &str, reference: &Dataset, store: &Store, counts: &mut Counts) {
    let tensor = store.tensor(path).expect(path).expect(path);
    assert_eq!(tensor.shape().dims(), reference.shape(), "{path}");
    // libhdf5 converts to the type that is asked for. It knows no bfloat16.
    let found = tensor.as_f32().expect(path);
    match reference.read_raw::<f32>() {
        Ok(expected) => {
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(found), bits(&expected), "{path}");
        }
        Err(_) => {
            let opaque = reference.dtype().and_then(|t| t.to_descriptor()).is_err();
            assert!(opaque, "{path} is not read by libhdf5");
        }
    }
    counts.numbers += tensor.shape().count();
}

fn compare(path: &str, reference: &Group, store: &Store, counts: &mut Counts) {
    counts.groups += 1;
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    // By the names of links: libhdf5 calls what a soft link leads to as it is called there.
    let (mut groups, mut datasets) = (Vec::new(), Vec::new());
    for name in reference.member_names().expect(path) {
        match reference.group(&name) {
            Ok(group) => groups.push((name, group)),
            Err(_) => datasets.push((name.clone(), reference.dataset(&name).expect(&name))),
        }
    }
    let names = groups.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(sorted(store.groups(path).expect(path)), sorted(names), "{path}");
    let names = datasets.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(sorted(store.datasets(path).expect(path)), sorted(names), "{path}");
    for name in reference.attr_names().expect(path) {
        if let Some(expected) = strings(&reference.attr(&name).expect(&name)) {
            counts.lists += 1;
            assert_eq!(
                store.strings(path, &name).expect(&name),
                Some(expected),
                "{path} {name}"
            );
        }
    }
    let join = |name: &str| match path.is_empty() {
        true => name.to_owned(),
        false => format!("{path}/{name}"),
    };
    for (name, dataset) in &datasets {
        compare_numbers(&join(name), dataset, store, counts);
    }
    for (name, group) in &groups {
        compare(&join(name), group, store, counts);
    }
}

fn compare_file(path: &Path, counts: &mut Counts) {
    let bytes = std::fs::read(path).expect("a file");
    let length = bytes.len() as u64;
    let store = Store::open(std::io::Cursor::new(bytes), 0, length, &Budget::new()).expect("the file opens");
    let file = File::open(path).expect("libhdf5 opens the file");
    compare("", &file, &store, counts);
}

#[test]
fn both_readers_agree_on_every_fixture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/containers");
    let scratch = std::env::temp_dir().join(format!("keras-compile-libhdf5-{}.h5", std::process::id()));
    let mut counts = Counts::default();
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the fixtures") {
        let path = entry.expect("a fixture").path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("h5") => compare_file(&path, &mut counts),
            Some("keras") => {
                let archive = std::fs::File::open(&path).expect("an archive");
                let mut zip = zip::ZipArchive::new(archive).expect("an archive");
                let mut member = zip.by_name("model.weights.h5").expect("weights");
                std::io::copy(&mut member, &mut std::fs::File::create(&scratch).expect("a file"))
                    .expect("weights");
                compare_file(&scratch, &mut counts);
            }
            _ => continue,
        }
        files += 1;
    }
    std::fs::remove_file(scratch).expect("to clean up");
    assert!(files > 50 && counts.groups > 500 && counts.lists > 500 && counts.numbers > 10_000);
}
