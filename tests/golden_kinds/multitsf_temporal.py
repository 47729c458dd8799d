"""MultiTSF's temporal transformer, through the loader of its weights."""

import functools

import jax
import jax.numpy as jnp

from kdjax.interop import multitsf as interop
from kdjax.models.temporal import Temporal
from kdjax.models.transformer import Layer


def compute(meta, inputs, weights):
    """The class token and the frames'."""
    hyper, x = meta["hyper"], jnp.asarray(inputs["x"])
    layer = functools.partial(Layer, hyper["heads"], epsilon=1e-5)
    model = Temporal(hyper["layers"], layer, drop_path=0.1)
    there = jnp.ones(x.shape[:-1], bool)
    like = jax.eval_shape(lambda: model.init(jax.random.key(0), x, there, train=False))
    tensors = {f"temporal_transformer.{name}": w for name, w in weights.items()}
    nested = {"params": {"backbone": {"temporal": like["params"]}}}
    params = interop.load(tensors, nested)["params"]["backbone"]["temporal"]
    run = jax.jit(lambda p, x: model.apply({"params": p}, x, there, train=False))
    token, tokens = run(params, x)
    return {"cls": token, "tokens": tokens}
