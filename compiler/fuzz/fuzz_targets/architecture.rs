//! Any JSON as an architecture, with every getter tried on every key of every layer.
#![no_main]

use keras_compile::keras::{Network, from_architecture};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(json) = serde_json::from_slice(bytes)
        && let Ok(model) = from_architecture(json, &mut |_| Vec::new())
    {
        read_all(&model.root);
    }
});

fn read_all(network: &Network) {
    for layer in &network.layers {
        for key in layer.config.values().keys() {
            let fields = layer.config.fields();
            let _ = (fields.bool(key), fields.f64(key), fields.usize(key), fields.i64(key), fields.str(key));
            let _ = (fields.tuple::<2>(key), fields.sides::<2>(key), fields.ints(key), fields.floats(key));
            let _ = (fields.shape(key), fields.object(key), fields.dtype(key), fields.only(key, &[]));
            let _ = (fields.choice(key, &[("same", 0)], None), fields.finish());
        }
        layer.network.iter().for_each(read_all);
    }
}
