"""Graph cross-attention between the stages of two networks."""

import jax
import jax.numpy as jnp

from kdjax.losses import graphs


def _channels_last(inputs, side, stages):
    maps = (inputs[f"{side}{k}"] for k in range(stages))
    return [jnp.moveaxis(jnp.asarray(f), 2, -1) for f in maps]


def compute(meta, inputs, weights):
    """The loss, its terms by pair of stages, its gradients, graphs and attention."""
    count = len(meta["hyper"]["stages"])
    students = _channels_last(inputs, "s", count)
    teachers = _channels_last(inputs, "t", count)

    def loss(maps):
        return graphs.graph_cross_attention(maps, teachers)[0]

    value, gradients = jax.jit(jax.value_and_grad(loss))(students)
    pair = [
        [graphs.graph_cross_attention([s], [t])[0] for t in teachers] for s in students
    ]
    out = {"loss": value, "pair": jnp.array(pair)}
    edges = {}
    for side, maps in (("s", students), ("t", teachers)):
        for k, stage in enumerate(maps):
            nodes = stage.mean(axis=1).reshape(len(stage), -1)
            weight = graphs.edge_weights(nodes)
            edges[f"{side}{k}"] = graphs.normalised_edges(weight)
            out[f"E_{side}{k}"], out[f"Q_{side}{k}"] = weight, edges[f"{side}{k}"]
    out["attention"] = jnp.array(
        [
            [
                graphs.cross_attention(edges[f"s{i}"], edges[f"t{j}"])
                for j in range(count)
            ]
            for i in range(count)
        ]
    )
    for k, gradient in enumerate(gradients):
        out[f"grad_s{k}"] = jnp.moveaxis(gradient, -1, 2)
    return out
