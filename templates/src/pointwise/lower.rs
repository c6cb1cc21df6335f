//! Bodies: every expression becomes a Rust expression that appends its instructions to a tape and is
//! the `Value` of the result. That numbers and masks stand where they may is checked by rustc, on
//! the function itself.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use std::collections::HashSet;
use syn::spanned::Spanned;
use syn::{
    BinOp, Block, Error, Expr, ExprCall, ExprIf, Ident, Item, Lit, Local, Path, Result, Stmt, Type, UnOp,
};

/// The names that are values. All other paths are constants.
type Scope = HashSet<Ident>;

/// The tape builder's name in `emit`, out of reach of the function's own names.
pub(super) fn builder() -> Ident {
    Ident::new("__builder", Span::mixed_site())
}

/// Lowers the body of a function of these parameters.
pub(super) fn body(block: &Block, parameters: &[Ident]) -> Result<TokenStream> {
    lower_block(block, &parameters.iter().cloned().collect())
}

fn lower_block(block: &Block, outer: &Scope) -> Result<TokenStream> {
    let Some((Stmt::Expr(result, None), statements)) = block.stmts.split_last() else {
        return Err(Error::new_spanned(block, "a block ends with its value"));
    };
    let mut scope = outer.clone();
    let mut lowered = TokenStream::new();
    for statement in statements {
        lowered.extend(match statement {
            Stmt::Local(local) => lower_let(local, &mut scope)?,
            Stmt::Item(item @ Item::Const(_)) => item.to_token_stream(),
            _ => return Err(Error::new_spanned(statement, "statements are `let` and `const`")),
        });
    }
    let result = lower(result, &scope)?;
    Ok(quote!({ #lowered #result }))
}

fn lower_let(local: &Local, scope: &mut Scope) -> Result<TokenStream> {
    if let Some(attribute) = local.attrs.first() {
        let message = "attributes are not in the language of pointwise functions";
        return Err(Error::new_spanned(attribute, message));
    }
    let pattern = match &local.pat {
        syn::Pat::Type(typed) => {
            let known =
                matches!(&*typed.ty, Type::Path(p) if p.path.is_ident("f32") || p.path.is_ident("bool"));
            if !known {
                return Err(Error::new_spanned(&typed.ty, "values are f32 or bool"));
            }
            &*typed.pat
        }
        pattern => pattern,
    };
    let name = super::name(pattern)?;
    let Some(init) = local.init.as_ref().filter(|init| init.diverge.is_none()) else {
        return Err(Error::new_spanned(local, "`let` needs a value"));
    };
    let value = lower(&init.expr, scope)?;
    scope.insert(name.clone());
    Ok(quote!(let #name = #value;))
}

fn lower(expr: &Expr, scope: &Scope) -> Result<TokenStream> {
    match expr {
        Expr::Paren(inner) => lower(&inner.expr, scope),
        Expr::Group(inner) => lower(&inner.expr, scope),
        Expr::Block(inner) if inner.label.is_none() => lower_block(&inner.block, scope),
        Expr::Lit(literal) => lower_literal(&literal.lit),
        Expr::Path(path) if path.qself.is_none() => Ok(lower_path(&path.path, scope)),
        Expr::Unary(unary) => lower_unary(&unary.op, &unary.expr, scope),
        Expr::Binary(binary) => lower_binary(&binary.op, &binary.left, &binary.right, scope),
        Expr::If(branches) => lower_if(branches, scope),
        Expr::Call(call) => lower_call(call, scope),
        _ => Err(Error::new_spanned(
            expr,
            "not in the language of pointwise functions",
        )),
    }
}

/// A call of a builder's method, or of an `emit`, on operands that use the builder themselves.
fn apply(operands: &[TokenStream], call: impl FnOnce(&[Ident]) -> TokenStream) -> TokenStream {
    let name = |i| Ident::new(&format!("__operand{i}"), Span::mixed_site());
    let names: Vec<_> = (0..operands.len()).map(name).collect();
    let call = call(&names);
    quote!({ #(let #names = #operands;)* #call })
}

fn lower_literal(literal: &Lit) -> Result<TokenStream> {
    let b = builder();
    match literal {
        Lit::Float(float) if matches!(float.suffix(), "" | "f32") => Ok(quote!(#b.constant(#float))),
        _ => Err(Error::new_spanned(literal, "expected a float literal")),
    }
}

fn lower_path(path: &Path, scope: &Scope) -> TokenStream {
    let b = builder();
    match path.get_ident() {
        Some(name) if scope.contains(name) => quote!(#name),
        _ => quote!(#b.constant(#path)),
    }
}

fn lower_unary(op: &UnOp, operand: &Expr, scope: &Scope) -> Result<TokenStream> {
    let b = builder();
    let operand = lower(operand, scope)?;
    match op {
        UnOp::Neg(_) => Ok(apply(
            &[operand],
            |x| quote!(#b.unary(::keras_compile::pointwise::Unary::Neg, #(#x),*)),
        )),
        UnOp::Not(_) => Ok(apply(&[operand], |x| quote!(#b.not(#(#x),*)))),
        _ => Err(unknown_operator(op)),
    }
}

fn lower_binary(op: &BinOp, left: &Expr, right: &Expr, scope: &Scope) -> Result<TokenStream> {
    let b = builder();
    let (method, variant, swap) = match op {
        BinOp::Add(_) => ("binary", quote!(Binary::Add), false),
        BinOp::Sub(_) => ("binary", quote!(Binary::Sub), false),
        BinOp::Mul(_) => ("binary", quote!(Binary::Mul), false),
        BinOp::Div(_) => ("binary", quote!(Binary::Div), false),
        BinOp::Eq(_) => ("compare", quote!(Compare::Eq), false),
        BinOp::Ne(_) => ("compare", quote!(Compare::Ne), false),
        BinOp::Lt(_) => ("compare", quote!(Compare::Lt), false),
        BinOp::Le(_) => ("compare", quote!(Compare::Le), false),
        BinOp::Gt(_) => ("compare", quote!(Compare::Lt), true),
        BinOp::Ge(_) => ("compare", quote!(Compare::Le), true),
        BinOp::And(_) => ("logic", quote!(Logic::And), false),
        BinOp::Or(_) => ("logic", quote!(Logic::Or), false),
        _ => return Err(unknown_operator(op)),
    };
    let method = Ident::new(method, op.span());
    let operands = [lower(left, scope)?, lower(right, scope)?];
    Ok(apply(&operands, |names| {
        let (first, second) = if swap {
            (&names[1], &names[0])
        } else {
            (&names[0], &names[1])
        };
        quote!(#b.#method(::keras_compile::pointwise::#variant, #first, #second))
    }))
}

fn unknown_operator(op: &impl ToTokens) -> Error {
    Error::new_spanned(op, "operator not in the language of pointwise functions")
}

fn lower_if(branches: &ExprIf, scope: &Scope) -> Result<TokenStream> {
    let b = builder();
    let Some((_, otherwise)) = &branches.else_branch else {
        return Err(Error::new_spanned(branches, "`if` needs its `else`"));
    };
    let operands = [
        lower(&branches.cond, scope)?,
        lower_block(&branches.then_branch, scope)?,
        lower(otherwise, scope)?,
    ];
    Ok(apply(&operands, |names| quote!(#b.select(#(#names),*))))
}

fn lower_call(call: &ExprCall, scope: &Scope) -> Result<TokenStream> {
    let b = builder();
    let Expr::Path(function) = &*call.func else {
        return Err(Error::new_spanned(&call.func, "expected the name of a function"));
    };
    let operands = call
        .args
        .iter()
        .map(|argument| lower(argument, scope))
        .collect::<Result<Vec<_>>>()?;
    Ok(apply(&operands, |names| quote!(#function::emit(#b, #(#names),*))))
}
