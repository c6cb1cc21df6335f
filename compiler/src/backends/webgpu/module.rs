//! A module around the body of a shader.

use super::operands::Memory;
use super::windows::Windows;
use crate::error::{Error, Result};
use crate::shader::{Access, Lanes, Params, Shader};
use std::fmt::Write;

/// Storage buffers that every device binds at once.
const MOST_BINDINGS: usize = 8;

/// Invocations of a workgroup.
pub(super) const WORKGROUP: usize = 64;

/// Workgroups that every device runs along an axis.
const MOST_GROUPS: usize = 65_535;

/// A complete module.
#[derive(Debug, Clone)]
pub(super) struct Module {
    /// In WGSL.
    pub text: String,
    /// The storage bindings from 1 on.
    pub bindings: Vec<Binding>,
    /// What dispatches of it differ in.
    pub params: Params,
}

/// A dispatch before it has a pipeline.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// What it runs.
    pub module: Module,
    /// Workgroups along each axis.
    pub groups: [usize; 3],
    /// Elements of scratch memory that it writes.
    pub scratch: usize,
}

/// A storage binding.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    /// An operand that lies in it.
    operand: usize,
    /// The buffer.
    pub memory: Memory,
    /// Whether it can be written.
    pub written: bool,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stores {
    /// Element by element.
    Elements,
    /// In quads, at multiples of four elements.
    Quads,
}

impl Stores {
    /// Of so many neighbouring results that lie together.
    pub fn of(lanes: Lanes) -> Self {
        match lanes {
            Lanes::One => Self::Elements,
            Lanes::Four => Self::Quads,
        }
    }
}

/// An operand that a module of several kernels writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    /// Which one.
    pub operand: usize,
    /// How.
    pub stores: Stores,
}

impl Out {
    /// The function that writes it.
    pub fn name(&self) -> String {
        format!("s{}", self.operand)
    }
}

/// Workgroups of so many invocations.
///
/// # Errors
/// When they are more than two axes of workgroups hold.
fn groups(invocations: usize) -> Result<[usize; 3]> {
    let all = invocations.div_ceil(WORKGROUP).max(1);
    let rows = all.div_ceil(MOST_GROUPS);
    let columns = all.div_ceil(rows);
    if rows > MOST_GROUPS {
        return Err(Error::internal(format!(
            "{invocations} invocations in one dispatch"
        )));
    }
    Ok([columns, rows, 1])
}

/// Puts a module together: bindings, functions that read operands, what `declarations` adds at the top, and the body, in which
/// `count` invocations write the operand `out`.
///
/// # Errors
/// When the operands lie in more buffers than can be bound, or there are too many invocations.
pub(super) fn finish(
    memories: &[Memory],
    s: Shader,
    (operand, stores): (usize, Stores),
    declarations: &str,
    count: usize,
) -> Result<Made> {
    module(
        memories,
        s,
        &[("store".to_owned(), Out { operand, stores })],
        declarations,
        count,
    )
}

/// The same where several operands are written, each by a function with its [name](Out::name). What is read may also be written.
///
/// # Errors
/// The same.
pub(super) fn finish_all(
    memories: &[Memory],
    s: Shader,
    outs: &[Out],
    declarations: &str,
    count: usize,
) -> Result<Made> {
    let outs: Vec<_> = outs.iter().map(|out| (out.name(), *out)).collect();
    module(memories, s, &outs, declarations, count)
}

fn module(
    memories: &[Memory],
    s: Shader,
    outs: &[(String, Out)],
    declarations: &str,
    count: usize,
) -> Result<Made> {
    let is_out = |operand| outs.iter().any(|(_, out)| out.operand == operand);
    let written: Vec<bool> = (0..memories.len()).map(is_out).collect();
    let mut quads: Vec<bool> = s
        .accesses
        .iter()
        .map(|access| access.quad || access.bit_quad)
        .collect();
    for (_, out) in outs {
        quads[out.operand] = out.stores == Stores::Quads;
    }
    let used = |operand: usize| written[operand] || s.accesses[operand] != Access::default();
    let (bindings, of_operand) = if outs.len() > 1 {
        bind_memories(memories, &written, &mut quads, used)?
    } else {
        bind(memories, &written, &quads, used)?
    };
    let mut text = String::new();
    let blocks = s.params.blocks();
    let _ = writeln!(
        text,
        "@group(0) @binding(0) var<uniform> p: array<vec4<u32>, {blocks}>;"
    );
    for (number, binding) in bindings.iter().enumerate() {
        let access = if binding.written { "read_write" } else { "read" };
        let element = match (binding.memory, quads[binding.operand]) {
            // Four elements, too, however they are read.
            (Memory::Halves, _) => "vec2<u32>",
            (_, true) => "vec4<u32>",
            (_, false) => "u32",
        };
        let _ = writeln!(
            text,
            "@group(0) @binding({}) var<storage, {access}> b{number}: array<{element}>;",
            number + 1
        );
    }
    for (operand, access) in s.accesses.iter().enumerate() {
        if let Some(binding) = of_operand[operand] {
            match bindings[binding].memory {
                Memory::Halves => half_readers(&mut text, operand, *access, binding),
                _ => text += &readers(operand, *access, binding, quads[bindings[binding].operand]),
            }
        }
    }
    for (function, Out { operand, stores }) in outs {
        let binding = of_operand[*operand].unwrap_or_default();
        let (statement, bits) = match (stores, quads[bindings[binding].operand]) {
            (Stores::Quads, true) => (format!("b{binding}[at >> 2u] = value;"), "vec4<u32>"),
            (Stores::Quads, false) => (words(binding), "vec4<u32>"),
            (Stores::Elements, _) => (format!("b{binding}[at] = value;"), "u32"),
        };
        let _ = writeln!(text, "fn {function}(at: u32, value: {bits}) {{ {statement} }}");
    }
    text += declarations;
    let _ = writeln!(
        text,
        "@compute @workgroup_size({WORKGROUP})\n\
         fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, \
         @builtin(local_invocation_index) lane: u32) {{\n{}}}",
        s.text()
    );
    Ok(Made {
        module: Module {
            text,
            bindings,
            params: s.params,
        },
        groups: groups(count)?,
        scratch: 0,
    })
}

/// What makes halves of so many bytes of weights, each a part of them.
///
/// # Errors
/// When there are too many.
pub(super) fn halves(bytes: usize, windows: &mut Windows) -> Result<Vec<Made>> {
    windows.all(bytes).into_iter().map(halves_of).collect()
}

/// What makes halves of the weights in a window, which begins at a byte of them and has a length.
fn halves_of((memory, first, bytes): (Memory, usize, usize)) -> Result<Made> {
    let count = bytes / 16;
    let mut params = Params::default();
    let all = params.word(count as u32);
    let before = params.word((first / 16) as u32);
    let text = format!(
        "@group(0) @binding(0) var<uniform> p: array<vec4<u32>, 1>;\n\
         @group(0) @binding(1) var<storage, read> b0: array<vec4<u32>>;\n\
         @group(0) @binding(2) var<storage, read_write> b1: array<vec2<u32>>;\n\
         @compute @workgroup_size({WORKGROUP})\n\
         fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, \
         @builtin(local_invocation_index) lane: u32) {{\n  \
         let n = (group.y * groups.x + group.x) * {WORKGROUP}u + lane;\n  \
         if (n >= {all}) {{ return; }}\n  \
         let four = bitcast<vec4<f32>>(b0[n]);\n  \
         b1[{before} + n] = vec2<u32>(pack2x16float(four.xy), pack2x16float(four.zw));\n}}\n"
    );
    let binding = |memory, written| Binding {
        operand: 0,
        memory,
        written,
    };
    Ok(Made {
        module: Module {
            text,
            bindings: vec![binding(memory, false), binding(Memory::Halves, true)],
            params,
        },
        groups: groups(count)?,
        scratch: 0,
    })
}

/// One binding for each operand that is used; where these are too many, one for each buffer, read element by element.
fn bind(
    memories: &[Memory],
    written: &[bool],
    quads: &[bool],
    used: impl Fn(usize) -> bool,
) -> Result<(Vec<Binding>, Vec<Option<usize>>)> {
    let all: Vec<usize> = (0..written.len()).filter(|&operand| used(operand)).collect();
    let apart = all.len() <= MOST_BINDINGS;
    let mut bindings: Vec<Binding> = Vec::new();
    let mut of_operand = vec![None; written.len()];
    for operand in all {
        let same = |binding: &Binding| {
            binding.memory == memories[operand] && quads[binding.operand] == quads[operand]
        };
        let found = bindings.iter().position(same).filter(|_| !apart);
        let number = found.unwrap_or(bindings.len());
        if found.is_none() {
            bindings.push(Binding {
                operand,
                memory: memories[operand],
                written: written[operand],
            });
        }
        of_operand[operand] = Some(number);
    }
    few(memories, bindings, of_operand)
}

/// What was bound, if it is not too much.
fn few(
    memories: &[Memory],
    bindings: Vec<Binding>,
    of_operand: Vec<Option<usize>>,
) -> Result<(Vec<Binding>, Vec<Option<usize>>)> {
    if bindings.len() > MOST_BINDINGS {
        return Err(Error::internal(format!(
            "{} bindings for operands in {memories:?}",
            bindings.len()
        )));
    }
    Ok((bindings, of_operand))
}

/// Writes four words to a binding of words.
fn words(binding: usize) -> String {
    let word = |lane: usize| format!("b{binding}[at + {lane}u] = value[{lane}u];");
    [0, 1, 2, 3].map(word).join(" ")
}

/// One binding for each buffer, since no two of one may be bound where one is written: of quads, where nothing of it is written
/// element by element.
fn bind_memories(
    memories: &[Memory],
    written: &[bool],
    quads: &mut [bool],
    used: impl Fn(usize) -> bool,
) -> Result<(Vec<Binding>, Vec<Option<usize>>)> {
    let all: Vec<usize> = (0..written.len()).filter(|&operand| used(operand)).collect();
    let before = quads.to_vec();
    for &operand in &all {
        let mut same = all.iter().filter(|&&other| memories[other] == memories[operand]);
        let words = same.clone().any(|&other| written[other] && !before[other]);
        quads[operand] = !words && same.any(|&other| before[other]);
    }
    let mut bindings: Vec<Binding> = Vec::new();
    let mut of_operand = vec![None; written.len()];
    for operand in all {
        let found = bindings
            .iter()
            .position(|binding| binding.memory == memories[operand]);
        let number = found.unwrap_or(bindings.len());
        if found.is_none() {
            bindings.push(Binding {
                operand,
                memory: memories[operand],
                written: false,
            });
        }
        bindings[number].written |= written[operand];
        of_operand[operand] = Some(number);
    }
    few(memories, bindings, of_operand)
}

/// The functions that read an operand from its binding, whose elements are quads or words.
fn readers(operand: usize, access: Access, binding: usize, quads: bool) -> String {
    let word = if quads {
        format!("b{binding}[at >> 2u][at & 3u]")
    } else {
        format!("b{binding}[at]")
    };
    let quad = if quads {
        format!("b{binding}[at]")
    } else {
        let b = |lane: usize| format!("b{binding}[4u * at + {lane}u]");
        format!("vec4<u32>({}, {}, {}, {})", b(0), b(1), b(2), b(3))
    };
    access.readers(operand, &word, &quad)
}

/// The functions that read an operand in half precision.
fn half_readers(text: &mut String, operand: usize, access: Access, binding: usize) {
    if access.quad {
        let _ = writeln!(
            text,
            "fn q{operand}(at: u32) -> vec4<f32> {{ let words = b{binding}[at]; \
             return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y)); }}"
        );
    }
    if access.float {
        let _ = writeln!(
            text,
            "fn f{operand}(at: u32) -> f32 {{ let words = b{binding}[at >> 2u]; \
             return unpack2x16float(select(words.x, words.y, (at & 2u) != 0u))[at & 1u]; }}"
        );
    }
}

/// Writes the number of this invocation, and the end of those that have nothing to do.
pub(super) fn invocation(s: &mut Shader, count: usize) -> String {
    let n = s.bind(
        "n",
        format!("(group.y * groups.x + group.x) * {WORKGROUP}u + lane"),
    );
    let count = s.number(count);
    s.line(format!("if ({n} >= {count}) {{ return; }}"));
    n
}
