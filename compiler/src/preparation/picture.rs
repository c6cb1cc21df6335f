//! What becomes of pictures before a prediction, outside of tensors: their pixels become the numbers of an input.

use serde::{Deserialize, Serialize};

/// How pictures become an input of channels of numbers from 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Pixels of a column.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// 3: red, green, blue; or 1: grey.
    pub channels: usize,
    /// Whether the channels come before rows and columns.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub first: bool,
    /// How a picture of another size becomes one of this; without, it is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resize: Option<Resize>,
}

/// How a picture gets another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// How its pixels are weighted.
    pub filter: Filter,
    /// What becomes of its sides.
    pub fit: Fit,
}

/// How pixels are weighted. Those of `keras.utils.load_img` are Pillow's: they cover all pixels of a picture that shrinks, and give whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// One pixel (`load_img`).
    Nearest,
    /// The mean of pixels (`load_img`).
    Box,
    /// A triangle (`load_img`).
    Bilinear,
    /// Hamming's window (`load_img`).
    Hamming,
    /// Keys' cubic, a = -1/2 (`load_img`).
    Bicubic,
    /// Lanczos' window of three lobes (`load_img`).
    Lanczos,
    /// One pixel (`keras.ops.image.resize`).
    OpsNearest,
    /// The four pixels around, also of a picture that shrinks (`keras.ops.image.resize` without antialias).
    OpsBilinear,
}

impl Filter {
    /// All by their names.
    pub const ALL: [(&'static str, Self); 8] = [
        ("nearest", Self::Nearest),
        ("box", Self::Box),
        ("bilinear", Self::Bilinear),
        ("hamming", Self::Hamming),
        ("bicubic", Self::Bicubic),
        ("lanczos", Self::Lanczos),
        ("ops-nearest", Self::OpsNearest),
        ("ops-bilinear", Self::OpsBilinear),
    ];

    /// Whether it gives whole numbers.
    pub fn is_whole(self) -> bool {
        self != Self::OpsBilinear
    }
}

/// What becomes of the sides of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Each becomes as long as it must.
    Stretch,
    /// What is too long is cut off at both ends (`keep_aspect_ratio`, `crop_to_aspect_ratio`).
    Crop,
    /// Black is added to what is too short, at both ends (`pad_to_aspect_ratio`).
    #[serde(rename = "pad")]
    Letterbox,
}

impl Fit {
    /// All by their names.
    pub const ALL: [(&'static str, Self); 3] = [
        ("stretch", Self::Stretch),
        ("crop", Self::Crop),
        ("pad", Self::Letterbox),
    ];
}
