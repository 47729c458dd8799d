"""MultiTSF's dense layers on flat spectrograms."""

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.models import spectrogram_mlp
from tests.models.clips import array


def test_it_has_multitsfs_layers_and_size():
    encoder, x = spectrogram_mlp.Encoder(), jnp.zeros((2, 5, 1024, 128))
    y, variables = jax.eval_shape(
        lambda: encoder.init_with_output(jax.random.key(0), x, train=False)
    )
    assert y.shape == (2, 5, 384)
    kernels = {name: p["kernel"].shape for name, p in variables["params"].items()}
    assert kernels == {
        "fc1": (131072, 512),
        "fc2": (512, 256),
        "fc3": (256, 128),
        "output": (128, 384),
    }


def test_it_reads_every_value_of_a_frame_and_of_no_other():
    encoder, x = spectrogram_mlp.Encoder(widths=(7, 5), width=4), array(2, 3, 6, 2)
    y, variables = encoder.init_with_output(jax.random.key(0), x, train=True)
    params = {
        name: {leaf: np.asarray(v) for leaf, v in layer.items()}
        for name, layer in variables["params"].items()
    }
    for place in ((0, 0), (1, 2)):
        want = np.asarray(x[place]).reshape(-1)
        for name in ("fc1", "fc2"):
            want = np.maximum(want @ params[name]["kernel"] + params[name]["bias"], 0)
        want = want @ params["output"]["kernel"] + params["output"]["bias"]
        np.testing.assert_allclose(y[place], want, atol=1e-5)
    assert y.dtype == jnp.float32
