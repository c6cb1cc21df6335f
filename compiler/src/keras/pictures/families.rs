//! The networks of `keras.applications`, known by their names and their layers, and the `preprocess_input` of each.

use super::super::class::Role;
use super::super::model::{KerasModel, Network, TensorRef};

/// `imagenet_utils.preprocess_input` in its three modes.
const CAFFE: &str = "bgr,mean=103.939,116.779,123.68,resize=bilinear";
const TF: &str = "rgb,scale=1/127.5,mean=1,resize=bilinear";
const TORCH: &str = "rgb,scale=1/255,mean=0.485,0.456,0.406,std=0.229,0.224,0.225,resize=bilinear";
/// What is to be done is done by layers of the network.
const INSIDE: &str = "rgb,resize=bilinear";

/// A family: what the names of its models begin with, in small letters; the names of layers that all of it have; its preprocessing.
struct Family {
    name: &'static str,
    models: &'static [&'static str],
    layers: &'static [&'static str],
    preprocessing: &'static str,
}

const fn family(
    name: &'static str,
    models: &'static [&'static str],
    layers: &'static [&'static str],
    preprocessing: &'static str,
) -> Family {
    Family {
        name,
        models,
        layers,
        preprocessing,
    }
}

/// Of those whose names begin alike the longer first.
const FAMILIES: &[Family] = &[
    family(
        "ResNetV2",
        &["resnet50v2", "resnet101v2", "resnet152v2"],
        &["conv1_conv", "post_relu"],
        TF,
    ),
    family(
        "ResNet",
        &["resnet50", "resnet101", "resnet152"],
        &["conv1_conv", "conv5_block3_out"],
        CAFFE,
    ),
    family(
        "VGG",
        &["vgg16", "vgg19"],
        &["block1_conv1", "block5_pool"],
        CAFFE,
    ),
    family(
        "InceptionResNetV2",
        &["inception_resnet_v2"],
        &["mixed_5b", "conv_7b"],
        TF,
    ),
    family("InceptionV3", &["inception_v3"], &["mixed0", "mixed10"], TF),
    family(
        "Xception",
        &["xception"],
        &["block1_conv1", "block14_sepconv2"],
        TF,
    ),
    family("MobileNetV3", &["mobilenetv3", "mobilenet_v3"], &["conv"], ""),
    family(
        "MobileNetV2",
        &["mobilenetv2"],
        &["Conv1", "expanded_conv_depthwise", "out_relu"],
        TF,
    ),
    family(
        "MobileNet",
        &["mobilenet"],
        &["conv1", "conv_dw_1", "conv_pw_13"],
        TF,
    ),
    family("NASNet", &["nasnet"], &["stem_conv1", "stem_bn1"], TF),
    family(
        "DenseNet",
        &["densenet"],
        &["conv2_block1_0_bn", "pool4_pool"],
        TORCH,
    ),
    family(
        "EfficientNetV2",
        &["efficientnetv2"],
        &["stem_conv", "top_conv"],
        "",
    ),
    family("EfficientNet", &["efficientnet"], &["stem_conv", "top_conv"], ""),
    family("ConvNeXt", &["convnext"], &[], ""),
];

/// The family that takes this input of a model, and what `--image` says for it.
pub fn proposal(model: &KerasModel, input: &str) -> Option<(&'static str, &'static str)> {
    let root = &model.root;
    let port = root.inputs.iter().find(|port| port.name == input)?;
    known(root).or_else(|| {
        // A network of the family inside another, which takes the input as it is.
        let takes = |tensors: Vec<TensorRef>| tensors == [port.tensor];
        let inner = root
            .layers
            .iter()
            .filter_map(|layer| layer.network.as_ref().map(|net| (layer, net)));
        let mut inner = inner.filter(|(layer, _)| layer.calls.iter().any(|call| takes(call.tensors())));
        inner.find_map(|(_, net)| known(net))
    })
}

/// The family of a network and its preprocessing.
fn known(net: &Network) -> Option<(&'static str, &'static str)> {
    let name = net.name.to_lowercase();
    let has = |wanted: &str| {
        net.layers.iter().any(|layer| {
            layer.name.eq_ignore_ascii_case(wanted) || layer.name.starts_with(&format!("{name}_{wanted}"))
        })
    };
    let is = |family: &&Family| {
        family.models.iter().any(|model| name.starts_with(model))
            && family.layers.iter().all(|layer| has(layer))
    };
    let family = FAMILIES.iter().find(is)?;
    // Layers that prepare the picture stand right behind the input.
    let prepares = |name: &str| {
        ["rescaling", "normalization"]
            .iter()
            .any(|word| name.starts_with(word))
    };
    let inside = net.layers.iter().take(6).any(|layer| {
        let known = matches!(layer.role(), Role::Statistics | Role::Python);
        known || layer.network.is_some() || prepares(&layer.name)
    });
    match (family.preprocessing, inside) {
        // Without the layers that prepare it, it was made with include_preprocessing=False.
        ("", false) => None,
        ("", true) => Some((family.name, INSIDE)),
        (_, true) => None,
        (outside, false) => Some((family.name, outside)),
    }
}
