//! Who names whom: every path in the source, resolved to the module and the item that it means.

use super::source::Crate;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeSet, HashMap};

/// The library's name for itself, from inside and from the command.
const OWN_NAME: &str = "keras_compile";

/// A path of a file, from the root of the crate.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mention {
    /// The index of the file that names it.
    pub file: usize,
    pub line: usize,
    /// The path as it is written, from the root on: through whatever re-exports.
    pub written: Vec<String>,
    /// The index of the file where what it names is.
    pub target: usize,
}

/// A path as it stands in the source: its segments, the name that a `use` gives it, its line.
#[derive(Debug)]
struct Written {
    segments: Vec<String>,
    alias: Option<String>,
    line: usize,
}

/// Resolves paths in one crate.
pub struct Paths<'c> {
    tree: &'c Crate,
    /// Of every module, the paths in it.
    written: HashMap<&'c [String], Vec<Written>>,
    /// Of every module, what `use` brings in: name and path, and `*` for everything in it.
    uses: HashMap<&'c [String], Vec<(String, Vec<String>)>>,
}

impl<'c> Paths<'c> {
    /// Finds all paths of a crate.
    pub fn new(tree: &'c Crate) -> Self {
        let (mut written, mut uses) = (HashMap::new(), HashMap::new());
        for (path, module) in &tree.modules {
            let mut found = Vec::new();
            scan(module.tokens.clone(), &mut found);
            let named = found.iter().filter_map(|path| {
                let alias = path.alias.clone()?;
                Some((alias, path.segments.clone()))
            });
            uses.insert(&path[..], named.collect());
            written.insert(&path[..], found);
        }
        Self { tree, written, uses }
    }

    /// All that the files of the crate name in it, each once for a line.
    pub fn mentions(&self) -> BTreeSet<Mention> {
        let mut found = BTreeSet::new();
        for (&module, paths) in &self.written {
            for path in paths {
                let Some(written) = self.absolute(module, &path.segments, 0) else {
                    continue;
                };
                found.insert(Mention {
                    file: self.tree.modules[module].file,
                    line: path.line,
                    target: self.target(&written, 0),
                    written,
                });
            }
        }
        found
    }

    /// The path from the root, if it leads into this crate.
    fn absolute(&self, module: &[String], segments: &[String], depth: usize) -> Option<Vec<String>> {
        let (first, rest) = segments.split_first()?;
        let mut path = match first.as_str() {
            "crate" | OWN_NAME => Vec::new(),
            "self" => module.to_vec(),
            "super" => module[..module.len().saturating_sub(1)].to_vec(),
            name if self.is_module(module, name) => [module, std::slice::from_ref(first)].concat(),
            name => {
                let (_, path) = self.uses[module].iter().find(|(alias, _)| alias == name)?;
                if depth > 8 || path == segments {
                    return None;
                }
                self.absolute(module, path, depth + 1)?
            }
        };
        for segment in rest {
            match segment.as_str() {
                "super" => drop(path.pop()),
                "self" => {}
                _ => path.push(segment.clone()),
            }
        }
        Some(path)
    }

    fn is_module(&self, parent: &[String], name: &str) -> bool {
        let path = [parent, &[name.to_owned()]].concat();
        self.tree.modules.contains_key(&path)
    }

    /// The file where what a path names stands, through all re-exports.
    fn target(&self, path: &[String], depth: usize) -> usize {
        let mut length = path.len();
        while !self.tree.modules.contains_key(&path[..length]) {
            length -= 1;
        }
        let (module, rest) = path.split_at(length);
        let here = &self.tree.modules[module];
        let Some((name, behind)) = rest.split_first() else {
            return here.file;
        };
        if depth > 8 || here.items.contains(name) {
            return here.file;
        }
        let through = |path: &[String]| {
            let path = self.absolute(module, path, 0)?;
            Some(self.target(&[&path[..], behind].concat(), depth + 1))
        };
        let named = self.uses[module].iter().find(|(alias, _)| alias == name);
        named.and_then(|(_, path)| through(path)).unwrap_or(here.file)
    }
}

/// Collects the paths of tokens: `a::b`, and those of `use` trees.
fn scan(tokens: TokenStream, found: &mut Vec<Written>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    let mut in_use = false;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(ident) if ident == "use" => in_use = true,
            TokenTree::Ident(_) => {
                at = path(&tokens, at, &[], in_use, found);
                continue;
            }
            TokenTree::Group(group) => scan(group.stream(), found),
            TokenTree::Punct(punct) if punct.as_char() == ';' => in_use = false,
            _ => {}
        }
        at += 1;
    }
}

/// Reads a path, or a tree of them, that starts at an identifier; gives where it ends.
fn path(
    tokens: &[TokenTree],
    mut at: usize,
    before: &[String],
    in_use: bool,
    found: &mut Vec<Written>,
) -> usize {
    let line = tokens[at].span().start().line;
    let mut segments = before.to_vec();
    let mut push = |segments: Vec<String>, alias| {
        found.push(Written {
            segments,
            alias,
            line,
        });
    };
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        segments.push(ident.to_string().trim_start_matches("r#").to_owned());
        at += 1;
        if !is_separator(tokens, at) {
            break;
        }
        at += 2;
        match tokens.get(at) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                tree(group.stream(), &segments, found);
                return at + 1;
            }
            Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => {
                push(segments, in_use.then(|| "*".into()));
                return at + 1;
            }
            _ => {}
        }
    }
    let alias = match (tokens.get(at), tokens.get(at + 1)) {
        (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(alias))) if in_use && word == "as" => {
            at += 2;
            Some(alias.to_string())
        }
        _ if in_use && segments.last().is_some_and(|last| last == "self") => {
            segments.get(segments.len().wrapping_sub(2)).cloned()
        }
        _ => in_use.then(|| segments.last().cloned()).flatten(),
    };
    push(segments, alias);
    at
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}

/// The inside of braces in a `use`.
fn tree(tokens: TokenStream, before: &[String], found: &mut Vec<Written>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        at = match &tokens[at] {
            TokenTree::Ident(_) => path(&tokens, at, before, true, found),
            TokenTree::Punct(punct) if punct.as_char() == '*' => {
                found.push(Written {
                    segments: before.to_vec(),
                    alias: Some("*".into()),
                    line: punct.span().start().line,
                });
                at + 1
            }
            _ => at + 1,
        };
    }
}
