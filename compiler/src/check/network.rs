//! Sampled outputs of a whole network.

use super::kernels::sites;
use super::memory::{Arenas, Constants};
use super::pattern::{Content, Fill};
use super::{NetworkCheck, OutputCheck, SEEDS, Sample};
use crate::kernel::{Elements, Found, Store};
use crate::plan::{Binding, Plan};
use crate::tensor::DType;

/// Most work of a network that is interpreted: some tenths of a second.
const MOST_WORK: u64 = 30_000_000;
/// What a result costs beside its arithmetic.
const OF_RESULT: u64 = 20;
/// Most sampled elements of an output.
const MOST: usize = 64;
/// Integers that are no indices are below it.
const SMALL: u32 = 16;

/// How far an output may be off, relative to its largest element; and what is left of that where the network itself is not
/// stable: so many times its answer to inputs that are off by less than a millionth.
const OF_LARGEST: f32 = 1e-3;
const OF_ANSWER: f32 = 100.0;
/// An element that may be off by more, relative to the largest, says nothing.
const USELESS: f32 = 0.1;

/// Work of a prediction, about in floating-point operations.
fn work(plan: &Plan) -> u64 {
    let steps = plan.steps.iter().map(|step| {
        let runs = step.runs().iter().map(|run| {
            let results: usize = plan.kernel(run).extents().iter().product();
            run.flops
                .saturating_add((results as u64).saturating_mul(OF_RESULT))
        });
        let once = runs.fold(0, u64::saturating_add);
        once.saturating_mul(step.count() as u64)
    });
    steps.fold(0, u64::saturating_add)
}

/// The check of a network that is small enough; none where no inputs give it finite outputs.
pub(super) fn check(plan: &Plan, constants: &Constants<'_>) -> Option<NetworkCheck> {
    if work(plan) > MOST_WORK {
        return None;
    }
    // Large inputs are for single kernels: through many layers, they say nothing.
    [Content::Unit, Content::Positive].into_iter().find_map(|floats| {
        let inputs: Vec<Fill> = plan.inputs.iter().map(|input| fill(input, floats)).collect();
        let check = NetworkCheck {
            seed: SEEDS[0],
            outputs: outputs(plan, constants, &inputs),
            inputs,
        };
        let is_whole = check.outputs.iter().all(|output| !output.samples.is_empty());
        is_whole.then_some(check)
    })
}

fn fill(input: &Binding, floats: Content) -> Fill {
    let end = input.range.map(|range| u32::try_from(range.end).unwrap_or(SMALL));
    let below = end.map(|end| end.max(1));
    Fill {
        buffer: input.arena.0,
        offset: input.offset,
        length: 4 * input.ty.shape.count(),
        content: match (input.ty.dtype, below) {
            (DType::F32, None) => floats,
            (DType::F32, Some(below)) => Content::Whole(below),
            (DType::I32, below) => Content::Integers(below.unwrap_or(SMALL)),
        },
    }
}

/// The outputs of a prediction on inputs of which floats are off by some units of their last place.
fn predict(plan: &Plan, constants: &Constants<'_>, inputs: &[Fill], units: u32) -> Vec<Vec<u32>> {
    let mut arenas = Arenas::new(constants);
    for fill in inputs {
        for element in fill.offset / 4..(fill.offset + fill.length) / 4 {
            let bits = fill.bits(SEEDS[0], element).unwrap_or_default();
            let is_float = matches!(fill.content, Content::Wide | Content::Unit | Content::Positive);
            // Some up, some down.
            let off = if is_float { bits & 1 } else { 0 } * units;
            arenas.set_bits(constants.arena(fill.buffer) + element, bits ^ off);
        }
    }
    for step in &plan.steps {
        for iteration in 0..step.count() {
            for run in step.runs() {
                let at = constants.addresses_of(run, iteration);
                plan.kernel(run).interpret(&mut arenas, &at);
            }
        }
    }
    let output = |output: &Binding| {
        let start = constants.arena(output.arena.0) + output.offset / 4;
        let elements = start..start + output.ty.shape.count();
        elements.map(|at| arenas.bits(at)).collect()
    };
    plan.outputs.iter().map(output).collect()
}

fn outputs(plan: &Plan, constants: &Constants<'_>, inputs: &[Fill]) -> Vec<OutputCheck> {
    let expected = predict(plan, constants, inputs, 0);
    let answers = predict(plan, constants, inputs, 7);
    let outputs = plan.outputs.iter().zip(expected.iter().zip(&answers));
    outputs
        .map(|(binding, (expected, answers))| OutputCheck {
            buffer: binding.arena.0,
            samples: samples(binding, expected, answers),
        })
        .collect()
}

fn samples(binding: &Binding, expected: &[u32], answers: &[u32]) -> Vec<Sample> {
    let float = |bits: &u32| f32::from_bits(*bits);
    let largest = expected.iter().map(float).fold(0f32, |most, v| most.max(v.abs()));
    let sites = sites(binding.ty.shape.dims(), MOST, SEEDS[0]);
    let sample = |&site: &usize| {
        let (bits, answer) = (expected[site], answers[site]);
        let tolerance = match binding.ty.dtype {
            DType::I32 if bits == answer => 0.0,
            DType::I32 => return None,
            DType::F32 => OF_LARGEST * largest + OF_ANSWER * (float(&bits) - float(&answer)).abs(),
        };
        let found = Found {
            at: binding.offset / 4 + site,
            bits,
            tolerance: tolerance + f32::MIN_POSITIVE,
        };
        let exact = Found {
            tolerance: 0.0,
            ..found
        };
        match binding.ty.dtype {
            DType::I32 => Sample::new(&exact, 0),
            DType::F32 if tolerance <= USELESS * largest => Sample::new(&found, 0),
            DType::F32 => None,
        }
    };
    sites.iter().filter_map(sample).collect()
}
