"""The skeleton preprocessing of Fusion-GCN, clip by clip."""

import numpy as np

from data_pipelines.transforms import skeleton


def compute(meta, inputs, weights):
    """Clips in the reference's layout (n, M, T, V, 3)."""
    hyper = meta["hyper"]
    clips = [
        skeleton.normalise(
            clip.transpose(1, 0, 2, 3),
            origin=hyper["origin"],
            z=tuple(hyper["z"]),
            x=tuple(hyper["x"]),
        ).transpose(1, 0, 2, 3)
        for clip in inputs["skeleton"]
    ]
    return {"skeleton": np.stack(clips)}
