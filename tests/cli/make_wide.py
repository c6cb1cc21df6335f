"""Makes wide.h5: a small file that becomes a large bundle, for tests that interrupt the writing.

Needs keras and h5py. Run it in this directory.
"""

import h5py
import keras
import numpy as np

SIZE = 2048

model = keras.Sequential([keras.Input((SIZE,)), keras.layers.Dense(SIZE, name="dense")], name="wide")
# Values that compress well.
model.set_weights([np.full(w.shape, 0.5, "float32") for w in model.get_weights()])
model.save("plain.h5")

with h5py.File("plain.h5") as plain, h5py.File("wide.h5", "w") as packed:

    def copy(name, item):
        if isinstance(item, h5py.Dataset):
            copied = packed.create_dataset(name, data=item[()], chunks=True, compression=9, shuffle=True)
        else:
            copied = packed.require_group(name)
        copied.attrs.update(item.attrs)

    packed.attrs.update(plain.attrs)
    plain.visititems(copy)
