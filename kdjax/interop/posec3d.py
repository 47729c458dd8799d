"""Weights of pyskl and MMAction2 for `kdjax.models.posec3d`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kdjax.interop import units
from kdjax.typing import PyTree

NAMES = units.Names(
    conv=lambda path: f"backbone.{units.resnet(path)}.conv",
    norm=lambda path: f"backbone.{units.resnet(path)}.bn",
    head="head/fc1",
    classifier="cls_head.fc_cls",
)


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
