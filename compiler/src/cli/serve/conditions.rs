//! What of a file a request wants: nothing when the client has it already, a part of it, or all.

use std::fs::Metadata;

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The client has this very version.
    Nothing,
    /// The whole file.
    All,
    /// Bytes from the first to before the last.
    Part(u64, u64),
    /// A part that the file does not have.
    Missing,
}

/// The headers that say so.
#[derive(Debug, Default, PartialEq)]
pub struct Conditions {
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// `Range`.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
}

impl Conditions {
    /// What is wanted of a file with this tag and length.
    pub fn wanted(&self, tag: &str, length: u64) -> Wanted {
        if self.if_none_match.as_deref().is_some_and(|tags| lists(tags, tag)) {
            return Wanted::Nothing;
        }
        let same = self.if_range.as_deref().is_none_or(|wanted| wanted.trim() == tag);
        match self.range.as_deref().and_then(parse) {
            Some(range) if same => part(range, length),
            _ => Wanted::All,
        }
    }
}

/// Whether a list of tags has one of them. Weak ones will do where nothing is put together from parts.
fn lists(tags: &str, tag: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// First and last byte of a single range; anything else may be ignored.
fn parse(range: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (first, last) = range.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    };
    let range = (number(first)?, number(last)?);
    match range {
        (None, None) => None,
        (Some(first), Some(last)) if first > last => None,
        _ => Some(range),
    }
}

/// `-5` is the last five bytes.
fn part(range: (Option<u64>, Option<u64>), length: u64) -> Wanted {
    let (begin, end) = match range {
        (Some(first), last) => (
            first,
            last.map_or(length, |last| last.saturating_add(1).min(length)),
        ),
        (None, last) => (length.saturating_sub(last.unwrap_or(0)), length),
    };
    match begin < end {
        true => Wanted::Part(begin, end),
        false => Wanted::Missing,
    }
}

/// Another one for another version of a file. It is not made of the contents, which would have to be read: when those
/// change, so does the time of the last change, which nobody can set.
pub fn tag(found: &Metadata) -> String {
    let length = found.len();
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (inode, seconds, nanoseconds) = (found.ino(), found.ctime(), found.ctime_nsec());
        format!("\"{length:x}-{inode:x}-{seconds:x}-{nanoseconds:x}\"")
    }
    #[cfg(not(unix))]
    {
        let modified = found.modified().ok();
        let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        format!("\"{length:x}-{:x}\"", since.unwrap_or_default().as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(range: &str) -> Wanted {
        let range = Some(range.to_owned());
        Conditions {
            range,
            ..Default::default()
        }
        .wanted("\"a\"", 10)
    }

    #[test]
    fn ranges() {
        assert_eq!(range("bytes=0-0"), Wanted::Part(0, 1));
        assert_eq!(range("bytes=3-"), Wanted::Part(3, 10));
        assert_eq!(range("bytes=3-99999999999999999999"), Wanted::Part(3, 10));
        assert_eq!(range("bytes=-4"), Wanted::Part(6, 10));
        assert_eq!(range("bytes=-40"), Wanted::Part(0, 10));
        for missing in ["bytes=10-", "bytes=-0", "bytes=18446744073709551615-"] {
            assert_eq!(range(missing), Wanted::Missing, "{missing}");
        }
        for ignored in [
            "bytes=2-1",
            "bytes=-",
            "bytes=1",
            "bytes=0-1,3-4",
            "lines=1-2",
            "bytes=+1-2",
            "bytes=a-b",
            "",
        ] {
            assert_eq!(range(ignored), Wanted::All, "{ignored}");
        }
    }

    #[test]
    fn tags() {
        let wanted = |if_none_match: &str, if_range: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let conditions = Conditions {
                if_none_match: some(if_none_match),
                range: some("bytes=1-1"),
                if_range: some(if_range),
            };
            conditions.wanted("\"a\"", 10)
        };
        for same in ["\"a\"", "*", "\"b\", \"a\"", "W/\"a\""] {
            assert_eq!(wanted(same, ""), Wanted::Nothing, "{same}");
        }
        assert_eq!(wanted("\"b\"", ""), Wanted::Part(1, 2));
        assert_eq!(wanted("", "\"a\""), Wanted::Part(1, 2));
        for other in ["\"b\"", "W/\"a\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(wanted("", other), Wanted::All, "{other}");
        }
    }
}
