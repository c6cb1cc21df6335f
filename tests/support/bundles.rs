//! Goldens as bundles, for tests in Node and in browsers.

use crate::cases::passed;
use crate::goldens::{Case, Data};
use keras_compile::Prepared;
use keras_compile::backends::{Options, Selection};
use keras_compile::bundle::{self, Contents, ElementType, Manifest, PackageName, Target};
use keras_compile::keras::{KerasDType, Lowered, TensorInfo};
use keras_compile::passes;
use keras_compile::tensor::{DType, TensorType};
use std::error::Error;
use std::path::Path;

/// Tensors as a page passes and gets them, by name. All are floats to it, whatever they are to Keras, but strings.
pub type Named = Vec<(String, Data)>;

/// A golden that was compiled.
pub struct Compiled {
    /// What was written.
    pub manifest: Manifest,
    /// Each prediction, one after the other.
    pub predictions: Vec<Prediction>,
}

/// A prediction.
pub struct Prediction {
    /// What the model is given.
    pub inputs: Named,
    /// What Keras predicted.
    pub expected: Named,
}

/// Compiles a case, already lowered, for all backends into `dir`.
///
/// # Errors
/// What the compiler says.
pub fn write(case: &Case, lowered: Lowered, dir: &Path) -> Result<Compiled, Box<dyn Error>> {
    let Lowered {
        mut graph,
        states,
        prepared,
        ..
    } = lowered;
    let wanted = passed(&graph, &states);
    let passes = passes::run(&mut graph, passes::Options::default())?;
    let floats = |count: usize| vec![ElementType::Float32; count];
    let compiled = Prepared {
        pictures: Vec::new(),
        shares: Vec::new(),
        model: case.id.clone(),
        inputs: floats(graph.inputs().len()),
        outputs: floats(graph.outputs().len()),
        graph,
        states,
        prepared,
        passes,
        notes: Vec::new(),
    };
    let options = Options::default();
    let plans = compiled.plans(&Selection::default(), options)?;
    let builds = plans
        .into_iter()
        .map(|(backend, plan)| backend.build(plan, options));
    let builds: Vec<_> = builds.collect::<Result<_, _>>()?;
    let states = compiled.states.iter().map(|state| [state.input, state.output]);
    let mut strings = compiled.prepared.as_ref().map(keras_compile::strings);
    for port in strings.iter_mut().flat_map(|strings| &mut strings.passed) {
        if port.dtype != ElementType::String {
            port.dtype = ElementType::Float32;
        }
    }
    let contents = Contents {
        model: &compiled.model,
        package: &PackageName::of_model(&case.id),
        inputs: &compiled.inputs,
        outputs: &compiled.outputs,
        states: &states.collect::<Vec<_>>(),
        strings: strings.as_ref(),
        pictures: &[],
        labels: None,
        builds: &builds,
        most_bytes: None,
    };
    let manifest = bundle::write(&contents, &Target::new(dir, true)?, &mut |_| {})?;
    let floats = |name: &str, ty: TensorType, number: usize| {
        let tensors = case.inputs(number, &[(name.to_owned(), ty)]);
        (name.to_owned(), Data::Floats(tensors[0].to_f32().to_vec()))
    };
    let inputs = |number: usize| -> Named {
        let Some(all) = &compiled.prepared else {
            return wanted
                .iter()
                .map(|(name, ty)| floats(name, ty.clone(), number))
                .collect();
        };
        let one = |port: &TensorInfo| match port.dtype {
            KerasDType::Text => (port.name.clone(), Data::Strings(case.texts(&port.name))),
            KerasDType::Float => floats(&port.name, TensorType::f32(port.shape.clone()), number),
            _ => {
                let ty = TensorType {
                    shape: port.shape.clone(),
                    dtype: DType::I32,
                };
                floats(&port.name, ty, number)
            }
        };
        all.passed.iter().map(one).collect()
    };
    let prediction = |number: usize| Prediction {
        inputs: inputs(number),
        expected: case.expected(number),
    };
    Ok(Compiled {
        manifest,
        predictions: (0..case.predictions()).map(prediction).collect(),
    })
}
