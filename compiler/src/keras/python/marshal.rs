//! Reads the format of Python's module `marshal`, versions 2 to 5 (CPython's `Python/marshal.c`).

use super::Problem;
use super::code::{Code, code};
use std::rc::Rc;

/// Most objects inside each other.
const DEPTH: usize = 16;
/// Most objects of a file.
const MOST: usize = 1 << 14;

/// A Python object.
#[derive(Debug, Clone)]
pub enum Object {
    /// `None`.
    None,
    /// `...`.
    Ellipsis,
    /// A bool.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string.
    Text(Rc<str>),
    /// Bytes.
    Bytes(Rc<[u8]>),
    /// A tuple.
    Tuple(Rc<[Object]>),
    /// A slice.
    Slice(Rc<[Object]>),
    /// A function's code.
    Code(Rc<Code>),
    /// What no expression holds, by its name in Python.
    Other(&'static str),
}

/// Reads one object.
pub fn read(bytes: &[u8]) -> Result<Object, Problem> {
    let mut reader = Reader {
        bytes,
        at: 0,
        depth: 0,
        objects: 0,
        references: Vec::new(),
    };
    reader.object()
}

/// A file that is read.
pub struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    depth: usize,
    objects: usize,
    /// What is referred to; nothing while it is not whole.
    references: Vec<Option<Object>>,
}

const SHORT: Problem = Problem::Damaged("it ends too soon");

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], Problem> {
        let end = self.at.checked_add(count).ok_or(SHORT)?;
        let taken = self.bytes.get(self.at..end).ok_or(SHORT)?;
        self.at = end;
        Ok(taken)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        self.take(N)?.try_into().map_err(|_| SHORT)
    }
    fn byte(&mut self) -> Result<u8, Problem> {
        self.array().map(|[byte]| byte)
    }
    /// An integer of 32 bits.
    pub fn int(&mut self) -> Result<i32, Problem> {
        self.array().map(i32::from_le_bytes)
    }
    fn size(&mut self) -> Result<usize, Problem> {
        usize::try_from(self.int()?).map_err(|_| Problem::Damaged("a size is negative"))
    }
    /// Whether bytes come next that are all there.
    pub fn is_at_bytes(&self) -> bool {
        let Some(&[kind, a, b, c, d]) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) else {
            return false;
        };
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        kind & 0x7f == b's' && length <= self.bytes.len() - self.at - 5
    }

    /// The next object.
    pub fn object(&mut self) -> Result<Object, Problem> {
        let byte = self.byte()?;
        let (kind, referred) = (byte & 0x7f, byte & 0x80 != 0);
        self.objects += 1;
        self.depth += 1;
        if self.depth > DEPTH || self.objects > MOST {
            return Err(Problem::Damaged("it is too deep or too long"));
        }
        // Whatever holds others has its number before them.
        let place = self.references.len();
        if referred {
            self.references.push(None);
        }
        let object = self.content(kind)?;
        if let Some(reference) = self.references.get_mut(place).filter(|_| referred) {
            *reference = Some(object.clone());
        }
        self.depth -= 1;
        Ok(object)
    }

    fn content(&mut self, kind: u8) -> Result<Object, Problem> {
        Ok(match kind {
            b'N' => Object::None,
            b'.' => Object::Ellipsis,
            b'T' => Object::Bool(true),
            b'F' => Object::Bool(false),
            b'i' => Object::Int(i64::from(self.int()?)),
            b'I' => Object::Int(i64::from_le_bytes(self.array()?)),
            b'l' => self.long()?,
            b'g' => Object::Float(f64::from_le_bytes(self.array()?)),
            b'f' => {
                let text = self.short_text()?;
                Object::Float(
                    text.trim()
                        .parse()
                        .map_err(|_| Problem::Damaged("a float is none"))?,
                )
            }
            b's' => {
                let size = self.size()?;
                Object::Bytes(self.take(size)?.into())
            }
            b'u' | b't' | b'a' | b'A' => {
                let size = self.size()?;
                Object::Text(text(self.take(size)?)?)
            }
            b'z' | b'Z' => Object::Text(self.short_text()?),
            b')' => {
                let count = usize::from(self.byte()?);
                Object::Tuple(self.objects(count)?)
            }
            b'(' => {
                let count = self.size()?;
                Object::Tuple(self.objects(count)?)
            }
            b':' => Object::Slice(self.objects(3)?),
            b'r' => {
                let place = self.size()?;
                let found = self.references.get(place).cloned().flatten();
                found.ok_or(Problem::Damaged("a reference leads nowhere"))?
            }
            b'c' => Object::Code(Rc::new(code(self)?)),
            b'y' => self.skip(16, "a complex number")?,
            b'<' | b'>' => {
                let count = self.size()?;
                self.objects(count)?;
                Object::Other("a set")
            }
            _ => return Err(Problem::Damaged("it holds an object of an unknown kind")),
        })
    }

    fn skip(&mut self, count: usize, name: &'static str) -> Result<Object, Problem> {
        self.take(count)?;
        Ok(Object::Other(name))
    }

    fn objects(&mut self, count: usize) -> Result<Rc<[Object]>, Problem> {
        // Each takes a byte.
        if count > self.bytes.len() - self.at {
            return Err(SHORT);
        }
        (0..count).map(|_| self.object()).collect()
    }

    fn short_text(&mut self) -> Result<Rc<str>, Problem> {
        let size = usize::from(self.byte()?);
        text(self.take(size)?)
    }

    /// Digits of 15 bits; the sign is that of their number.
    fn long(&mut self) -> Result<Object, Problem> {
        let count = self.int()?;
        let mut value: Option<i64> = Some(0);
        for place in 0..count.unsigned_abs() {
            let digit = i64::from(u16::from_le_bytes(self.array()?));
            let weight = 15_u32
                .checked_mul(place)
                .filter(|&shift| shift < 60)
                .map(|shift| 1_i64 << shift);
            let part = match weight {
                Some(weight) => digit.checked_mul(weight),
                None => Some(0).filter(|_| digit == 0),
            };
            value = value.zip(part).and_then(|(value, part)| value.checked_add(part));
        }
        let sign = i64::from(count.signum());
        Ok(
            value.map_or(Object::Other("an integer of more than 63 bits"), |value| {
                Object::Int(value * sign)
            }),
        )
    }
}

fn text(bytes: &[u8]) -> Result<Rc<str>, Problem> {
    std::str::from_utf8(bytes)
        .map(Into::into)
        .map_err(|_| Problem::Damaged("a string is not UTF-8"))
}
