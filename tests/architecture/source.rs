//! The source as the compiler sees it: the files that `mod` items reach, without what only tests are built from.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Item, Meta, Token};

/// A source file without its tests.
pub struct File {
    /// Relative to `compiler/src`, with slashes.
    pub name: String,
    /// Every line of code, each token at its column; empty where there is none.
    pub code: Vec<String>,
    /// Every line as it stands there, comments too.
    pub text: Vec<String>,
}

/// A module: of a file, or inline in one.
#[derive(Default)]
pub struct Module {
    /// The index of its file.
    pub file: usize,
    /// Its items but for modules.
    pub tokens: TokenStream,
    /// Names of its items but for modules.
    pub items: Vec<String>,
}

/// A crate: its files, and its modules by their path from the root.
#[derive(Default)]
pub struct Crate {
    pub files: Vec<File>,
    pub modules: BTreeMap<Vec<String>, Module>,
}

impl Crate {
    /// Reads the crate with this root.
    pub fn read(root: &Path) -> Self {
        let mut found = Self::default();
        let directory = root.parent().expect("the root lies in a directory").to_owned();
        found.file(&directory, root, Vec::new(), &directory);
        found
    }

    /// Reads a file and the modules below it, which lie in `below`.
    fn file(&mut self, directory: &Path, path: &Path, module: Vec<String>, below: &Path) {
        let source = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut tree = syn::parse_file(&source).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut tests = Tests::default();
        tests.visit_file_mut(&mut tree);
        let name = path.strip_prefix(directory).expect("it lies below the root");
        let mut text: Vec<String> = source.lines().map(str::to_owned).collect();
        for line in tests.lines.into_iter().flatten() {
            text[line - 1].clear();
        }
        let index = self.files.len();
        self.files.push(File {
            name: name.to_str().expect("names are UTF-8").replace('\\', "/"),
            code: code(&tree, text.len()),
            text,
        });
        self.module(directory, index, tree.items, module, below);
    }

    fn module(&mut self, directory: &Path, file: usize, items: Vec<Item>, path: Vec<String>, below: &Path) {
        let mut found = Module {
            file,
            ..Module::default()
        };
        for item in items {
            match item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    let path = [&path[..], std::slice::from_ref(&name)].concat();
                    let below = below.join(&name);
                    match inner.content {
                        Some((_, items)) => self.module(directory, file, items, path, &below),
                        None => self.file(directory, &module_file(&below), path, &below),
                    }
                }
                item => {
                    found.items.extend(name(&item));
                    item.to_tokens(&mut found.tokens);
                }
            }
        }
        self.modules.insert(path, found);
    }
}

fn module_file(below: &Path) -> PathBuf {
    let own = below.with_extension("rs");
    if own.exists() { own } else { below.join("mod.rs") }
}

fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Takes out what exists in tests only, and all documentation, which is no code.
#[derive(Default)]
struct Tests {
    lines: Vec<RangeInclusive<usize>>,
}

impl Tests {
    /// Whether an item stays.
    fn keeps(&mut self, attributes: &[Attribute], item: &impl Spanned) -> bool {
        let keeps = !attributes.iter().any(is_test);
        if !keeps {
            let first = attributes[0].span().start().line;
            self.lines.push(first..=item.span().end().line);
        }
        keeps
    }
}

impl VisitMut for Tests {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| self.keeps(attributes(item), item));
        visit_mut::visit_file_mut(self, file);
    }
    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(|item| self.keeps(attributes(item), item));
        }
        visit_mut::visit_item_mod_mut(self, module);
    }
    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        item.items.retain(|item| match item {
            syn::ImplItem::Fn(inner) => self.keeps(&inner.attrs, item),
            syn::ImplItem::Const(inner) => self.keeps(&inner.attrs, item),
            _ => true,
        });
        visit_mut::visit_item_impl_mut(self, item);
    }
    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(|statement| match statement {
            syn::Stmt::Local(local) => self.keeps(&local.attrs, statement),
            syn::Stmt::Item(item) => self.keeps(attributes(item), statement),
            _ => true,
        });
        visit_mut::visit_block_mut(self, block);
    }
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| !attribute.path().is_ident("doc"));
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an attribute is a `cfg` that does not hold unless tests are built, whatever else holds.
fn is_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<Meta>()
            .is_ok_and(|condition| needs_test(&condition))
}

fn needs_test(condition: &Meta) -> bool {
    let inner = |list: &syn::MetaList| {
        list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .unwrap_or_default()
    };
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => inner(list).iter().any(needs_test),
        Meta::List(list) if list.path.is_ident("any") => inner(list).iter().all(needs_test),
        _ => false,
    }
}

/// The tokens of a file, each at its place.
fn code(tree: &syn::File, lines: usize) -> Vec<String> {
    let mut found = vec![String::new(); lines];
    let mut tokens = Vec::new();
    flatten(tree.to_token_stream(), &mut tokens);
    for (line, column, token) in tokens {
        // Those that the parser made up stand nowhere.
        let Some(found) = found.get_mut(line.wrapping_sub(1)) else {
            continue;
        };
        let length = found.chars().count();
        found.extend(std::iter::repeat_n(' ', column.saturating_sub(length)));
        found.push_str(&token);
    }
    found
}

fn flatten(tokens: TokenStream, found: &mut Vec<(usize, usize, String)>) {
    for token in tokens {
        let at = token.span().start();
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                found.push((at.line, at.column, open.into()));
                flatten(group.stream(), found);
                let at = group.span_close().start();
                found.push((at.line, at.column, close.into()));
            }
            token => found.push((at.line, at.column, token.to_string())),
        }
    }
}
