//! Layers of nested models in place of these.

use crate::budget::{Budget, Resource};
use crate::error::{Error, Result};
use crate::keras::given::taken;
use crate::keras::layers;
use crate::keras::model::{Call, Layer, LayerId, Network, Semantics, TensorRef};
use crate::keras::topology;
use std::collections::HashMap;

/// A model without nested ones.
pub(super) struct Flat {
    /// Its layers, whose calls refer to each other. It has no schedule yet.
    pub(super) net: Network,
    /// The models that were nested, by their paths.
    pub(super) models: HashMap<String, Ends>,
}

/// The tensors of all calls of a nested model.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) inputs: Vec<TensorRef>,
    pub(super) outputs: Vec<TensorRef>,
}

impl Flat {
    /// The layer of a path.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.net.layers.iter().position(|layer| layer.path == path)
    }
}

/// Puts the layers of nested models, to any depth, into the outermost one. Models that a layer applies to every time step stay
/// inside it.
pub(super) fn inline(root: &Network, semantics: Semantics, budget: &Budget) -> Result<Flat> {
    let mut inliner = Inliner {
        semantics,
        budget,
        layers: Vec::new(),
        places: HashMap::new(),
        models: HashMap::new(),
    };
    let inputs = root.inputs.iter().map(|port| port.tensor.layer);
    let values = inliner.network(root, None, &inputs.collect::<Vec<_>>())?;
    let mut net = Network {
        name: root.name.clone(),
        inputs: root.inputs.clone(),
        outputs: root.outputs.clone(),
        layers: inliner.layers,
        schedule: Vec::new(),
    };
    for port in net.inputs.iter_mut().chain(&mut net.outputs) {
        port.tensor = values.find(port.tensor)?;
    }
    Ok(Flat {
        net,
        models: inliner.models,
    })
}

/// The tensors of a network by their references inside it.
#[derive(Default)]
struct Values {
    /// Those of inputs and of nested models.
    tensors: HashMap<TensorRef, TensorRef>,
    /// Calls of other layers by layer and call. How many tensors one gives is known where it is lowered.
    calls: HashMap<(LayerId, usize), (LayerId, usize)>,
}

impl Values {
    /// The tensor that a reference inside the network means.
    fn find(&self, tensor: TensorRef) -> Result<TensorRef> {
        if let Some(&(layer, call)) = self.calls.get(&(tensor.layer, tensor.call)) {
            let output = tensor.output;
            return Ok(TensorRef { layer, call, output });
        }
        let found = self.tensors.get(&tensor).copied();
        found.ok_or_else(|| {
            topology::bad(format!(
                "output {} is used of a model that gives fewer",
                tensor.output
            ))
        })
    }
}

struct Inliner<'b> {
    semantics: Semantics,
    /// What every call is taken from: models in models may be called more often than a file is long.
    budget: &'b Budget,
    layers: Vec<Layer>,
    /// Places of layers by path.
    places: HashMap<String, usize>,
    models: HashMap<String, Ends>,
}

impl Inliner<'_> {
    /// Adds the calls of a network; `given` are the tensors of its inputs, which the outermost one makes itself.
    fn network(&mut self, net: &Network, given: Option<&[TensorRef]>, inputs: &[LayerId]) -> Result<Values> {
        let mut values = Values::default();
        for step in topology::schedule(&net.layers)? {
            let (layer, call) = net.step(step);
            let taken = self.budget.take(Resource::Calls, 1_u64);
            taken.map_err(|error| layer.at(error))?;
            let own = |output| TensorRef {
                layer: step.layer,
                call: step.call,
                output,
            };
            let fed = inputs.iter().position(|id| *id == step.layer);
            if let (Some(given), Some(index)) = (given, fed) {
                let tensor = given.get(index).copied();
                values.tensors.insert(
                    own(0),
                    tensor.ok_or_else(|| Error::internal("an input without a tensor"))?,
                );
                continue;
            }
            match &layer.network {
                Some(inner) => {
                    for (output, tensor) in self.nested(layer, inner, call, &values)?.into_iter().enumerate()
                    {
                        values.tensors.insert(own(output), tensor);
                    }
                }
                None => self.call(layer, call, own(0), &mut values)?,
            }
        }
        Ok(values)
    }

    /// Adds a call of a nested model, and gives its outputs.
    fn nested(
        &mut self,
        layer: &Layer,
        net: &Network,
        call: &Call,
        values: &Values,
    ) -> Result<Vec<TensorRef>> {
        layers::check_training(self.semantics, call.kwarg("training")).map_err(|error| layer.at(error))?;
        let given = taken(layer, net, call)?;
        let given = given.into_iter().map(|tensor| values.find(tensor));
        let given = given.collect::<Result<Vec<_>>>()?;
        let inputs: Vec<LayerId> = net.inputs.iter().map(|port| port.tensor.layer).collect();
        let inside = self.network(net, Some(&given), &inputs)?;
        let outputs = net.outputs.iter().map(|port| inside.find(port.tensor));
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        let ends = self.models.entry(layer.path.clone()).or_default();
        ends.inputs.extend(given);
        ends.outputs.extend(&outputs);
        Ok(outputs)
    }

    /// Adds a call of another layer.
    fn call(&mut self, layer: &Layer, call: &Call, own: TensorRef, values: &mut Values) -> Result<()> {
        let mut call = call.clone();
        let keywords = call.kwargs.iter_mut().map(|(_, arg)| arg);
        for arg in call.args.iter_mut().chain(keywords) {
            topology::each(arg, &mut |tensor| {
                *tensor = values.find(*tensor)?;
                Ok(())
            })?;
        }
        let at = *self.places.entry(layer.path.clone()).or_insert_with(|| {
            self.layers.push(Layer {
                calls: Vec::new(),
                ..layer.clone()
            });
            self.layers.len() - 1
        });
        let place = self
            .layers
            .get_mut(at)
            .ok_or_else(|| Error::internal("a layer was lost"))?;
        place.calls.push(call);
        let call = place.calls.len() - 1;
        values.calls.insert((own.layer, own.call), (LayerId(at), call));
        Ok(())
    }
}
