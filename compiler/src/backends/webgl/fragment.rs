//! A fragment shader around the body of a shader.

use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::plan::{Argument, Run, Space};
use crate::shader::{Access, Lanes, Params, Place, Shader};
use std::fmt::Write;

/// Textures that a fragment shader reads on every device.
const MOST_INPUTS: usize = 16;

/// Texels of a row of the largest texture that every device has, as a power of two.
pub(super) const MOST_SHIFT: u32 = 11;

/// Texels of a layer.
pub(super) const LAYER: usize = 1 << (2 * MOST_SHIFT);

/// A complete fragment shader.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    /// In WGSL.
    pub text: String,
    /// An operand in each texture that is read.
    pub inputs: Vec<usize>,
    /// What draws of it differ in. The first word is the first texel of the layer that is drawn to.
    pub params: Params,
    /// Whether the last texture has what was there before.
    pub previous: bool,
}

/// A shader while it is written, for a draw to the operand `out`.
pub(super) struct Drawing<'a> {
    pub s: Shader,
    kernel: &'a Kernel,
    run: &'a Run,
    /// The texel that is drawn.
    texel: String,
    /// The operand that is drawn to.
    pub out: usize,
}

/// The texels of a value of so many bytes, and the power of two of texels in its rows.
pub(super) fn rows(bytes: usize) -> (usize, u32) {
    let texels = bytes.div_ceil(16).max(1);
    let side = (texels as f64).sqrt().ceil() as usize;
    (texels, side.next_power_of_two().ilog2().min(MOST_SHIFT))
}

impl<'a> Drawing<'a> {
    /// Begins with the number of the texel; `arenas` has the bytes of all values.
    pub fn new(kernel: &'a Kernel, run: &'a Run, out: usize, arenas: &[usize]) -> Self {
        let place = |argument: &Argument| Place {
            offset: argument.offset / 4,
            advance: argument.advance / 4,
        };
        let mut s = Shader::new(run.arguments.iter().map(place).collect());
        let layer = s.params.word(0);
        let shift = s.params.word(shift(run.arguments[out].space, arenas));
        let texel = s.bind("t", format!("{layer} + (u32(at.y) << {shift}) + u32(at.x)"));
        Self {
            s,
            kernel,
            run,
            texel,
            out,
        }
    }

    /// Draws four results that lie together, or what was there before.
    ///
    /// # Errors
    /// As `body`.
    pub fn together(
        &mut self,
        inside: impl FnOnce(&mut Shader, &str) -> Result<(Vec<String>, String)>,
        body: impl FnOnce(&mut Shader, &[String]) -> Result<String>,
    ) -> Result<()> {
        let s = &mut self.s;
        let element = s.bind("e", format!("{} << 2u", self.texel));
        let (index, condition) = inside(s, &element)?;
        s.block(format!("if ({condition})"), |s| {
            let bits = body(s, &index)?;
            s.line(format!("result = {bits};"));
            Ok(())
        })
    }

    /// Draws the four results of a texel one by one, or what was there before.
    ///
    /// # Errors
    /// As `body`.
    pub fn each(
        &mut self,
        inside: impl FnOnce(&mut Shader, &str) -> Result<(Vec<String>, String)>,
        body: impl FnOnce(&mut Shader, &[String]) -> Result<String>,
    ) -> Result<()> {
        let texel = self.texel.clone();
        self.s.count("4u", 1, |s, lane| {
            let element = s.bind("e", format!("({texel} << 2u) + {lane}"));
            let (index, condition) = inside(s, &element)?;
            s.block(format!("if ({condition})"), |s| {
                let bits = body(s, &index)?;
                s.line(format!("result[{lane}] = {bits};"));
                Ok(())
            })
        })
    }

    /// Puts the shader together.
    ///
    /// # Errors
    /// When the operands lie in more textures than can be read at once.
    pub fn finish(mut self, arenas: &[usize], previous: bool) -> Result<Fragment> {
        let operands = self.kernel.operands();
        let mut inputs: Vec<usize> = Vec::new();
        let mut of_operand = vec![None; operands.len()];
        for (operand, access) in self.s.accesses.iter().enumerate() {
            if *access == Access::default() {
                continue;
            }
            let space = self.run.arguments[operand].space;
            let same = |&input: &usize| self.run.arguments[input].space == space;
            let number = inputs.iter().position(same).unwrap_or(inputs.len());
            if number == inputs.len() {
                inputs.push(operand);
            }
            of_operand[operand] = Some(number);
        }
        if inputs.len() + usize::from(previous) > MOST_INPUTS {
            return Err(Error::internal(format!(
                "{} textures are read at once",
                inputs.len()
            )));
        }
        let mut text = String::new();
        let mut textures = String::new();
        let of_out = self.run.arguments[self.out].space;
        let spaces = inputs.iter().map(|&input| self.run.arguments[input].space);
        for (number, space) in spaces.chain(previous.then_some(of_out)).enumerate() {
            texture(&mut textures, &mut self.s.params, number, space, arenas);
        }
        let blocks = self.s.params.blocks();
        let _ = writeln!(
            text,
            "@group(0) @binding(0) var<uniform> p: array<vec4<u32>, {blocks}>;"
        );
        text += &textures;
        for (operand, access) in self.s.accesses.iter().enumerate() {
            if let Some(number) = of_operand[operand] {
                let quad = format!("texel{number}(at >> 2u)");
                text += &access.readers(operand, &format!("{quad}[at & 3u]"), &quad);
            }
        }
        let before = match previous {
            true => format!("texel{}({})", inputs.len(), self.texel),
            false => "vec4<u32>()".to_owned(),
        };
        // The number of the texel is what the body begins with.
        let (first, body) = self.s.text().split_once('\n').unwrap_or_default();
        let _ = writeln!(
            text,
            "@fragment\nfn main(@builtin(position) at: vec4<f32>) -> @location(0) vec4<u32> {{\n\
             {first}\n  var result = {before};\n{body}  return result;\n}}"
        );
        Ok(Fragment {
            text,
            inputs,
            params: self.s.params,
            previous,
        })
    }
}

/// The power of two of texels in the rows of the texture of a space.
fn shift(space: Space, arenas: &[usize]) -> u32 {
    match space {
        Space::Weights | Space::Prepared => MOST_SHIFT,
        Space::Arena(arena) => rows(arenas[arena.0]).1,
    }
}

/// A texture and the function that reads its texels by number.
fn texture(text: &mut String, params: &mut Params, number: usize, space: Space, arenas: &[usize]) {
    let layers = match space {
        Space::Weights | Space::Prepared => true,
        Space::Arena(arena) => rows(arenas[arena.0]).0 > LAYER,
    };
    let name = format!("@group(0) @binding({}) var texture{number}", number + 1);
    let (kind, read) = if layers {
        let side = (1_u32 << MOST_SHIFT) - 1;
        let at = format!("vec2<u32>(number & {side}u, (number >> {MOST_SHIFT}u) & {side}u)");
        let layer = format!("number >> {}u", 2 * MOST_SHIFT);
        ("texture_2d_array<u32>", format!("{at}, {layer}"))
    } else {
        let shift = params.word(shift(space, arenas));
        let at = format!("vec2<u32>(number & ((1u << {shift}) - 1u), number >> {shift})");
        ("texture_2d<u32>", at)
    };
    let _ = writeln!(
        text,
        "{name}: {kind};\nfn texel{number}(number: u32) -> vec4<u32> {{ return textureLoad(texture{number}, {read}, 0); }}"
    );
}

/// The bits of floats.
pub(super) fn bits_of(value: &str, lanes: Lanes) -> String {
    format!("bitcast<{}>({value})", lanes.bits())
}
