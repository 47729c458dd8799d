"""What tests of networks over clips share."""

import jax
import jax.numpy as jnp
import numpy as np

RNG = np.random.default_rng(0)


def array(*shape):
    """Random clips."""
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def shapes(model, *shape):
    """Shapes of variables and outputs; nothing is computed."""
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), x
    )
    outputs = jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, x)
    return variables, outputs


def count(variables):
    """Numbers in the parameters."""
    return sum(x.size for x in jax.tree.leaves(variables["params"]))
