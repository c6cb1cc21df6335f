//! Places for the values of a tape, so that an emitter needs few locals.

use super::{Instr, Step, Tape, Value};

/// Where an emitter keeps the values of a tape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allocation {
    /// What to do for each instruction, in order.
    pub steps: Vec<Step>,
    /// For each instruction the slot of its value. `None` for inputs and constants, which the emitter has at
    /// hand, for absorbed products, and for the result, which the emitter takes at once.
    pub slots: Vec<Option<u32>>,
    /// Number of slots for numbers.
    pub numbers: u32,
    /// Number of slots for masks, which have numbers of their own.
    pub masks: u32,
}

/// Gives every value a slot that no value alive has; a value may take the slot of an operand that dies
/// in the same step.
pub fn registers(tape: &Tape, fuse: bool) -> Allocation {
    let steps = tape.steps(fuse);
    let mut last_use = vec![0; steps.len()];
    for (index, step) in steps.iter().enumerate() {
        step.operands().for_each(|v| last_use[v.index()] = index);
    }
    let mut slots: Vec<Option<u32>> = vec![None; steps.len()];
    let mut pools = [Pool::default(), Pool::default()];
    let is_mask = |value: Value| usize::from(tape.instrs()[value.index()].is_mask());
    for (index, step) in steps.iter().enumerate() {
        let value = Value(index as u32);
        for operand in step.operands().filter(|v| last_use[v.index()] == index) {
            if let Some(slot) = slots[operand.index()] {
                pools[is_mask(operand)].release(slot);
            }
        }
        let at_hand = matches!(
            step,
            Step::Absorbed | Step::Plain(Instr::Input(_) | Instr::Const(_))
        );
        if !at_hand && value != tape.result() {
            slots[index] = Some(pools[is_mask(value)].take());
        }
    }
    let [numbers, masks] = pools.map(|pool| pool.count);
    Allocation {
        steps,
        slots,
        numbers,
        masks,
    }
}

/// Slots of one kind.
#[derive(Default)]
struct Pool {
    count: u32,
    free: Vec<u32>,
}

impl Pool {
    fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        })
    }
    /// A value taken twice by its last step comes twice.
    fn release(&mut self, slot: u32) {
        if !self.free.contains(&slot) {
            self.free.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise::{Binary, Compare, TapeBuilder, Unary, library};

    #[test]
    fn a_chain_needs_one_slot() {
        let sqrt = Tape::unary(Unary::Sqrt);
        let chain = sqrt.then(&sqrt).then(&sqrt).then(&sqrt);
        let allocation = registers(&chain, true);
        assert_eq!((allocation.numbers, allocation.masks), (1, 0));
        assert_eq!(allocation.slots, [None, Some(0), Some(0), Some(0), None]);
    }

    #[test]
    fn masks_have_their_own_slots() {
        let mut b = TapeBuilder::new(2);
        let (x, y) = (b.input(0), b.input(1));
        let mask = b.compare(Compare::Lt, x, y);
        let sum = b.binary(Binary::Add, x, y);
        let result = b.select(mask, sum, x);
        let allocation = registers(&b.finish(result), true);
        assert_eq!((allocation.numbers, allocation.masks), (1, 1));
        assert_eq!(allocation.slots, [None, None, Some(0), Some(0), None]);
    }

    /// Runs the steps of big tapes on the slots alone.
    #[test]
    fn no_live_value_is_overwritten() {
        for tape in [
            library::gelu::tape(),
            library::mish::tape(),
            library::softplus::tape(),
        ] {
            let tape = tape.expand(|_| false);
            for fuse in [false, true] {
                let allocation = registers(&tape, fuse);
                let mut holder = std::collections::HashMap::new();
                for (index, step) in allocation.steps.iter().enumerate() {
                    for operand in step.operands() {
                        if let Some(slot) = allocation.slots[operand.index()] {
                            let mask = tape.instrs()[operand.index()].is_mask();
                            assert_eq!(
                                holder.get(&(mask, slot)),
                                Some(&operand.index()),
                                "step {index} of {tape}"
                            );
                        }
                    }
                    if let Some(slot) = allocation.slots[index] {
                        holder.insert((tape.instrs()[index].is_mask(), slot), index);
                    }
                }
                assert!(allocation.numbers <= 8, "{} slots", allocation.numbers);
            }
        }
    }
}
