//! Code objects in the layouts that Python has had since 3.6.

use super::Problem;
use super::marshal::{Object, Reader};
use std::rc::Rc;

/// How the fields of a code object are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// 3.6 and 3.7.
    Six,
    /// 3.8 to 3.10, with parameters that have no names for callers.
    Eight,
    /// From 3.11 on, with all variables in one list.
    Eleven,
}

impl Layout {
    /// The columns of the Pythons that write it, the newest first.
    pub fn columns(self) -> &'static [usize] {
        match self {
            Self::Six => &[1, 0],
            Self::Eight => &[4, 3, 2],
            Self::Eleven => &[8, 7, 6, 5],
        }
    }
}

/// A function's code.
#[derive(Debug)]
pub struct Code {
    /// Where its fields stand.
    pub layout: Layout,
    /// How many parameters it has that are given by position.
    pub by_position: usize,
    /// How many it has besides, which are given by name only.
    pub by_name: usize,
    /// What kind of function it is, as a sum of `CO_…`.
    pub flags: i32,
    /// Its instructions.
    pub instructions: Rc<[u8]>,
    /// Its constants.
    pub constants: Rc<[Object]>,
    /// Names of globals and attributes.
    pub names: Vec<Rc<str>>,
    /// Names of its variables, the parameters first. From 3.11 on, those that functions inside it or around it use too are
    /// among them.
    pub variables: Vec<Rc<str>>,
    /// By the numbers that instructions give them, the variables that other functions use too: for each, the place of its
    /// value in the closure, if it comes from a function around this one.
    pub shared: Vec<Option<usize>>,
    /// Whether it handles exceptions.
    pub handles: bool,
}

/// Reads the content of a code object.
pub fn code(reader: &mut Reader<'_>) -> Result<Code, Problem> {
    let mut ints = vec![0; 5];
    for int in &mut ints {
        *int = reader.int()?;
    }
    if !reader.is_at_bytes() {
        ints.push(reader.int()?);
    }
    let count = |at: usize| usize::try_from(ints.get(at).copied().unwrap_or_default()).unwrap_or(usize::MAX);
    let instructions = bytes(reader.object()?)?;
    let constants = tuple(reader.object()?)?;
    let names = texts(reader.object()?)?;
    let variables = texts(reader.object()?)?;
    let (layout, shared, handles) = match reader.object()? {
        Object::Bytes(kinds) => {
            let shared = kinds_of(&kinds);
            skip(reader, 3)?; // file, name, qualified name
            reader.int()?; // first line
            reader.object()?; // lines
            let handled = bytes(reader.object()?)?;
            (Layout::Eleven, shared, !handled.is_empty())
        }
        free => {
            let (free, cells) = (texts(free)?.len(), texts(reader.object()?)?.len());
            skip(reader, 2)?; // file, name
            reader.int()?; // first line
            reader.object()?; // lines
            let layout = if ints.len() == 5 {
                Layout::Six
            } else {
                Layout::Eight
            };
            let shared = (0..cells).map(|_| None).chain((0..free).map(Some));
            (layout, shared.collect(), false)
        }
    };
    if layout == Layout::Eleven && ints.len() != 5 {
        return Err(Problem::Damaged("its fields are those of no Python"));
    }
    // Before 3.8 there are no parameters without a name.
    let by_name = if layout == Layout::Six { 1 } else { 2 };
    Ok(Code {
        layout,
        by_position: count(0),
        by_name: count(by_name),
        flags: ints.last().copied().unwrap_or_default(),
        instructions,
        constants,
        names,
        variables,
        shared,
        handles,
    })
}

/// Which variables come from functions around this one.
fn kinds_of(kinds: &[u8]) -> Vec<Option<usize>> {
    const FREE: u8 = 0x80;
    let mut free = 0;
    let place = |kind: &u8| {
        (kind & FREE != 0).then(|| {
            free += 1;
            free - 1
        })
    };
    kinds.iter().map(place).collect()
}

const OTHER: Problem = Problem::Damaged("a field of its code is of another type");

fn skip(reader: &mut Reader<'_>, count: usize) -> Result<(), Problem> {
    (0..count).try_for_each(|_| match reader.object()? {
        Object::Text(_) => Ok(()),
        _ => Err(OTHER),
    })
}

fn bytes(object: Object) -> Result<Rc<[u8]>, Problem> {
    match object {
        Object::Bytes(bytes) => Ok(bytes),
        _ => Err(OTHER),
    }
}

fn tuple(object: Object) -> Result<Rc<[Object]>, Problem> {
    match object {
        Object::Tuple(items) => Ok(items),
        _ => Err(OTHER),
    }
}

fn texts(object: Object) -> Result<Vec<Rc<str>>, Problem> {
    let items = tuple(object)?;
    let text = |item: &Object| match item {
        Object::Text(text) => Ok(text.clone()),
        _ => Err(OTHER),
    };
    items.iter().map(text).collect()
}
