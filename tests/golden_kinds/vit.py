"""ViT's tokens, through the loader of its weights."""

import jax
import jax.numpy as jnp

from kdjax.interop import vit as interop
from kdjax.models import vit


def compute(meta, inputs, weights):
    """All tokens and the class token, of weights under the names of two projects."""
    hyper = meta["hyper"]
    encoder = vit.Encoder(
        patch=hyper["patch_size"],
        width=hyper["hidden_size"],
        depth=hyper["num_hidden_layers"],
        heads=hyper["num_attention_heads"],
        hidden=hyper["intermediate_size"],
        epsilon=hyper["layer_norm_eps"],
    )
    style = {"hf": interop.HUGGING_FACE, "timm": interop.TIMM}[hyper["naming"]]
    assert interop.style_of(weights) is style
    x = jnp.moveaxis(jnp.asarray(inputs["x"]), 1, -1)
    like = jax.eval_shape(lambda: encoder.init(jax.random.key(0), x, train=False))
    variables = interop.load(weights, like)

    @jax.jit
    def run(variables, x):
        tokens = encoder.apply(variables, x, train=False, method="tokens")
        return {"last_hidden": tokens, "cls": encoder.pool(tokens)}

    return run(variables, x)
