//! Text of files that nobody vetted, fit to be shown: names and values must not steer a terminal, fake or reorder
//! lines, or fill the screen. Whatever the compiler prints goes through here.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// Most characters that are shown of a value.
pub const VALUE: usize = 120;
/// Most characters that are shown of a name or a path of names.
pub const NAME: usize = 200;
/// Most characters of a message.
pub const MESSAGE: usize = 600;

/// What Unicode calls ignorable and Rust prints nevertheless: fillers, joiners, selectors of variants.
const INVISIBLE: &[std::ops::RangeInclusive<char>] = &[
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{e0000}'..='\u{e0fff}',
];

/// The text with every control, invisible and bidirectional character, and every space but the plain one, as Rust
/// escapes it.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    // `escape_debug` knows which characters cannot be seen. It also escapes quotes and backslashes, which may stay.
    for part in text.split_inclusive(['"', '\'', '\\']) {
        let kept = part.trim_end_matches(['"', '\'', '\\']);
        for c in kept.escape_debug() {
            match INVISIBLE.iter().any(|range| range.contains(&c)) {
                true => shown.extend(c.escape_unicode()),
                false => shown.push(c),
            }
        }
        shown.push_str(part.get(kept.len()..).unwrap_or_default());
    }
    Cow::Owned(shown)
}

/// The same for text of several lines, whose ends stay.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(|line| printable(line) + "\n").collect()
}

/// What a value displays as, cut where it is long. No more of it is ever made than is shown.
pub fn brief(value: &dyn Display, most: usize) -> String {
    let mut start = Start {
        text: String::new(),
        left: most,
    };
    match write!(start, "{value}") {
        Ok(()) => start.text,
        // The only error is that there was no room.
        Err(fmt::Error) => start.text + "…",
    }
}

/// Takes so many characters and no more.
struct Start {
    text: String,
    left: usize,
}

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match text.char_indices().nth(self.left) {
            Some((end, _)) => {
                self.text.push_str(text.get(..end).unwrap_or_default());
                self.left = 0;
                Err(fmt::Error)
            }
            None => {
                self.left -= text.chars().count();
                self.text.push_str(text);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let cases = [
            ("plain \"text\" with \\ and '", "plain \"text\" with \\ and '"),
            ("é 漢字 … 😀", "é 漢字 … 😀"),
            // An accent of its own, as names of files have it on some systems.
            ("cafe\u{301}", "cafe\u{301}"),
            ("\u{1b}[2J\n\t\0", r"\u{1b}[2J\n\t\0"),
            ("a\u{202e}b\u{2066}c\u{200b}d", r"a\u{202e}b\u{2066}c\u{200b}d"),
            (
                "\u{2028}\u{2029}\u{85}\u{a0}\u{feff}",
                r"\u{2028}\u{2029}\u{85}\u{a0}\u{feff}",
            ),
            (
                "\u{ad}\u{34f}\u{3164}\u{fe0f}\u{e0041}",
                r"\u{ad}\u{34f}\u{3164}\u{fe0f}\u{e0041}",
            ),
        ];
        for (text, shown) in cases {
            assert_eq!(printable(text), shown);
            assert_eq!(printable(shown), shown, "what is escaped stays");
        }
        assert_eq!(printable_lines("a\u{202e}\nb"), "a\\u{202e}\nb\n");
    }

    #[test]
    fn long_values_are_cut_and_never_made_whole() {
        assert_eq!(brief(&"four", 4), "four");
        assert_eq!(brief(&"fünf!", 4), "fünf…");
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("again and ")?;
                }
            }
        }
        assert_eq!(brief(&Endless, 12), "again and ag…");
    }
}
