"""AST's tokens and features, through the loader of its weights."""

import jax
import jax.numpy as jnp

from kdjax.interop import spectrogram as interop
from kdjax.models import spectrogram


def compute(meta, inputs, weights):
    """All tokens, and the mean of the first two."""
    hyper = meta["hyper"]
    encoder = spectrogram.Encoder(
        patch=hyper["patch_size"],
        strides=(hyper["time_stride"], hyper["frequency_stride"]),
        width=hyper["hidden_size"],
        depth=hyper["num_hidden_layers"],
        heads=hyper["num_attention_heads"],
        hidden=hyper["intermediate_size"],
        epsilon=hyper["layer_norm_eps"],
    )
    x = jnp.asarray(inputs["x"])
    like = jax.eval_shape(lambda: encoder.init(jax.random.key(0), x, train=False))
    variables = interop.load(weights, like)

    @jax.jit
    def run(variables, x):
        tokens = encoder.apply(variables, x, train=False, method="tokens")
        return {"last_hidden": tokens, "pooled": encoder.pool(tokens)}

    return run(variables, x)
