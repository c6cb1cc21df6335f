//! Links that lead out of an HDF5 file, found so that an error can name them.
//!
//! The HDF5 reader passes such links over as if they were not there, which is safe but leaves a user
//! with "weight is missing". When something is missing, this looks through the bytes for the messages
//! that describe such links.

use hdf5_pure::Source;

/// A link to an object in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExternalLink {
    /// Its name in the group that holds it.
    pub(super) name: String,
    /// The other file, as the link has it.
    pub(super) file: String,
}

/// Most bytes that are looked through, and most links that are listed.
const MAX_BYTES: u64 = 256 << 20;
const MAX_LINKS: usize = 16;

const WINDOW: usize = 1 << 20;
/// Longest message that is found across the border of two windows.
const OVERLAP: usize = 4 << 10;

/// The external links of a file.
pub(super) fn external(source: &impl Source) -> Vec<ExternalLink> {
    let mut found: Vec<ExternalLink> = Vec::new();
    let end = source.len().min(MAX_BYTES);
    let mut at = 0;
    let mut window = vec![0; WINDOW + OVERLAP];
    while at < end && found.len() < MAX_LINKS {
        let length = (end - at).min(window.len() as u64) as usize;
        let Some(bytes) = window.get_mut(..length) else {
            break;
        };
        if source.read_at(at, bytes).is_err() {
            break;
        }
        for start in 0..length {
            let link = bytes.get(start..).and_then(message);
            found.extend(link.filter(|link| !found.contains(link)));
        }
        at += WINDOW as u64;
    }
    found
}

/// Reads a link message of version 1 and of the type for external links.
fn message(bytes: &[u8]) -> Option<ExternalLink> {
    let [1, flags, rest @ ..] = bytes else { return None };
    let [64, rest @ ..] = rest else { return None };
    // Bit 3: the type is stated. The upper bits are reserved.
    if flags & 0b1110_1000 != 0b1000 {
        return None;
    }
    let rest = if flags & 0b100 != 0 { rest.get(8..)? } else { rest };
    let rest = if flags & 0b1_0000 != 0 {
        rest.get(1..)?
    } else {
        rest
    };
    let width = 1usize << (flags & 0b11);
    let (length, rest) = (little_endian(rest.get(..width)?), rest.get(width..)?);
    let length = usize::try_from(length)
        .ok()
        .filter(|length| (1..=1024).contains(length))?;
    let (name, rest) = (rest.get(..length)?, rest.get(length..)?);
    let size = usize::try_from(little_endian(rest.get(..2)?)).ok()?;
    // A byte for the version, the file's name and the path of the object, each with a NUL behind it.
    let value = rest.get(2..)?.get(..size)?;
    let [0, value @ ..] = value else { return None };
    let mut parts = value.split(|byte| *byte == 0);
    let (file, object, last) = (parts.next()?, parts.next()?, parts.next()?);
    if !last.is_empty() || parts.next().is_some() || file.is_empty() || object.is_empty() {
        return None;
    }
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        (!text.chars().any(char::is_control)).then(|| text.to_owned())
    };
    Some(ExternalLink {
        name: text(name)?,
        file: text(file)?,
    })
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::keras::source::Section;
    use std::io::Cursor;

    fn links(bytes: Vec<u8>) -> Vec<ExternalLink> {
        let length = bytes.len() as u64;
        external(&Section::new(Cursor::new(bytes), 0, length, &Budget::new()))
    }

    #[test]
    fn finds_a_link_message_anywhere() {
        let mut link = vec![1, 0b1000, 64, 6];
        link.extend(b"kernel");
        let value = b"\0other.h5\0/a/kernel\0";
        link.extend((value.len() as u16).to_le_bytes());
        link.extend(value);
        for offset in [0, 17, WINDOW - 5, WINDOW + 3] {
            let mut bytes = vec![1; offset];
            bytes.extend(&link);
            bytes.extend([0; 3]);
            let found = links(bytes);
            let expected = ExternalLink {
                name: "kernel".into(),
                file: "other.h5".into(),
            };
            assert_eq!(found, [expected], "at {offset}");
        }
        assert_eq!(links(vec![1; 100]), []);
    }
}
