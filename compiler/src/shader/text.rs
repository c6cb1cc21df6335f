//! A shader while it is written.

use super::Params;

/// How many neighbouring results are computed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lanes {
    /// One: values are `f32`.
    One,
    /// Four along the innermost axis: values are `vec4<f32>`.
    Four,
}

impl Lanes {
    /// How many.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
        }
    }

    /// The type of floats.
    pub fn float(self) -> &'static str {
        match self {
            Self::One => "f32",
            Self::Four => "vec4<f32>",
        }
    }

    /// The type of bits.
    pub fn bits(self) -> &'static str {
        match self {
            Self::One => "u32",
            Self::Four => "vec4<u32>",
        }
    }

    /// The type of signed integers.
    pub fn signed(self) -> &'static str {
        match self {
            Self::One => "i32",
            Self::Four => "vec4<i32>",
        }
    }
}

/// Where an operand lies in what the machine binds for it, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The element that its pointer points at.
    pub offset: usize,
    /// Elements by which it moves in every iteration of the loop around.
    pub advance: isize,
    /// Elements of each layer, where what it lies in has several.
    pub layer: Option<usize>,
}

impl Place {
    /// Whether it is always a multiple of four.
    pub fn is_aligned(&self) -> bool {
        self.offset.is_multiple_of(4) && self.advance % 4 == 0
    }
}

/// The functions by which a shader reads an operand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    /// `f0`.
    pub float: bool,
    /// `q0`.
    pub quad: bool,
    /// `i0`.
    pub int: bool,
    /// `u0`.
    pub bits: bool,
    /// `v0`.
    pub bit_quad: bool,
    /// `l0` and `r0`.
    pub run: bool,
}

impl Access {
    /// The functions by which an operand is read, where these expressions give the word at the address `at`, and the words
    /// of the quad `at`.
    pub fn readers(&self, operand: usize, word: &str, quad: &str) -> String {
        let mut text = String::new();
        let mut reader = |wanted: bool, name: &str, result: &str, value: String| {
            if wanted {
                text += &format!("fn {name}{operand}(at: u32) -> {result} {{ return {value}; }}\n");
            }
        };
        reader(self.float, "f", "f32", format!("bitcast<f32>({word})"));
        reader(self.quad, "q", "vec4<f32>", format!("bitcast<vec4<f32>>({quad})"));
        reader(self.int, "i", "i32", format!("bitcast<i32>({word})"));
        reader(self.bits, "u", "u32", word.to_owned());
        reader(self.bit_quad, "v", "vec4<u32>", quad.to_owned());
        text
    }
}

/// The text of a shader's body, and what goes with it.
#[derive(Debug, Clone)]
pub struct Shader {
    text: String,
    depth: usize,
    names: usize,
    places: Vec<Place>,
    offsets: Vec<Option<String>>,
    zero: Option<String>,
    /// The operand that kernels call 0.
    first: usize,
    /// What runs of this text differ in.
    pub params: Params,
    /// How each operand is read.
    pub accesses: Vec<Access>,
}

impl Shader {
    /// An empty one for operands at these places.
    pub fn new(places: Vec<Place>) -> Self {
        Self {
            text: String::new(),
            depth: 1,
            names: 0,
            offsets: vec![None; places.len()],
            accesses: vec![Access::default(); places.len()],
            places,
            zero: None,
            first: 0,
            params: Params::default(),
        }
    }

    /// From here on kernels call this operand 0, and those behind it 1, 2, …
    pub fn count_operands_from(&mut self, first: usize) {
        self.first = first;
    }

    /// The statements so far, indented as the body of a function.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds a line.
    pub fn line(&mut self, line: impl AsRef<str>) {
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// Adds a block: a line that ends before its brace, then what `body` adds.
    pub fn block<T>(&mut self, head: impl AsRef<str>, body: impl FnOnce(&mut Self) -> T) -> T {
        self.line(format!("{} {{", head.as_ref()));
        self.depth += 1;
        let result = body(self);
        self.depth -= 1;
        self.line("}");
        result
    }

    /// A counting loop; `body` is given its variable.
    pub fn count<T>(&mut self, end: &str, step: usize, body: impl FnOnce(&mut Self, &str) -> T) -> T {
        // Words of the uniform block are read once, not in every round.
        let end = if end.starts_with("p[") {
            self.bind("c", end)
        } else {
            end.to_owned()
        };
        let i = self.variable("i", "0u");
        // Not `for`, which becomes a loop with a flag for its first round in GLSL.
        self.block("loop", |s| {
            s.line(format!("if ({i} >= {end}) {{ break; }}"));
            let result = body(s, &i);
            s.line(format!("{i} += {step}u;"));
            result
        })
    }

    /// Does the same for several items. What numbers of the first run may differ in, those of the others differ in together.
    pub fn for_all<T, R>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut body: impl FnMut(&mut Self, T) -> R,
    ) -> Vec<R> {
        let outermost = !self.params.is_repeating();
        let first = self.params.values.len();
        let mut end = None;
        let mut results = Vec::new();
        for item in items {
            if let (true, Some(end)) = (outermost, end) {
                self.params.repeat(first, end);
            }
            results.push(body(self, item));
            end = end.or(Some(self.params.values.len()));
        }
        if outermost {
            self.params.end_repetition();
        }
        results
    }

    /// A name that stands nowhere else.
    pub fn fresh(&mut self, stem: &str) -> String {
        self.names += 1;
        format!("{stem}{}", self.names)
    }

    /// Gives an expression a name.
    pub fn bind(&mut self, stem: &str, value: impl AsRef<str>) -> String {
        let name = self.fresh(stem);
        self.line(format!("let {name} = {};", value.as_ref()));
        name
    }

    /// A variable with its first value.
    pub fn variable(&mut self, stem: &str, value: impl AsRef<str>) -> String {
        let name = self.fresh(stem);
        self.line(format!("var {name} = {};", value.as_ref()));
        name
    }

    /// A number that runs of this text may differ in.
    pub fn number(&mut self, value: usize) -> String {
        // Nothing that fits into a buffer has more elements.
        self.params.word(value as u32)
    }

    /// A signed number, as the word that adds like it.
    pub fn signed(&mut self, value: isize) -> String {
        self.params.word(value as i32 as u32)
    }

    /// A zero that no compiler knows to be one.
    pub fn zero(&mut self) -> String {
        if self.zero.is_none() {
            self.zero = Some(self.params.word(0));
        }
        self.zero.clone().unwrap_or_default()
    }

    /// Where the operand's pointer points.
    pub fn start(&mut self, operand: usize) -> String {
        let operand = self.first + operand;
        if let Some(offset) = &self.offsets[operand] {
            return offset.clone();
        }
        let Place { offset, advance, .. } = self.places[operand];
        let offset = self.params.moving(offset as u32, advance as i32);
        self.offsets[operand] = Some(offset.clone());
        offset
    }

    /// Whether the operand's pointer is always at a multiple of four elements.
    pub fn is_aligned(&self, operand: usize) -> bool {
        self.places[self.first + operand].is_aligned()
    }

    /// The float at an address.
    pub fn float(&mut self, operand: usize, at: &str) -> String {
        let operand = self.first + operand;
        self.accesses[operand].float = true;
        format!("f{operand}({at})")
    }

    /// Four floats from an address on that is a multiple of four.
    pub fn quad(&mut self, operand: usize, at: &str) -> String {
        self.quad_numbered(operand, &format!("({at}) >> 2u"))
    }

    /// The four floats of a quad: the one numbered `n` begins at the address `4 n`. Loops count quads, since software GPUs shift
    /// one lane after the other.
    pub fn quad_numbered(&mut self, operand: usize, number: &str) -> String {
        let operand = self.first + operand;
        self.accesses[operand].quad = true;
        format!("q{operand}({number})")
    }

    /// Whether runs of so many elements that begin at distances of these strides each lie in one layer, of which there are several.
    pub fn lies_in_layers(&self, operand: usize, run: usize, strides: &[usize]) -> bool {
        let Place {
            offset,
            advance,
            layer,
        } = self.places[self.first + operand];
        let whole = |distance: usize| distance.is_multiple_of(run);
        layer.is_some_and(whole)
            && advance == 0
            && whole(offset)
            && strides.iter().all(|&stride| whole(stride))
    }

    /// A run that lies in one layer, from the quad of this number on, as [`Shader::quad_of_run`] takes it.
    pub fn run(&mut self, operand: usize, quad: &str) -> String {
        let operand = self.first + operand;
        self.accesses[operand].run = true;
        self.bind("l", format!("l{operand}({quad})"))
    }

    /// The four floats of a quad of a run, which are counted from its first.
    pub fn quad_of_run(&mut self, operand: usize, run: &str, quad: &str) -> String {
        format!("r{}({run}, {quad})", self.first + operand)
    }

    /// The integer at an address.
    pub fn int(&mut self, operand: usize, at: &str) -> String {
        let operand = self.first + operand;
        self.accesses[operand].int = true;
        format!("i{operand}({at})")
    }

    /// The bits at an address.
    pub fn bits(&mut self, operand: usize, at: &str) -> String {
        let operand = self.first + operand;
        self.accesses[operand].bits = true;
        format!("u{operand}({at})")
    }

    /// The bits of four elements from an address on that is a multiple of four.
    pub fn bit_quad(&mut self, operand: usize, at: &str) -> String {
        let operand = self.first + operand;
        self.accesses[operand].bit_quad = true;
        format!("v{operand}(({at}) >> 2u)")
    }

    /// Four floats at a distance of each other, from any address on.
    pub fn four(&mut self, operand: usize, at: &str, stride: usize) -> String {
        let at = self.bind("e", at);
        let stride = match stride {
            1 => None,
            _ => Some(self.number(stride)),
        };
        let step = |lane: usize| match &stride {
            None => format!("{at} + {lane}u"),
            Some(stride) => format!("{at} + {lane}u * {stride}"),
        };
        let each: Vec<_> = (0..4).map(|lane| self.float(operand, &step(lane))).collect();
        format!("vec4<f32>({})", each.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_cross_layers_do_not_lie_in_them() {
        let lies = |offset, advance, layer, strides: &[usize]| {
            let place = Place {
                offset,
                advance,
                layer,
            };
            Shader::new(vec![place]).lies_in_layers(0, 8, strides)
        };
        assert!(lies(16, 0, Some(32), &[64, 0, 8]));
        assert!(!lies(16, 0, None, &[8]));
        assert!(!lies(4, 0, Some(32), &[8]));
        assert!(!lies(16, 8, Some(32), &[8]));
        assert!(!lies(16, 0, Some(36), &[8]));
        assert!(!lies(16, 0, Some(32), &[8, 12]));
    }
}
