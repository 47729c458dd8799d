"""PoseC3D: stem, stages, pooled features and logits, through the loader of its weights."""

import jax
import jax.numpy as jnp

from kdjax.interop import posec3d as interop
from kdjax.models import posec3d


def compute(meta, inputs, weights):
    """The outputs; the stem is that before the pooling."""
    model = posec3d.Model(meta["hyper"]["num_classes"])
    x = jnp.moveaxis(jnp.asarray(inputs["x"]), 1, -1)
    like = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
    variables = interop.load(weights, like)

    @jax.jit
    def run(variables, x):
        return model.apply(
            variables,
            x,
            train=False,
            capture_intermediates=lambda module, _: module.name == "stem",
        )

    outputs, state = run(variables, x)
    (stem,) = state["intermediates"]["stem"]["__call__"]
    stem = stem.reshape(*x.shape[:2], *stem.shape[2:])  # it sees frames as pictures
    maps = dict(zip(("layer1", "layer2", "layer3"), outputs["stages"]), stem=stem)
    maps = {name: jnp.moveaxis(value, -1, 1) for name, value in maps.items()}
    return {"logits": outputs["logits"], "pooled": outputs["features"], **maps}
