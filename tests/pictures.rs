//! `--image` and `--labels`: which networks of keras.applications are known and what is in front of them, and which outputs are shares.

use keras_compile::keras::pictures::proposal;
use keras_compile::keras::{self, Pictures};
use keras_compile::tensor::Tensor;
use keras_compile_tests::goldens::{Case, cases, files};
use std::path::Path;

fn networks() -> Vec<Case> {
    files("networks").iter().flat_map(|file| cases(file)).collect()
}

/// What each network of the goldens takes; none where it is no network of `keras.applications` with a `preprocess_input`
/// that is known.
fn expected(network: &str) -> Option<&'static str> {
    let starts = |names: &[&str]| names.iter().any(|name| network.starts_with(name));
    let tf = ["ResNet50V2", "Inception", "Xception", "MobileNetV2", "NASNet"];
    if network == "ResNet50" || network == "VGG16" {
        Some("bgr,mean=103.939,116.779,123.68,resize=bilinear")
    } else if starts(&tf) || network == "MobileNet" {
        Some("rgb,scale=1/127.5,mean=1,resize=bilinear")
    } else if starts(&["DenseNet"]) {
        Some("rgb,scale=1/255,mean=0.485,0.456,0.406,std=0.229,0.224,0.225,resize=bilinear")
    } else if starts(&["EfficientNet", "ConvNeXt", "MobileNetV3"]) {
        Some("rgb,resize=bilinear")
    } else {
        None
    }
}

#[test]
fn applications_are_known() {
    let (mut known, mut wrong) = (0, Vec::new());
    for case in networks() {
        let model = case.model().unwrap();
        let found = proposal(&model, &model.root.inputs[0].name).map(|(_, image)| image);
        let wanted = expected(&case.id[3..]);
        known += usize::from(wanted.is_some());
        if found != wanted {
            wrong.push((case.id.clone(), found, wanted));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(known > 20, "{known}");
}

#[test]
fn what_ends_in_softmax_gives_shares() {
    for name in [
        "k2-MobileNetV2",
        "k3-MobileNet",
        "k3-SqueezeNet",
        "k2-EfficientNetB0",
    ] {
        let case = networks().into_iter().find(|case| case.id == name).unwrap();
        let lowered = keras::lower(&case.model().unwrap(), &case.shapes()).unwrap();
        let output = lowered.graph.outputs()[0].node;
        assert!(keras::are_shares(&lowered.graph, output), "{name}");
    }
}

/// (x·scale - mean)/std in the order of the network, by hand.
#[test]
fn preprocessing_stands_in_front() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/pictures");
    let pixels: Vec<f32> = (0..192).map(|i| (i * 37 % 256) as f32).collect();
    for (image, turned, scale, mean, std) in [
        ("rgb", false, 1.0, [0.0; 3], [1.0; 3]),
        ("bgr", true, 1.0, [0.0; 3], [1.0; 3]),
        ("rgb,scale=1/127.5,mean=1", false, 1.0 / 127.5, [1.0; 3], [1.0; 3]),
        ("bgr,mean=10,20,30", true, 1.0, [10.0, 20.0, 30.0], [1.0; 3]),
        (
            "bgr,scale=2,mean=1,2,3,std=4,5,6",
            true,
            2.0,
            [1.0, 2.0, 3.0],
            [4.0, 5.0, 6.0],
        ),
    ] {
        let model = keras::read(&folder.join("tf.keras"), None).unwrap();
        let mut lowered = keras::lower(&model, &keras::InputShapes::default()).unwrap();
        let plain = lowered.graph.clone();
        let mut pictures = Pictures::default();
        pictures.parse(&format!("picture={image}")).unwrap();
        let (taken, notes) = pictures.apply(&model, &mut lowered).unwrap();
        assert_eq!((taken.len(), notes.len()), (1, 0));
        let by_hand = (0..192).map(|i| {
            let channel = i % 3;
            let from = if turned { i - channel + 2 - channel } else { i };
            (pixels[from] * scale - mean[channel]) / std[channel]
        });
        let by_hand: Vec<f32> = by_hand.collect();
        let tensor = |values: &[f32]| Tensor::f32([1, 8, 8, 3], values.to_vec()).unwrap();
        let found = lowered.graph.eval(&[tensor(&pixels)]).unwrap();
        let wanted = plain.eval(&[tensor(&by_hand)]).unwrap();
        let pairs = found[0].as_f32().unwrap().iter().zip(wanted[0].as_f32().unwrap());
        for (found, wanted) in pairs {
            assert!((found - wanted).abs() < 1e-5, "{image}: {found} {wanted}");
        }
    }
}
