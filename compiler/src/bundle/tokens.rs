//! Tokens of our own JavaScript (ECMAScript 2025, section 12), as far as it takes to leave some of its text away.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a private name with its `#`, a keyword or a number.
    Word,
    /// A string, a regular expression, or a part of a template between its values.
    Literal,
    /// From `//` to the end of the line, or from `/*` to `*/`.
    Comment,
    /// Spaces, or ends of lines with what surrounds them.
    Space,
    /// A single character of anything else.
    Sign,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

impl Token<'_> {
    /// Whether it means something.
    pub(super) fn counts(&self) -> bool {
        !matches!(self.kind, Kind::Space | Kind::Comment)
    }
}

/// All tokens of a text, which is theirs one after the other; none if something in it has no end.
pub(super) fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut found: Vec<Token> = Vec::new();
    // Of each template that is open: how many braces are open in its value.
    let mut templates: Vec<usize> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = match first {
            c if c.is_whitespace() => (Kind::Space, span(rest, char::is_whitespace)),
            c if is_word(c) => (Kind::Word, 1 + span(&rest[1..], is_word)),
            '/' if rest.starts_with("//") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (Kind::Comment, rest.find("*/")? + 2),
            '/' if begins_value(&found) => (Kind::Literal, expression(rest)?),
            '\'' | '"' => (Kind::Literal, 1 + until(&rest[1..], first)?),
            '`' => template(&rest[1..], &mut templates)?,
            '}' if templates.last() == Some(&0) => {
                templates.pop();
                template(&rest[1..], &mut templates)?
            }
            c => {
                match (c, templates.last_mut()) {
                    ('{', Some(depth)) => *depth += 1,
                    ('}', Some(depth)) => *depth -= 1,
                    _ => {}
                }
                (Kind::Sign, c.len_utf8())
            }
        };
        let (text, after) = rest.split_at_checked(length)?;
        found.push(Token { kind, text });
        rest = after;
    }
    templates.is_empty().then_some(found)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '#')
}

/// Bytes of the beginning that consists of such characters.
fn span(text: &str, so: impl Fn(char) -> bool) -> usize {
    text.find(|c| !so(c)).unwrap_or(text.len())
}

/// Bytes until a character that no backslash hides, with it.
fn until(text: &str, end: char) -> Option<usize> {
    let mut hidden = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if hidden => hidden = false,
            '\\' => hidden = true,
            _ if c == end => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// Bytes of a regular expression with its slashes; slashes in its sets end nothing.
fn expression(text: &str) -> Option<usize> {
    let (mut hidden, mut set) = (false, false);
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return None,
            _ if hidden => hidden = false,
            '\\' => hidden = true,
            '[' => set = true,
            ']' => set = false,
            '/' if !set => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The part of a template from behind its first character to its end or to its next value, which is opened.
fn template(text: &str, open: &mut Vec<usize>) -> Option<(Kind, usize)> {
    let end = until(text, '`')?;
    let mut from = 0;
    let value = loop {
        let Some(at) = text[from..end].find("${") else {
            break None;
        };
        let before = &text[..from + at];
        let hidden = before.len() - before.trim_end_matches('\\').len();
        if hidden.is_multiple_of(2) {
            break Some(from + at);
        }
        from += at + 2;
    };
    match value {
        Some(at) => {
            open.push(0);
            Some((Kind::Literal, 1 + at + 2))
        }
        None => Some((Kind::Literal, 1 + end)),
    }
}

/// Whether a slash behind these tokens begins a value and divides nothing.
fn begins_value(before: &[Token]) -> bool {
    let last = before.iter().rev().find(|token| token.counts());
    last.is_none_or(|token| match token.kind {
        Kind::Sign => !matches!(token.text, ")" | "]" | "}"),
        Kind::Word => matches!(token.text, "return" | "typeof" | "case" | "in" | "of" | "await"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, kind: Kind) -> Vec<&str> {
        let all = tokens(text).expect("an end of everything");
        assert_eq!(all.iter().map(|token| token.text).collect::<String>(), text);
        all.iter()
            .filter(|token| token.kind == kind)
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn literals_end_where_they_should() {
        let text =
            r#"a = 'it\'s' + "b" / c / /[/'](?:\/)/.test(d) ? `e${f({ g: `h${i}` })}j\`${k}` : l; // 'm'"#;
        assert_eq!(
            of(text, Kind::Literal),
            [
                r"'it\'s'",
                "\"b\"",
                r"/[/'](?:\/)/",
                "`e${",
                "`h${",
                "}`",
                r"}j\`${",
                "}`"
            ]
        );
        assert_eq!(of(text, Kind::Comment), ["// 'm'"]);
        assert_eq!(
            of(text, Kind::Word),
            ["a", "c", "test", "d", "f", "g", "i", "k", "l"]
        );
        assert_eq!(of(r"`a\${b}`", Kind::Literal), [r"`a\${b}`"]);
        assert_eq!(of("this.#a /* b */ in c", Kind::Word), ["this", "#a", "in", "c"]);
    }

    #[test]
    fn what_has_no_end_is_told() {
        for text in ["'a", "`a", "`a${b", "/* a", "x = /a"] {
            assert_eq!(tokens(text), None, "{text}");
        }
    }
}
