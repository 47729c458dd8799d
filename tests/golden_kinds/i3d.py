"""I3D: endpoints, slots and logits, through the loader of its weights."""

import jax
import jax.numpy as jnp

from kdjax.interop import i3d as interop
from kdjax.models import i3d

STAGES = ("Conv3d_1a_7x7", "Conv3d_2c_3x3", "Mixed_3c", "Mixed_4f", "Mixed_5c")


def compute(meta, inputs, weights):
    """The outputs; the published head takes 224x224 pixels alone."""
    model = i3d.Model(meta["hyper"]["num_classes"])
    x = jnp.moveaxis(jnp.asarray(inputs["x"]), 1, -1)
    like = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
    variables = interop.load(weights, like)
    outputs = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, x)
    maps = dict(zip(STAGES, outputs["stages"]), slot_logits=outputs["slot_logits"])
    maps = {name: jnp.moveaxis(value, -1, 1) for name, value in maps.items()}
    return {"logits": outputs["logits"], "features": outputs["features"], **maps}
