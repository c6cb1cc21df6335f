//! Instructions that bring values: variables, constants, names of modules and their attributes.

use super::{Found, Machine, Slot, other};
use crate::keras::expression::{Constant, Expr, Id};
use crate::keras::python::Problem;
use crate::keras::values::list;

impl Machine<'_> {
    /// What brings values.
    pub(super) fn loads(&mut self, name: &str, argument: usize) -> Found<bool> {
        match name {
            "LOAD_FAST" | "LOAD_FAST_CHECK" | "LOAD_FAST_BORROW" => self.variable(argument)?,
            "LOAD_FAST_LOAD_FAST" | "LOAD_FAST_BORROW_LOAD_FAST_BORROW" => {
                self.variable(argument >> 4)?;
                self.variable(argument & 15)?;
            }
            "LOAD_CONST" => {
                let id = self.constant(argument)?;
                self.push(id);
            }
            "LOAD_SMALL_INT" => {
                let id = self.builder.constant(Constant::Int(argument as i64));
                self.push(id);
            }
            "LOAD_GLOBAL" => {
                let (place, called) = self.halved(argument, 11);
                let id = self.name(place).map(|name| self.builder.add(Expr::Name(name)))?;
                self.push_called(id, called);
            }
            "LOAD_ATTR" => {
                let (place, called) = self.halved(argument, 12);
                self.attribute(place, called)?;
            }
            "LOAD_METHOD" => self.attribute(argument, true)?,
            "LOAD_DEREF" => self.shared(argument)?,
            "IMPORT_NAME" => self.import(argument)?,
            "IMPORT_FROM" => {
                let of = self.pop()?;
                let name = self.name(argument)?;
                let id = self.builder.attribute(of, &name);
                self.push(of);
                self.push(id);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
    /// From some version on the last bit of an argument says that a call follows.
    fn halved(&self, argument: usize, since: u8) -> (usize, bool) {
        match self.version >= since {
            true => (argument >> 1, argument & 1 == 1),
            false => (argument, false),
        }
    }
    /// The empty place stands below or above what is called, as the version has it; a call takes either.
    fn push_called(&mut self, id: Id, called: bool) {
        if called {
            self.stack.push(Slot::Null);
        }
        self.push(id);
    }
    fn attribute(&mut self, place: usize, called: bool) -> Found<()> {
        let of = self.pop()?;
        let name = self.name(place)?;
        let id = self.builder.attribute(of, &name);
        self.push_called(id, called);
        Ok(())
    }
    fn shared(&mut self, argument: usize) -> Found<()> {
        let place = self.code.shared.get(argument).copied().flatten();
        let values = list(self.closure).map_or(&[][..], Vec::as_slice);
        let value = place.and_then(|place| values.get(place));
        let value = value.ok_or(Problem::Damaged(
            "it has a variable of a function around it, whose value is not stored",
        ))?;
        let id = self.builder.json(value);
        let id = id.ok_or_else(|| {
            Problem::Other("a variable of a function around it is no number, text or list".to_owned())
        })?;
        self.push(id);
        Ok(())
    }
    /// `import a.b` gives `a`, `from a.b import c` begins with `a.b`.
    fn import(&mut self, argument: usize) -> Found<()> {
        let (from, level) = (self.pop()?, self.pop()?);
        if self.builder.get(level) != Some(&Expr::Constant(Constant::Int(0))) {
            return other("it imports from its own package");
        }
        let whole = self.name(argument)?;
        let top = whole.split('.').next().unwrap_or_default().to_owned();
        let only_top = self.builder.get(from) == Some(&Expr::Constant(Constant::None));
        let id = self.builder.add(Expr::Name(if only_top { top } else { whole }));
        self.push(id);
        Ok(())
    }
}
