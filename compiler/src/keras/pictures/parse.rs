//! What `--image` says, as text.

use super::{Channels, Preprocessing};
use crate::error::{Error, ErrorKind, Result};
use crate::preparation::{Filter, Fit, Resize};
use crate::text::{VALUE, brief};

/// The option of the command.
pub(super) const OPTION: &str = "--image";

const HELP: &str = "write [NAME=]rgb, bgr or gray, and behind it what is computed, (x·scale - mean)/std, and how pictures get the \
    network's size, as in rgb,scale=1/255,mean=0.485,0.456,0.406,std=0.229,0.224,0.225,resize=bilinear,crop";

/// What is said of an input.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Chosen {
    /// All of it.
    Given(Preprocessing),
    /// That the network is of a family that is known.
    Auto,
}

/// Reads `[NAME=]rgb|bgr|gray|auto[,scale=…][,mean=…][,std=…][,resize=…]`; a value goes on behind commas.
pub(super) fn parse(text: &str) -> Result<(Option<String>, Chosen)> {
    let (head, rest) = match text.split_once(',') {
        Some((head, rest)) => (head, Some(rest)),
        None => (text, None),
    };
    let (name, word) = match head.rsplit_once('=') {
        Some((name, word)) => (Some(name.to_owned()), word),
        None => (None, head),
    };
    let channels = match word {
        "rgb" => Channels::Rgb,
        "bgr" => Channels::Bgr,
        "gray" | "grey" => Channels::Gray,
        "auto" if rest.is_none() => return Ok((name, Chosen::Auto)),
        "auto" => return Err(wrong("auto stands alone".to_owned())),
        _ => {
            return Err(wrong(format!(
                "{:?} is no order of channels",
                brief(&word, VALUE)
            )));
        }
    };
    let mut given = Preprocessing {
        channels,
        scale: Vec::new(),
        mean: Vec::new(),
        std: Vec::new(),
        resize: None,
    };
    let mut key = "";
    let mut seen = Vec::new();
    for part in rest.into_iter().flat_map(|rest| rest.split(',')) {
        let value = match part.split_once('=') {
            Some((next, value)) => {
                if seen.contains(&next) {
                    return Err(wrong(format!("{next:?} is given twice")));
                }
                seen.push(next);
                key = next;
                value
            }
            None => part,
        };
        match key {
            "scale" => given.scale.push(number(value)?),
            "mean" => given.mean.push(number(value)?),
            "std" => given.std.push(number(value).and_then(divisor)?),
            "resize" => resize(&mut given.resize, value)?,
            _ => return Err(wrong(format!("{:?} is not known", brief(&part, VALUE)))),
        }
    }
    let most = if channels == Channels::Gray { 1 } else { 3 };
    for (key, values) in [
        ("scale", &given.scale),
        ("mean", &given.mean),
        ("std", &given.std),
    ] {
        if !(values.len() <= 1 || values.len() == most) {
            let message = format!("{key} has {} numbers for {most} channels", values.len());
            return Err(wrong(message));
        }
    }
    Ok((name, Chosen::Given(given)))
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Usage(message)).in_field(OPTION).help(HELP)
}

/// A number, or a fraction of two.
fn number(text: &str) -> Result<f64> {
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    let [above, below] = [above, below].map(|part| part.trim().parse::<f64>().unwrap_or(f64::NAN));
    let value = above / below;
    // What a network computes with is a float32.
    if value.is_finite() && (value as f32).is_finite() {
        Ok(value)
    } else {
        Err(wrong(format!("{:?} is no number", brief(&text, VALUE))))
    }
}

fn divisor(value: f64) -> Result<f64> {
    let inverse = 1.0 / value as f32;
    if inverse.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(wrong(format!("std is {value}, which nothing can be divided by")))
    }
}

/// A filter, or what becomes of the sides; both may be said.
fn resize(given: &mut Option<Resize>, word: &str) -> Result<()> {
    let filter = Filter::ALL.into_iter().find(|(name, _)| *name == word);
    let fit = Fit::ALL.into_iter().find(|(name, _)| *name == word);
    let resize = given.get_or_insert(Resize {
        filter: Filter::Bilinear,
        fit: Fit::Stretch,
    });
    match (filter, fit) {
        (Some((_, filter)), _) => resize.filter = filter,
        (None, Some((_, fit))) => resize.fit = fit,
        (None, None) => {
            let names: Vec<_> = Filter::ALL.iter().map(|(name, _)| *name).collect();
            let message = format!("{:?} is no way to resize", brief(&word, VALUE));
            let help = format!(
                "write {}, as Keras' load_img and ops.image.resize compute them, and crop or pad to keep proportions",
                names.join(", ")
            );
            return Err(Error::new(ErrorKind::Usage(message)).in_field(OPTION).help(help));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Preprocessing {
        match parse(text).unwrap() {
            (_, Chosen::Given(given)) => given,
            (_, Chosen::Auto) => panic!("{text}"),
        }
    }

    #[test]
    fn options_are_read() {
        let all = given("a=b=bgr,scale=1/4,mean=1,2,3,std=2,resize=crop,bicubic");
        assert_eq!(all.channels, Channels::Bgr);
        assert_eq!(
            (all.scale, all.mean, all.std),
            (vec![0.25], vec![1.0, 2.0, 3.0], vec![2.0])
        );
        let resize = Resize {
            filter: Filter::Bicubic,
            fit: Fit::Crop,
        };
        assert_eq!(all.resize, Some(resize));
        assert_eq!(parse("a=b=bgr").unwrap().0.as_deref(), Some("a=b"));
        assert_eq!(parse("auto").unwrap(), (None, Chosen::Auto));
        assert_eq!(given("rgb").resize, None);
        assert_eq!(given("rgb,resize=pad").resize.unwrap().filter, Filter::Bilinear);
    }

    #[test]
    fn coefficients_follow() {
        let coefficients = |text: &str| given(text).coefficients();
        assert_eq!(coefficients("rgb"), [(1.0, 0.0)]);
        assert_eq!(coefficients("rgb,scale=1/2,mean=3,std=4"), [(0.125, -0.75)]);
        assert_eq!(
            coefficients("rgb,mean=1,2,3"),
            [(1.0, -1.0), (1.0, -2.0), (1.0, -3.0)]
        );
        assert_eq!(coefficients("rgb,mean=1,1,1"), [(1.0, -1.0)]);
    }

    #[test]
    fn others_are_refused() {
        for (text, message) in [
            ("", "is no order of channels"),
            ("rgba", "is no order of channels"),
            ("rgb,", "is not known"),
            ("rgb,gamma=2", "is not known"),
            ("rgb,scale=", "is no number"),
            ("rgb,scale=1/0", "is no number"),
            ("rgb,scale=nan", "is no number"),
            ("rgb,scale=1e300", "is no number"),
            ("rgb,std=0", "nothing can be divided by"),
            ("rgb,std=1e-300", "nothing can be divided by"),
            ("rgb,mean=1,2", "mean has 2 numbers for 3 channels"),
            ("gray,mean=1,2,3", "mean has 3 numbers for 1 channels"),
            ("rgb,mean=1,mean=2", "is given twice"),
            ("rgb,resize=cubic", "is no way to resize"),
            ("auto,scale=2", "auto stands alone"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with("--image: ") && error.contains(message),
                "{text}: {error}"
            );
        }
    }
}
