"""2s-AGCN: blocks, pooled features and logits, through the loader of its weights."""

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import skeletons
from kdjax.interop import agcn as interop
from kdjax.models import agcn

TOPOLOGIES = {"utd20": "kinect_v1", "ntu25": "kinect_v2"}
MAPS = {
    "l1_gcn": ("block1", "graph"),
    "l1": ("block1",),
    "l5": ("block5",),
    "l10": ("block10",),
}


def _map(intermediates, path):
    """The output of a module, (N M J T C), in the reference's order (N M, C, T, J)."""
    for name in path:
        intermediates = intermediates[name]
    (value,) = intermediates["__call__"]
    return value.transpose(0, 3, 2, 1)


def compute(meta, inputs, weights):
    """The outputs; the fixed graph must be our own, which the network builds itself."""
    topology = TOPOLOGIES[meta["hyper"]["graph"]]
    graph = skeletons.adjacency(skeletons.get(topology))
    np.testing.assert_allclose(inputs["A"], graph, atol=1e-7, rtol=0)
    model = agcn.Model(meta["hyper"]["num_classes"], topology=topology, hidden=0)
    x = jnp.asarray(inputs["x"]).transpose(0, 2, 4, 3, 1)
    like = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
    variables = interop.load(weights, like)

    @jax.jit
    def run(variables, x):
        return model.apply(variables, x, train=False, capture_intermediates=True)

    outputs, state = run(variables, x)
    maps = {name: _map(state["intermediates"], path) for name, path in MAPS.items()}
    return {"logits": outputs["logits"], "pooled": outputs["features"], **maps}
