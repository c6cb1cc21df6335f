//! The words of an expression.

use crate::text::{NAME, brief};

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name or a keyword.
    Name(String),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string.
    Text(String),
    /// Punctuation.
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "...", "**", "//", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "<", ">",
    "(", ")", "[", "]", ",", ":", ".", "=",
];

/// Longest text of an expression, in bytes.
const LONGEST: usize = 1 << 16;

/// The words of a text with their places, counted in characters from 1.
///
/// # Errors
/// What cannot be read, as a sentence.
pub fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    if text.len() > LONGEST {
        return Err(format!("the expression has more than {LONGEST} bytes"));
    }
    let mut found = Vec::new();
    let mut rest = text;
    let place = |rest: &str| text.chars().count() - rest.chars().count() + 1;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
            continue;
        }
        let at = place(rest);
        let (token, after) = token(rest, first).ok_or_else(|| {
            format!(
                "{:?} at character {at} is not understood",
                brief(&word(rest), NAME)
            )
        })?;
        found.push((at, token));
        rest = after;
    }
    Ok(found)
}

/// What a message shows of a text.
fn word(rest: &str) -> &str {
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    rest.get(..end).unwrap_or(rest)
}

fn token(rest: &str, first: char) -> Option<(Token, &str)> {
    let second = rest.chars().nth(1);
    if first.is_ascii_digit() || first == '.' && second.is_some_and(|c| c.is_ascii_digit()) {
        return number(rest);
    }
    if first.is_alphabetic() || first == '_' {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        // A string with a prefix, such as f"…", is another kind of string.
        let prefix = after.starts_with(['"', '\'']);
        return (!prefix).then(|| (Token::Name(name.to_owned()), after));
    }
    if first == '"' || first == '\'' {
        let (content, after) = rest.strip_prefix(first)?.split_once(first)?;
        let plain = !content.contains(['\\', '\n']);
        return plain.then(|| (Token::Text(content.to_owned()), after));
    }
    let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
    Some((Token::Sign(sign), rest.strip_prefix(sign)?))
}

fn number(rest: &str) -> Option<(Token, &str)> {
    let digits = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit() && c != '_')
            .unwrap_or(text.len())
    };
    let mut end = digits(rest);
    let mut whole = true;
    if rest.get(end..)?.starts_with('.') {
        whole = false;
        end += 1;
        end += digits(rest.get(end..)?);
    }
    let exponent = rest.get(end..)?;
    if exponent.starts_with(['e', 'E']) {
        let signed = exponent
            .get(1..)?
            .strip_prefix(['+', '-'])
            .or(exponent.get(1..))?;
        let length = digits(signed);
        if length > 0 {
            whole = false;
            end += exponent.len() - signed.len() + length;
        }
    }
    let (written, after) = rest.split_at_checked(end)?;
    if after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let plain = written.replace('_', "");
    let token = match whole {
        true => Token::Int(plain.parse().ok()?),
        false => Token::Float(plain.parse::<f64>().ok().filter(|value| value.is_finite())?),
    };
    Some((token, after))
}
