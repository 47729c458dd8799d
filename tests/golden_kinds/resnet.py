"""What the kinds of residual networks share."""

import jax
import jax.numpy as jnp

from kdjax.interop import tsn as interop
from kdjax.models import tsn


def answers(meta, inputs, weights, *, depth):
    """The stages, the pooled features and the logits of videos of one frame."""
    model = tsn.Model(meta["hyper"]["num_classes"], depth=depth)
    x = jnp.moveaxis(jnp.asarray(inputs["x"]), 1, -1)[:, None]
    like = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
    variables = interop.load(weights, like)
    out = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, x)
    maps = {
        f"stage{number}": jnp.moveaxis(stage[:, 0], -1, 1)
        for number, stage in enumerate(out["stages"], 1)
    }
    return {"logits": out["logits"], "pooled": out["features"], **maps}
