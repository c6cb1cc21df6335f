//! The function and, beside it, the module that builds its tape.

mod lower;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Error, FnArg, Ident, ItemFn, Pat, Result, ReturnType, Type};

/// What `#[pointwise]` turns `item` into.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "#[pointwise] takes no arguments"));
    }
    let function: ItemFn = syn::parse2(item)?;
    let parameters = parameters(&function)?;
    let body = lower::body(&function.block, &parameters)?;
    let module = module(&function, &parameters, &body);
    Ok(quote!(#function #module))
}

/// The names of the parameters of a function from f32 to f32 without further ado.
fn parameters(function: &ItemFn) -> Result<Vec<Ident>> {
    let signature = &function.sig;
    let qualifiers = [
        signature.asyncness.map(ToTokens::into_token_stream),
        signature.unsafety.map(ToTokens::into_token_stream),
        signature.abi.as_ref().map(ToTokens::to_token_stream),
        signature.generics.lt_token.map(ToTokens::into_token_stream),
        signature.variadic.as_ref().map(ToTokens::to_token_stream),
    ];
    if let Some(qualifier) = qualifiers.into_iter().flatten().next() {
        return Err(Error::new_spanned(
            qualifier,
            "a pointwise function is a plain function of f32",
        ));
    }
    match &signature.output {
        ReturnType::Type(_, result) if is_f32(result) => {}
        _ => return Err(Error::new_spanned(signature, "a pointwise function returns f32")),
    }
    if signature.inputs.is_empty() {
        return Err(Error::new_spanned(
            signature,
            "a pointwise function has at least one parameter",
        ));
    }
    signature.inputs.iter().map(parameter).collect()
}

fn parameter(argument: &FnArg) -> Result<Ident> {
    match argument {
        FnArg::Typed(typed) if is_f32(&typed.ty) && typed.attrs.is_empty() => name(&typed.pat),
        _ => Err(Error::new_spanned(
            argument,
            "parameters of a pointwise function are `name: f32`",
        )),
    }
}

fn is_f32(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("f32"))
}

/// The name that a pattern binds, if it is nothing but a name.
fn name(pattern: &Pat) -> Result<Ident> {
    match pattern {
        Pat::Ident(p) if p.by_ref.is_none() && p.mutability.is_none() && p.subpat.is_none() => {
            Ok(p.ident.clone())
        }
        _ => Err(Error::new_spanned(pattern, "expected a plain name")),
    }
}

/// The module beside the function. It sees the names that the function sees, and no other crate needs to.
fn module(function: &ItemFn, parameters: &[Ident], body: &TokenStream) -> TokenStream {
    let (visibility, name) = (&function.vis, &function.sig.ident);
    let builder = lower::builder();
    let count = parameters.len() as u32;
    let numbers = 0..count;
    let rest = &parameters[1..];
    let constants: Vec<_> = rest.iter().map(|p| format_ident!("{p}_value")).collect();
    let about = format!("The tape of the function [`{name}`](fn@super::{name}).");
    let with = (!rest.is_empty()).then(|| {
        quote! {
            /// The tape of the first parameter, with the others constant.
            pub fn with(#(#rest: f32),*) -> Tape {
                let mut tape = TapeBuilder::new(1);
                let first = tape.input(0);
                #(let #constants = tape.constant(#rest);)*
                let result = emit(&mut tape, first, #(#constants),*);
                tape.finish(result)
            }
        }
    });
    quote! {
        #[doc = #about]
        #[allow(unused_imports, clippy::too_many_arguments, clippy::excessive_precision)]
        #visibility mod #name {
            use super::*;
            use ::keras_compile::pointwise::{Tape, TapeBuilder, Value};
            /// Appends the function to a tape under construction and returns its value.
            pub fn emit(#builder: &mut TapeBuilder, #(#parameters: Value),*) -> Value #body
            /// The tape whose inputs are the parameters in order.
            pub fn tape() -> Tape {
                let mut tape = TapeBuilder::new(#count);
                #(let #parameters = tape.input(#numbers);)*
                let result = emit(&mut tape, #(#parameters),*);
                tape.finish(result)
            }
            #with
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(item: &str) -> String {
        match expand(TokenStream::new(), item.parse().unwrap()) {
            Ok(_) => panic!("{item} was accepted"),
            Err(error) => {
                let start = error.span().start();
                format!("{}: {error}", &item[start.column..error.span().end().column])
            }
        }
    }

    #[test]
    fn function_stays_and_module_comes() {
        let item: TokenStream = "pub fn half(x: f32) -> f32 { x * 0.5 }".parse().unwrap();
        let result = expand(TokenStream::new(), item.clone()).unwrap().to_string();
        assert!(result.starts_with(&item.to_string()), "{result}");
        assert!(result.contains("pub mod half"), "{result}");
        assert!(!result.contains("fn with"), "{result}");
    }

    #[test]
    fn further_parameters_can_be_constants() {
        let item = "fn leaky(x: f32, slope: f32) -> f32 { x * slope }"
            .parse()
            .unwrap();
        let result = expand(TokenStream::new(), item).unwrap().to_string();
        assert!(result.contains("pub fn with (slope : f32) -> Tape"), "{result}");
    }

    #[test]
    fn refuses_signatures_beyond_f32() {
        for (item, expected) in [
            (
                "fn f(x: f64) -> f32 { x }",
                "x: f64: parameters of a pointwise function are `name: f32`",
            ),
            ("fn f(mut x: f32) -> f32 { x }", "mut x: expected a plain name"),
            (
                "fn f(self) -> f32 { 1.0 }",
                "self: parameters of a pointwise function are `name: f32`",
            ),
            (
                "fn f(x: f32) { x }",
                "fn f(x: f32): a pointwise function returns f32",
            ),
            (
                "fn f() -> f32 { 1.0 }",
                "fn f() -> f32: a pointwise function has at least one parameter",
            ),
            (
                "fn f<T>(x: f32) -> f32 { x }",
                "<: a pointwise function is a plain function of f32",
            ),
            (
                "unsafe fn f(x: f32) -> f32 { x }",
                "unsafe: a pointwise function is a plain function of f32",
            ),
        ] {
            assert_eq!(error_of(item), expected);
        }
    }

    #[test]
    fn refuses_what_a_tape_cannot_say() {
        for (body, expected) in [
            ("x.exp()", "x.exp(): not in the language of pointwise functions"),
            ("x as f32", "x as f32: not in the language of pointwise functions"),
            (
                "x % 2.0",
                "%: operator not in the language of pointwise functions",
            ),
            ("x * 2", "2: expected a float literal"),
            ("x * 2f64", "2f64: expected a float literal"),
            ("{ let y = x; y; x }", "y;: statements are `let` and `const`"),
            ("{ let mut y = x; y }", "mut y: expected a plain name"),
            ("{ let y: f64 = x; x }", "f64: values are f32 or bool"),
            (
                "if x > 0.0 { return x } else { x }",
                "return x: not in the language of pointwise functions",
            ),
            ("{ x; }", "{ x; }: a block ends with its value"),
            ("(|| x)()", "(|| x): expected the name of a function"),
            (
                "{ let Some(y) = z else { x }; y }",
                "Some(y): expected a plain name",
            ),
            (
                "{ #[cfg(no)] let y = x; y }",
                "#[cfg(no)]: attributes are not in the language of pointwise functions",
            ),
        ] {
            let item = format!("fn f(x: f32) -> f32 {{ {body} }}");
            assert_eq!(error_of(&item), expected, "{body}");
        }
        assert!(error_of("fn f(x: f32) -> f32 { if x > 0.0 { x } }").ends_with("`if` needs its `else`"));
    }
}
