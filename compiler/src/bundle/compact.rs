//! Shorter names and fewer spaces: visitors download the script, and its readers have the runtime's source.
//!
//! A name gets the same short one wherever it stands, so that every scope means what it did; that takes names which the whole
//! script declares at its top, exports to nobody and uses as nothing else, such as a property. Private names are nothing else.
//! Lines stay lines: where statements end depends on them.

use super::tokens::{Kind, Token, tokens};
use std::collections::{BTreeMap, BTreeSet};

/// Characters that names begin with.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Words of two letters that mean something.
const RESERVED: [&str; 6] = ["as", "do", "if", "in", "is", "of"];

/// The same script with all private names shortened, and those of these that allow it, which its top declares; none if it is not of
/// the form that [`tokens`] knows.
pub(super) fn compact<'a>(script: &str, declared: impl Iterator<Item = &'a str>) -> Option<String> {
    let all = bare(tokens(script)?);
    let names = shortened(&all, declared.collect());
    let mut text = String::with_capacity(script.len());
    let mut space: Option<&str> = None;
    let mut last: Option<Token> = None;
    for token in all {
        if token.kind == Kind::Space {
            space = Some(token.text);
            continue;
        }
        text += match (space.take(), last) {
            (Some(space), Some(_)) if space.contains('\n') => "\n",
            (Some(_), Some(last)) if parts(last, token) => " ",
            _ => "",
        };
        let name = (token.kind == Kind::Word)
            .then(|| names.get(token.text))
            .flatten();
        text += name.map_or(token.text, String::as_str);
        last = Some(token);
    }
    text.push('\n');
    Some(text)
}

/// Without the parentheses around single names that types in comments needed, where they are neither a call nor a function's.
fn bare(all: Vec<Token>) -> Vec<Token> {
    let counting: Vec<usize> = (0..all.len()).filter(|&i| all[i].counts()).collect();
    let mut idle = BTreeSet::new();
    for window in counting.windows(5) {
        let [before, open, name, close, after] = [0, 1, 2, 3, 4].map(|i| all[window[i]]);
        let single = open.text == "(" && close.text == ")" && name.kind == Kind::Word;
        let value = [before, after].iter().all(|token| token.kind == Kind::Sign)
            && matches!(before.text, "(" | "[" | "," | "=" | ":" | "?" | "&" | "|")
            && matches!(after.text, ")" | "]" | "," | ";" | ".");
        if single && value && name.text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            idle.extend([window[1], window[3]]);
        }
    }
    let kept = |(i, token)| (!idle.contains(&i)).then_some(token);
    all.into_iter().enumerate().filter_map(kept).collect()
}

/// Whether two tokens might mean something else without a space between them.
fn parts(a: Token, b: Token) -> bool {
    let apart = |token: Token| token.kind == Kind::Sign && !matches!(token.text, "+" | "-" | "/");
    !(apart(a) || apart(b))
}

/// What names become. The most frequent ones become the shortest.
fn shortened<'a>(all: &[Token<'a>], declared: BTreeSet<&str>) -> BTreeMap<&'a str, String> {
    let counting: Vec<_> = all.iter().filter(|token| token.counts()).copied().collect();
    let words = || {
        counting
            .iter()
            .filter(|token| token.kind == Kind::Word)
            .map(|token| token.text)
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    words().for_each(|word| *counts.entry(word).or_default() += 1);
    let fixed = fixed(&counting);
    let by_use = |so: &dyn Fn(&str) -> bool| {
        let mut names: Vec<_> = counts.iter().filter(|(name, _)| so(name)).collect();
        names.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), **name));
        names.into_iter().map(|(name, _)| *name)
    };
    let public = by_use(&|name| declared.contains(name) && !fixed.contains(name));
    let private = by_use(&|name| name.starts_with('#'));
    let free = short().filter(|name| !counts.contains_key(name.as_str()));
    let own = short().map(|name| format!("#{name}"));
    public.zip(free).chain(private.zip(own)).collect()
}

/// All short names.
fn short() -> impl Iterator<Item = String> {
    let one = LETTERS.chars().map(String::from);
    let two = LETTERS
        .chars()
        .flat_map(|a| LETTERS.chars().map(move |b| format!("{a}{b}")));
    one.chain(two).filter(|name| !RESERVED.contains(&name.as_str()))
}

/// Names that stand where they may be no variables: properties, keys, methods, fields, and what a pair of braces lists, which is
/// both.
fn fixed<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let text = |i: Option<usize>| i.and_then(|i| tokens.get(i)).map_or("", |token| token.text);
    let ends = ends(tokens);
    let mut open: Vec<&str> = Vec::new();
    let mut fixed = BTreeSet::new();
    for (i, token) in tokens.iter().enumerate() {
        match token.text {
            _ if token.kind == Kind::Literal => {
                if token.text.starts_with('}') {
                    open.pop();
                }
                if token.text.ends_with("${") {
                    open.push("${");
                }
            }
            "(" | "[" | "{" => open.push(token.text),
            ")" | "]" | "}" => drop(open.pop()),
            _ => {}
        }
        let [second, before, after] = [i.checked_sub(2), i.checked_sub(1), Some(i + 1)].map(text);
        let property = before == "." && second != ".";
        let listed = open.last() == Some(&"{")
            && matches!(before, "{" | ",")
            && matches!(after, ":" | "}" | "," | "=");
        let field = matches!(before, ";" | "{" | "}" | "static") && matches!(after, "=" | ";");
        let method =
            after == "(" && before != "function" && text(ends.get(&(i + 1)).map(|end| end + 1)) == "{";
        if property || listed || field || method {
            fixed.insert(token.text);
        }
    }
    fixed
}

/// Where each parenthesis ends, by where it begins.
fn ends(tokens: &[Token]) -> BTreeMap<usize, usize> {
    let mut open = Vec::new();
    let mut ends = BTreeMap::new();
    for (i, token) in tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.kind == Kind::Sign)
    {
        match token.text {
            "(" => open.push(i),
            ")" => ends.extend(open.pop().map(|begin| (begin, i))),
            _ => {}
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short_for(script: &str, names: &[&str]) -> String {
        compact(script, names.iter().copied()).expect("a script of our form")
    }

    #[test]
    fn parentheses_go_around_names_that_types_had() {
        assert_eq!(
            short_for("a = (b).c + f((d), (e), g?.(h), (1).i);\n", &[]),
            "a=b.c + f(d,e,g?.(h),(1).i);\n"
        );
        let same = "x=(a)=>a;\nif(a){}\nf((a,b),(a)(b),!(a),-(a));\nreturn(a);\n";
        assert_eq!(short_for(same, &[]), same);
    }

    #[test]
    fn spaces_go_where_nothing_needs_them() {
        let script = "// Kept.\nconst  a = (b, c) => {\n\n    return b  /  c + +d - -e;\n};\nif (a) { new F( typeof g, 'h  i' ) }";
        assert_eq!(
            short_for(script, &[]),
            "// Kept.\nconst a=(b,c)=>{\nreturn b / c + +d - -e;\n};\nif(a){new F(typeof g,'h  i')}\n"
        );
    }

    #[test]
    fn names_become_short_wherever_they_stand() {
        let script = "const first = 1;\nfunction second(first) { return first + `first${first}` }\nsecond(first, second);\nlet a;";
        assert_eq!(
            short_for(script, &["first", "second"]),
            "const b=1;\nfunction c(b){return b + `first${b}`}\nc(b,c);\nlet a;\n"
        );
    }

    #[test]
    fn what_may_be_a_property_keeps_its_name() {
        for script in [
            "const name=1;\na.name;",
            "const name=1;\na?.name;",
            "const name=1;\nf({ name });",
            "const name=1;\nf({a,name,b});",
            "const name=1;\nf({name:1});",
            "const name=1;\nconst{name=2}=a;",
            "const name=1;\nclass A{name(a){}}",
            "const name=1;\nclass A{static name=1}",
            "const name=1;\nclass A{name;}",
            "export{name};",
        ] {
            assert!(short_for(script, &["name"]).contains("name"), "{script}");
        }
        assert_eq!(
            short_for("const name=1;\nf(...name,a?name:b);", &["name"]),
            "const c=1;\nf(...c,a?c:b);\n"
        );
    }

    #[test]
    fn private_names_are_short_ones() {
        assert_eq!(
            short_for("class A{#rare;#often;b(c){return #often in c&&this.#often}}", &[]),
            "class A{#b;#a;b(c){return #a in c&&this.#a}}\n"
        );
    }
}
