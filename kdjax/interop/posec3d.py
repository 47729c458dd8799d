"""Weights of pyskl and MMAction2 for `kdjax.models.posec3d`."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kdjax.interop import units
from kdjax.typing import PyTree


def _module(path: str) -> str:
    """``stage1_block2/unit3`` is ``backbone.layer1.1.conv3``."""
    if path == "stem":
        return "backbone.conv1"
    stage, block, unit = re.fullmatch(r"stage(\d+)_block(\d+)/(\w+)", path).groups()
    unit = "downsample" if unit == "skip" else unit.replace("unit", "conv")
    return f"backbone.layer{stage}.{int(block) - 1}.{unit}"


NAMES = units.Names(_module, "conv", head="head/fc1", classifier="cls_head.fc_cls")


def load(
    source: str | Path | Mapping[str, np.ndarray], like: PyTree, *, head: bool = True
) -> PyTree:
    """Variables of `kdjax.models.posec3d.Model` from a checkpoint of either project.

    The checkpoints for NTU RGB+D 120 that pyskl calls joint were trained on limbs in its
    default order: they load as the others, and want that input.

    Args:
      source: a ``.pth``, ``.safetensors`` or ``.npz`` file, or tensors by name.
      like: variables of the model that is to be filled, for names and shapes.
      head: whether the classifier is loaded too; otherwise ``like`` keeps its own and
        must hold arrays.

    Returns:
      Variables in the structure of ``like``.

    Raises:
      ValueError: where tensors are missing, unexpected, of a wrong shape or not finite,
        naming all of them.

    References:
      https://github.com/kennymckormick/pyskl,
      https://github.com/open-mmlab/mmaction2.
    """
    return units.load(source, like, NAMES, head=head)
