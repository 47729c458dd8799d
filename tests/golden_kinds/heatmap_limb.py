"""Limb heatmaps, their support included."""

import numpy as np

from kdjax import heatmaps, skeletons
from tests.golden_kinds import heatmap_joint

check = heatmap_joint.check


def compute(meta, inputs, weights):
    """Maps in the reference's layout (T, L, H, W), from our own list of limbs."""
    hyper, coco = meta["hyper"], skeletons.get("coco")
    np.testing.assert_array_equal(hyper["skeletons"], coco.limbs)
    pairs = skeletons.limb_pairs(coco.limbs, coco.flip)
    assert set(zip(hyper["left"], hyper["right"])) >= set(pairs)
    maps = heatmaps.limb_heatmaps(
        heatmap_joint.joints(inputs), limbs=coco.limbs, **heatmap_joint.options(hyper)
    )
    return {"heatmap": np.moveaxis(np.asarray(maps), -1, 1)}
