"""Channel distillation and the relations of pooled maps, through trained connectors."""

import jax
import jax.numpy as jnp

from kdjax.methods import ccskd
from kdjax.models.adapters import ConvRegressor


def _variables(weights, number):
    """The connector of one stage under the names that the module gives its own."""

    def of(name):
        return jnp.asarray(weights[f"connector.{number}.{name}"])

    return {
        "params": {
            "Conv": {"kernel": of("0.weight").transpose(2, 3, 1, 0)},
            "norm": {"scale": of("1.weight"), "bias": of("1.bias")},
        },
        "batch_stats": {
            "norm": {"mean": of("1.running_mean"), "var": of("1.running_var")}
        },
    }


def compute(meta, inputs, weights):
    """Both terms and their gradients; a picture is a video of one segment."""
    count = len(meta["hyper"]["stages"])
    students, teachers = (
        [
            jnp.moveaxis(jnp.asarray(inputs[f"{side}{k}"]), 1, -1)[:, None]
            for k in range(count)
        ]
        for side in ("s", "t")
    )

    def adapt(name, x, *shape):
        module = ConvRegressor(*shape, use_bias=False)
        number = int(name.removeprefix("stage")) - 1
        return module.apply(_variables(weights, number), x, train=False)

    def term(which):
        def value(maps):
            mask = jnp.ones(len(maps[0]))
            return ccskd.channel_terms(maps, teachers, adapt, mask=mask)[which].mean()

        return jax.jit(jax.value_and_grad(value))(students)

    (cd, of_cd), (rkd, of_rkd) = term(0), term(1)
    out = {"cd": cd, "rkd": rkd}
    for k in range(count):
        out[f"grad_s{k}"] = jnp.moveaxis(of_cd[k][:, 0], -1, 1)
        out[f"grad_rkd__s{k}"] = jnp.moveaxis(of_rkd[k][:, 0], -1, 1)
    return out
