//! What kernels touch: every family states its operands once, as data.
//!
//! The order of a kernel's pointers, in-place results, scratch memory, traffic, the bindings of a GPU and bounds all
//! follow from here.

use crate::tensor::DType;

/// What a kernel does with an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It is read, at any time.
    In,
    /// It is read, and known before the first prediction.
    Weights,
    /// It is written and read; what it holds before and after means nothing.
    Scratch,
    /// It is written.
    Out,
    /// It is read, each element only where the result at the same position is about to be written.
    Epilogue,
}

impl Role {
    /// Whether the kernel writes it: what a GPU binds for reading and writing.
    pub fn is_written(self) -> bool {
        matches!(self, Self::Out | Self::Scratch)
    }
}

/// Elements on a walk along axes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first element of the walk, counted from the pointer.
    pub offset: usize,
    /// Extent of every axis and the distance between its elements, outermost first.
    pub axes: Vec<(usize, isize)>,
}

impl Span {
    /// A walk from the pointer on.
    pub fn new<S: TryInto<isize>>(axes: impl IntoIterator<Item = (usize, S)>) -> Self {
        let axes = axes.into_iter();
        Self {
            offset: 0,
            // What lies further apart than half of all addresses is not in memory.
            axes: axes
                .map(|(extent, stride)| (extent, stride.try_into().unwrap_or(isize::MAX)))
                .collect(),
        }
    }

    /// Elements that follow each other.
    pub fn dense(elements: usize) -> Self {
        Self::new([(elements, 1_isize)])
    }

    /// The lowest element and the one behind the highest, counted from the pointer; `None` if there are no elements.
    pub fn bounds(&self) -> Option<(isize, isize)> {
        let (mut low, mut high) = (self.offset as isize, self.offset as isize);
        for &(extent, stride) in &self.axes {
            let last = (extent as isize).checked_sub(1).filter(|&last| last >= 0)?;
            let way = last.saturating_mul(stride);
            low = low.saturating_add(way.min(0));
            high = high.saturating_add(way.max(0));
        }
        Some((low, high.saturating_add(1)))
    }

    /// Distinct elements: as many as there are positions on the walk, but no more than lie between the first and the
    /// last. Windows overlap, strides skip, and an axis of stride 0 repeats.
    pub fn distinct(&self) -> usize {
        let moving = self.axes.iter().filter(|axis| axis.1 != 0);
        let positions = moving.fold(1_usize, |count, axis| count.saturating_mul(axis.0));
        let between = self.bounds().map_or(0, |(low, high)| (high - low) as usize);
        positions.min(between)
    }

    /// Every position of the walk, counted from the pointer, elements that are visited again too.
    pub fn positions(&self) -> Vec<isize> {
        let mut found = vec![self.offset as isize];
        for &(extent, stride) in &self.axes {
            let steps = |&at: &isize| (0..extent as isize).map(move |i| at + i * stride);
            found = found.iter().flat_map(steps).collect();
        }
        found
    }
}

/// An operand of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// What the kernel does with it.
    pub role: Role,
    /// The elements that it may touch, in one walk or several.
    pub spans: Vec<Span>,
    /// The type of the elements; what is only copied may be of another.
    pub dtype: DType,
    /// What elements are below, and not negative, where they are indices.
    pub below: Option<usize>,
    /// How many elements it touches, where these are fewer.
    most: usize,
}

impl Operand {
    /// An operand of one walk.
    pub fn new(role: Role, span: Span) -> Self {
        Self::of_spans(role, vec![span])
    }

    /// An operand of several walks.
    pub fn of_spans(role: Role, spans: Vec<Span>) -> Self {
        Self {
            role,
            spans,
            dtype: DType::F32,
            below: None,
            most: usize::MAX,
        }
    }

    /// An operand of which any elements may be touched, but no more than `most`.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// An operand of elements of this type.
    #[must_use]
    pub fn of_type(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }

    /// An operand of indices below a number.
    #[must_use]
    pub fn indices(self, below: usize) -> Self {
        Self {
            below: Some(below),
            ..self
        }
    }

    /// Distinct elements that a run touches.
    pub fn elements(&self) -> usize {
        let spans = self.spans.iter().map(Span::distinct);
        spans.fold(0, usize::saturating_add).min(self.most)
    }

    /// The lowest element and the one behind the highest, counted from the pointer; `None` if there are no elements.
    pub fn bounds(&self) -> Option<(isize, isize)> {
        let bounds = self.spans.iter().filter_map(Span::bounds);
        bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Whether a result `out` may lie exactly over this operand: each element is read only where the one that replaces it
    /// is about to be written.
    pub fn is_under(&self, out: &Self) -> bool {
        self.role == Role::Epilogue && out.role == Role::Out && self.spans == out.spans
    }
}

/// One `T` for each operand of a kernel, by name. The order of fields is the order of the kernel's pointers.
pub trait Operands<T>: Sized {
    /// The values in the order of pointers.
    fn into_list(self) -> Vec<T>;

    /// From values in the order of pointers.
    ///
    /// # Panics
    /// When there are fewer than the family has operands: who made the list did not ask the kernel.
    fn from_list(list: Vec<T>) -> Self;
}

/// How many values a field of [`Operands`] holds.
pub trait Arity {
    /// What holds them.
    type Of<T>;
    /// How many there are always.
    const LEAST: usize;

    /// Appends the values.
    fn put<T>(values: Self::Of<T>, list: &mut Vec<T>);

    /// Takes the values; `further` are those that no single field takes.
    fn take<T>(list: &mut impl Iterator<Item = T>, further: usize) -> Self::Of<T>;
}

/// One value.
pub struct One;

/// Any number of values.
pub struct Many;

impl Arity for One {
    type Of<T> = T;
    const LEAST: usize = 1;

    fn put<T>(value: T, list: &mut Vec<T>) {
        list.push(value);
    }

    fn take<T>(list: &mut impl Iterator<Item = T>, _: usize) -> T {
        list.next()
            .unwrap_or_else(|| unreachable!("there is a value for each operand"))
    }
}

impl Arity for Many {
    type Of<T> = Vec<T>;
    const LEAST: usize = 0;

    fn put<T>(values: Vec<T>, list: &mut Vec<T>) {
        list.extend(values);
    }

    fn take<T>(list: &mut impl Iterator<Item = T>, further: usize) -> Vec<T> {
        list.take(further).collect()
    }
}

/// Declares the operands of a family: fields in the order of pointers, of which one may be `Many`.
macro_rules! operands {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $arity:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name<T> {
            $($(#[$about])*
              pub $field: <$crate::kernel::operand::$arity as $crate::kernel::operand::Arity>::Of<T>),+
        }
        impl<T> $crate::kernel::Operands<T> for $name<T> {
            fn into_list(self) -> Vec<T> {
                use $crate::kernel::operand::{self, Arity};
                let mut list = Vec::new();
                $(operand::$arity::put(self.$field, &mut list);)+
                list
            }
            fn from_list(list: Vec<T>) -> Self {
                use $crate::kernel::operand::{self, Arity};
                let least = 0 $(+ operand::$arity::LEAST)+;
                let further = list.len().saturating_sub(least);
                let list = &mut list.into_iter();
                let made = Self { $($field: operand::$arity::take(list, further)),+ };
                assert!(list.next().is_none(), "there is a value too many");
                made
            }
        }
    };
}
pub(super) use operands;

#[cfg(test)]
mod tests {
    use super::*;

    operands! {
        /// Two and some more.
        Some3 {
            /// First.
            a: One,
            /// Second.
            b: One,
            /// More.
            rest: Many,
        }
    }

    #[test]
    fn lists_and_names_are_the_same() {
        let named = Some3::from_list(vec![1, 2, 3, 4]);
        assert_eq!((named.a, named.b, &named.rest), (1, 2, &vec![3, 4]));
        assert_eq!(named.into_list(), [1, 2, 3, 4]);
        assert!(Some3::from_list(vec![1, 2]).rest.is_empty());
    }

    #[test]
    fn walks_count_every_element_once() {
        let distinct = |axes: &[(usize, isize)]| Span::new(axes.iter().copied()).distinct();
        assert_eq!(distinct(&[(4, 3), (3, 1)]), 12);
        // A window of three over five elements.
        assert_eq!(distinct(&[(3, 1), (3, 1)]), 5);
        // Every second of nine.
        assert_eq!(distinct(&[(5, 2)]), 5);
        // A broadcast.
        assert_eq!(distinct(&[(7, 0), (3, 1)]), 3);
        // Backwards.
        assert_eq!(distinct(&[(4, -2)]), 4);
        assert_eq!(distinct(&[]), 1);
        assert_eq!(distinct(&[(0, 1), (3, 1)]), 0);
    }

    #[test]
    fn bounds_reach_from_the_lowest_element_to_behind_the_highest() {
        let span = Span {
            offset: 10,
            axes: vec![(3, -4), (2, 1)],
        };
        assert_eq!(span.bounds(), Some((2, 12)));
        assert_eq!(span.positions(), [10, 11, 6, 7, 2, 3]);
        assert_eq!(Span::dense(0).bounds(), None);
    }
}
