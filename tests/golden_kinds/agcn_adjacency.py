"""The spatial partition of a graph, for any bones and for the built-in skeleton."""

import numpy as np

from kdjax import skeletons


def compute(meta, inputs, weights):
    """The three matrices; for the named skeleton also from our own bones."""
    del weights
    graph = skeletons.adjacency(inputs["edges"], meta["hyper"]["num_vertices"])
    if meta["hyper"]["graph"] == "utd20":
        topology = skeletons.get("kinect_v1")
        np.testing.assert_array_equal(inputs["edges"], topology.edges)
        np.testing.assert_array_equal(graph, skeletons.adjacency(topology))
    return {"A": graph}
