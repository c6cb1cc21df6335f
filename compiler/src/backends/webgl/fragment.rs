//! A fragment shader around the body of a shader.

use super::layout::{Division, Layout, Layouts, MOST_SHIFT, QUARTERS};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::plan::{Argument, Run};
use crate::shader::{Access, Lanes, Params, Place, Shader};
use std::fmt::Write;

/// Textures that a fragment shader reads on every device.
const MOST_INPUTS: usize = 16;

/// A word of a texel. Software GPUs index vectors one lane after the other.
const PART: &str = "fn part(texel: vec4<u32>, at: u32) -> u32 { \
    return select(select(texel.x, texel.y, at == 1u), select(texel.z, texel.w, at == 3u), at > 1u); }\n";

/// Numbers up to which a quotient is exact as a product with the reciprocal: with half of one more, both roundings together are
/// less than the distance to the next integer.
const EXACT: usize = 1 << 21;

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
    layouts: &'a Layouts,
    /// The texel that is drawn, in each layer where several are drawn at once.
    texel: String,
    /// The operand that is drawn to.
    out: usize,
}

impl<'a> Drawing<'a> {
    /// Begins with the number of the texel; `layouts` has those of all values.
    pub fn new(kernel: &'a Kernel, run: &'a Run, out: usize, layouts: &'a Layouts) -> Self {
        let place = |argument: &Argument| Place {
            offset: argument.offset / 4,
            advance: argument.advance / 4,
            layer: layouts.of(argument.space).quarter().map(|texels| 4 * texels),
        };
        let mut s = Shader::new(run.arguments.iter().map(place).collect());
        let layer = s.params.word(0);
        let width = s.number(1 << layouts.of(run.arguments[out].space).shift);
        let texel = s.bind("t", format!("{layer} + u32(at.y) * {width} + u32(at.x)"));
        Self {
            s,
            kernel,
            run,
            layouts,
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

    /// Draws a texel of every quarter: the results for as many pixels of a product, of the number of the first and the others in
    /// distances of a quarter of `pixels`, and for four channels of `channels` from one on. `body` is given the numbers of the
    /// pixels, all of them inside, and of the channel.
    ///
    /// # Errors
    /// As `body`.
    pub fn quarters(
        &mut self,
        pixels: usize,
        channels: usize,
        body: impl FnOnce(&mut Shader, &[String], &str) -> Result<Vec<String>>,
    ) -> Result<()> {
        let s = &mut self.s;
        let across = s.number(channels / 4);
        let of_quarter = pixels.div_ceil(QUARTERS);
        let all = s.number(of_quarter);
        let texels = of_quarter * channels / 4;
        let quotient = if texels <= EXACT {
            let inverse = s.params.word((4.0 / channels as f32).to_bits());
            format!("u32((f32(i32({})) + 0.5f) * bitcast<f32>({inverse}))", self.texel)
        } else {
            format!("{} / {across}", self.texel)
        };
        let first = s.bind("m", quotient);
        s.block(format!("if ({first} < {all})"), |s| {
            let channel = s.bind("n", format!("({} - {first} * {across}) * 4u", self.texel));
            let last = s.number(pixels - 1);
            let numbers: Vec<_> = (0..QUARTERS)
                .map(|quarter| match quarter {
                    0 => first.clone(),
                    // What lies behind the last pixel repeats it; nobody reads that.
                    _ => s.bind("m", format!("min({first} + {quarter}u * {all}, {last})")),
                })
                .collect();
            for (quarter, bits) in body(s, &numbers, &channel)?.into_iter().enumerate() {
                s.line(format!("{} = {bits};", result(quarter)));
            }
            Ok(())
        })
    }

    /// Puts the shader together.
    ///
    /// # Errors
    /// When the operands lie in more textures than can be read at once.
    pub fn finish(mut self, previous: bool) -> Result<Fragment> {
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
            texture(&mut textures, &mut self.s.params, number, self.layouts.of(space));
        }
        let blocks = self.s.params.blocks();
        let _ = writeln!(
            text,
            "@group(0) @binding(0) var<uniform> p: array<vec4<u32>, {blocks}>;"
        );
        text += &textures;
        if self
            .s
            .accesses
            .iter()
            .any(|access| access.float || access.int || access.bits)
        {
            text += PART;
        }
        for (operand, access) in self.s.accesses.iter().enumerate() {
            if let Some(number) = of_operand[operand] {
                let word = format!("part(texel{number}(at >> 2u), at & 3u)");
                text += &access.readers(operand, &word, &format!("texel{number}(at)"));
                if access.run {
                    let _ = writeln!(
                        text,
                        "fn l{operand}(at: u32) -> vec2<i32> {{ return place{number}(at); }}\n\
                         fn r{operand}(run: vec2<i32>, at: u32) -> vec4<f32> {{ \
                         return bitcast<vec4<f32>>(layer{number}(vec2<i32>(run.x, run.y + i32(at)))); }}"
                    );
                }
            }
        }
        let before = match previous {
            true => format!("texel{}({})", inputs.len(), self.texel),
            false => "vec4<u32>()".to_owned(),
        };
        // The number of the texel is what the body begins with.
        let (first, body) = self.s.text().split_once('\n').unwrap_or_default();
        let count = match self.layouts.of(of_out).division {
            Division::Quarters(_) => QUARTERS,
            Division::None | Division::Full => 1,
        };
        let each = |line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
        let fields = each(&|i| format!(" @location({i}) r{i}: vec4<u32>,"));
        let begin = each(&|i| format!("  var {} = {before};\n", result(i)));
        let end = each(&|i| format!("{}, ", result(i)));
        let _ = writeln!(
            text,
            "struct Results {{{fields} }}\n\
             @fragment\nfn main(@builtin(position) at: vec4<f32>) -> Results {{\n\
             {first}\n{begin}{body}  return Results({end});\n}}"
        );
        Ok(Fragment {
            text,
            inputs,
            params: self.s.params,
            previous,
        })
    }
}

/// What the results are called that are drawn to a layer.
fn result(layer: usize) -> String {
    match layer {
        0 => "result".to_owned(),
        _ => format!("result{layer}"),
    }
}

/// A texture and the function that reads its texels by number.
///
/// Software GPUs shift and divide one lane after the other, so that rows are found by a product of floats: those hold all numbers
/// of texels of a layer.
fn texture(text: &mut String, params: &mut Params, number: usize, layout: Layout) {
    let rows = |params: &mut Params| {
        let mask = params.word((1 << layout.shift) - 1);
        let inverse = params.word((1.0 / (1 << layout.shift) as f32).to_bits());
        format!("vec2<i32>(at & i32({mask}), i32(f32(at) * bitcast<f32>({inverse})))")
    };
    let (kind, read) = match layout.division {
        Division::None => {
            let at = rows(params);
            (
                "texture_2d<u32>",
                format!("let at = i32(number); return textureLoad(texture{number}, {at}, 0);"),
            )
        }
        Division::Full => {
            let side = (1_u32 << MOST_SHIFT) - 1;
            let at = format!("vec2<u32>(number & {side}u, (number >> {MOST_SHIFT}u) & {side}u)");
            let layer = format!("number >> {}u", 2 * MOST_SHIFT);
            (
                "texture_2d_array<u32>",
                format!("return textureLoad(texture{number}, {at}, {layer}, 0);"),
            )
        }
        Division::Quarters(quarter) => {
            let quarter = params.word(quarter as u32);
            let behind = |quarters: usize| format!("i32(n >= {quarters} * quarter)");
            let layer = (1..QUARTERS).map(behind).collect::<Vec<_>>().join(" + ");
            let at = rows(params);
            let _ = writeln!(
                text,
                "fn place{number}(number: u32) -> vec2<i32> {{ let n = i32(number); let quarter = i32({quarter}); \
                 let layer = {layer}; return vec2<i32>(layer, n - layer * quarter); }}\n\
                 fn layer{number}(place: vec2<i32>) -> vec4<u32> {{ let at = place.y; \
                 return textureLoad(texture{number}, {at}, place.x, 0); }}"
            );
            let read = format!("return layer{number}(place{number}(number));");
            ("texture_2d_array<u32>", read)
        }
    };
    let _ = writeln!(
        text,
        "@group(0) @binding({}) var texture{number}: {kind};\nfn texel{number}(number: u32) -> vec4<u32> {{ {read} }}",
        number + 1
    );
}

/// The bits of floats.
pub(super) fn bits_of(value: &str, lanes: Lanes) -> String {
    format!("bitcast<{}>({value})", lanes.bits())
}

#[cfg(test)]
mod tests {
    use super::EXACT;

    #[test]
    fn quotients_are_exact() {
        for divisor in (1..2000).chain([4095, 65_537, EXACT - 1, EXACT]) {
            let inverse = 1.0 / divisor as f32;
            let last = EXACT / divisor * divisor;
            for number in [0, divisor - 1, divisor, last - 1, last, EXACT] {
                let quotient = ((number as f32 + 0.5) * inverse) as usize;
                assert_eq!(quotient, number / divisor, "{number} / {divisor}");
            }
        }
    }
}
