//! Procedural macros that stamp code into bundles.

mod pointwise;

use proc_macro::TokenStream;

/// Makes a tape of a native function.
///
/// `#[pointwise] pub fn leaky_relu(x: f32, slope: f32) -> f32 { … }` stays what it is, and a module of
/// the same name comes beside it:
///
/// * `leaky_relu::emit(builder, x, slope)` appends the function to a tape under construction,
/// * `leaky_relu::tape()` is the tape of all parameters,
/// * `leaky_relu::with(slope)` is the tape of the first parameter, with the others constant.
///
/// The language is what a tape can say: float literals and constants (every path that is not a parameter or
/// bound by `let`), `let`, local `const`, `+ - * /`, comparisons, `&& || !`, `if … { } else { }` of which
/// both branches are computed, and calls of functions that have such a module. Anything else is a compile
/// error at its place.
#[proc_macro_attribute]
pub fn pointwise(arguments: TokenStream, item: TokenStream) -> TokenStream {
    pointwise::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
