"""Compacted poses of several clips at once."""

import jax.numpy as jnp
import numpy as np

from kdjax import poses


def compute(meta, inputs, weights):
    """Poses (n, M, T, J, 2) and the sizes of their boxes."""
    hyper = meta["hyper"]
    points = inputs["keypoint"].swapaxes(1, 2)
    joints = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)
    size = np.tile(np.array(hyper["img_shape"], np.int32), (len(joints), 1))
    joints, size = poses.compact(
        jnp.asarray(joints),
        jnp.asarray(size),
        padding=hyper["padding"],
        threshold=float(hyper["threshold"]),
        ratio=(hyper["hw_ratio"],) * 2,
        inside=not hyper["allow_imgpad"],
    )
    moved = np.asarray(joints)[..., :2].swapaxes(1, 2)
    return {"keypoint": moved, "img_shape": np.asarray(size)}
