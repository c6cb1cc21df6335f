//! Where the operands of a run are bound.

use super::machine::Machine;
use super::target::ALIGNMENT;
use super::windows::Windows;
use crate::error::Result;
use crate::plan::{Run, Space, Weights};
use crate::shader::{Place, Shader};

/// The buffer in which an operand lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// That of the weights.
    Weights,
    /// A part of it, by its number.
    Window(usize),
    /// The same weights in half precision.
    Halves,
    /// One of those for values.
    Arena(usize),
    /// What dispatches of one run hand to each other.
    Scratch,
}

/// The operands of a run, and behind them one more: scratch memory.
#[derive(Debug, Clone)]
pub(super) struct Operands {
    places: Vec<Place>,
    memories: Vec<Memory>,
    machine: Machine,
}

impl Operands {
    /// Of a run whose packed weights may be read in half precision. Weights that are bound in parts are found in `windows`.
    ///
    /// # Errors
    /// When an operand lies in no weights (a bug of ours).
    pub fn new(
        run: &Run,
        weights: &Weights,
        windows: &mut Windows,
        (halves, machine): (bool, Machine),
    ) -> Result<Self> {
        let mut places = Vec::with_capacity(run.arguments.len() + 1);
        let mut memories = Vec::with_capacity(run.arguments.len() + 1);
        for (operand, argument) in run.arguments.iter().enumerate() {
            let (memory, before) = match argument.space {
                Space::Arena(arena) => (Memory::Arena(arena.0), 0),
                Space::Weights | Space::Prepared if halves && operand == PACKED => (Memory::Halves, 0),
                Space::Weights | Space::Prepared => windows.of(weights, argument.offset)?,
            };
            places.push(Place {
                offset: (argument.offset - before) / 4,
                advance: argument.advance / 4,
                layer: None,
            });
            memories.push(memory);
        }
        places.push(Place {
            offset: 0,
            advance: 0,
            layer: None,
        });
        memories.push(Memory::Scratch);
        Ok(Self {
            places,
            memories,
            machine,
        })
    }

    /// Puts an operand into scratch memory.
    pub fn move_to_scratch(&mut self, operand: usize, offset: usize) {
        self.places[operand] = Place {
            offset,
            advance: 0,
            layer: None,
        };
        self.memories[operand] = Memory::Scratch;
    }

    /// Those of several runs, one run's after the other's, and scratch memory behind all.
    pub fn joined(all: &[Self], machine: Machine) -> Self {
        let own = |operands: &Self| operands.scratch();
        let places = all
            .iter()
            .flat_map(|operands| operands.places[..own(operands)].to_vec());
        let memories = all
            .iter()
            .flat_map(|operands| operands.memories[..own(operands)].to_vec());
        let start = Place {
            offset: 0,
            advance: 0,
            layer: None,
        };
        Self {
            places: places.chain([start]).collect(),
            memories: memories.chain([Memory::Scratch]).collect(),
            machine,
        }
    }

    /// An empty shader that reads and writes them.
    pub fn shader(&self) -> Shader {
        Shader::new(self.places.clone())
    }

    /// What will run it.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// The buffer of each.
    pub fn memories(&self) -> &[Memory] {
        &self.memories
    }

    /// The number of scratch memory.
    pub fn scratch(&self) -> usize {
        self.memories.len() - 1
    }
}

/// The operand of a product that holds its weights.
pub(super) const PACKED: usize = 1;

// What starts with a window starts where a binding may.
const _: () = assert!(super::windows::HALF.is_multiple_of(ALIGNMENT));
