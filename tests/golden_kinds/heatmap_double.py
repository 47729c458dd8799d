"""Maps and their mirror images, which the reference appends frame after frame."""

import jax.numpy as jnp
import numpy as np

from kdjax import heatmaps, skeletons
from tests.golden_kinds import heatmap_joint, heatmap_limb

check = heatmap_joint.check


def compute(meta, inputs, weights):
    """Maps in the reference's layout (2 T, C, H, W)."""
    coco, joint = skeletons.get("coco"), meta["hyper"]["target"] == "joint"
    kind = heatmap_joint if joint else heatmap_limb
    maps = np.moveaxis(kind.compute(meta, inputs, weights)["heatmap"], 1, -1)
    pairs = coco.flip if joint else skeletons.limb_pairs(coco.limbs, coco.flip)
    both = np.asarray(heatmaps.double_heatmaps(jnp.asarray(maps), pairs=pairs))
    return {"heatmap": np.moveaxis(both.reshape(-1, *both.shape[2:]), -1, 1)}
