"""MultiTSF's transformer over cameras and its heads, through the loader."""

import jax
import jax.numpy as jnp

from kdjax.interop import multitsf as interop
from kdjax.models.multitsf import Sensors


def compute(meta, inputs, weights):
    """The cameras' tokens after they have met, and the logits."""
    hyper, x = meta["hyper"], jnp.asarray(inputs["x"])
    model = Sensors(
        hyper["num_classes"],
        heads=hyper["heads"],
        hidden=hyper["ffn"],
        attend=hyper["attend"],
    )
    there = jnp.ones(x.shape[:-1], bool)
    like = jax.eval_shape(lambda: model.init(jax.random.key(0), x, there, train=False))
    nested = {"params": {"backbone": {"sensors": like["params"]}}}
    params = interop.load(weights, nested)["params"]["backbone"]["sensors"]

    @jax.jit
    def run(params, x):
        return model.apply(
            {"params": params},
            x,
            there,
            train=False,
            capture_intermediates=lambda module, _: module.name == "layer",
        )

    out, state = run(params, x)
    (tokens,) = state["intermediates"]["layer"]["__call__"]
    batch, views, frames, features = x.shape
    if hyper["attend"] == "batch":
        tokens = tokens.reshape(views, batch, frames, features).transpose(1, 2, 0, 3)
    names = ("view_frame_logits", "frame_logits", "seq_logits")
    return {"device_tokens": tokens, **{name: out[name] for name in names}}
