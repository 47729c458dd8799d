"""Joint heatmaps, their support included."""

import jax.numpy as jnp
import numpy as np

from kdjax import heatmaps, skeletons


def joints(inputs):
    """Poses (M, T, J, 2) and scores (M, T, J) as one array [T M J 3]."""
    score = inputs["score"][..., None]
    return jnp.asarray(np.concatenate([inputs["keypoint"], score], -1)).swapaxes(0, 1)


def options(hyper):
    """What both renderers are told."""
    return {"size": tuple(hyper["hw"]), "sigma": hyper["sigma"]}


def compute(meta, inputs, weights):
    """Maps in the reference's layout (T, J, H, W)."""
    hyper = meta["hyper"]
    flip = set(zip(hyper["left"], hyper["right"]))
    assert flip == set(skeletons.get("coco").flip)
    maps = heatmaps.joint_heatmaps(joints(inputs), **options(hyper))
    return {"heatmap": np.moveaxis(np.asarray(maps), -1, 1)}


def check(meta, inputs, want, got):
    """The support, but for far corners of limbs, which underflow."""
    want, got = want["heatmap"], got["heatmap"]
    assert (got[want == 0] < 1e-30).all()
    assert (got[want > 1e-6] > 0).all()
    if meta["hyper"]["target"] == "joint":
        np.testing.assert_array_equal(got > 0, want > 0)
