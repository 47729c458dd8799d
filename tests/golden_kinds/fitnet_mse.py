"""FitNet: a regressed student map against the teacher's."""

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.losses import features
from kdjax.models.adapters import ConvRegressor


def _variables(module, x, weights):
    """The reference's tensors under the names that the module gives its own."""
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), x, train=False))
    conv = next(n for n in shapes["params"] if "kernel" in shapes["params"][n])
    (norm,) = shapes["batch_stats"]
    kernel = weights["conv_reg.conv.weight"]
    if "Transpose" in conv:
        # (in, out, h, w), correlated with the flipped kernel.
        kernel = np.flip(kernel.transpose(2, 3, 0, 1), (0, 1))
    else:
        kernel = kernel.transpose(2, 3, 1, 0)
    assert shapes["params"][conv]["kernel"].shape == kernel.shape
    layers = {conv: {"kernel": kernel, "bias": weights["conv_reg.conv.bias"]}}
    layers[norm] = {
        "scale": weights["conv_reg.bn.weight"],
        "bias": weights["conv_reg.bn.bias"],
    }
    statistics = {
        "mean": weights["conv_reg.bn.running_mean"],
        "var": weights["conv_reg.bn.running_var"],
    }
    variables = {"params": layers, "batch_stats": {norm: statistics}}
    return jax.tree.map(jnp.asarray, variables)


def compute(meta, inputs, weights):
    """The loss, the regressed map and the gradient into the student's map."""
    student, teacher = (
        jnp.moveaxis(jnp.asarray(inputs[name]), 1, -1) for name in ("s", "t")
    )
    module = ConvRegressor(
        features=teacher.shape[-1], target_shape=tuple(teacher.shape[1:-1])
    )
    variables = _variables(module, student, weights)

    def loss(x):
        regressed = module.apply(variables, x, train=False)
        return features.hint(regressed, teacher).mean(), regressed

    (value, regressed), gradient = jax.value_and_grad(loss, has_aux=True)(student)
    out = {"reg": regressed, "grad_s": gradient}
    return {"loss": value, **{k: jnp.moveaxis(v, -1, 1) for k, v in out.items()}}
