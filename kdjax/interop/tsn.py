"""Weights of torchvision, timm and MMAction2's TSN for `kdjax.models.tsn`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kdjax.interop import units
from kdjax.interop.accounting import conv_kernel, read
from kdjax.interop.variables import flatten
from kdjax.typing import PyTree

STEM = "params/stem/conv/kernel"


def _kernel(weight: np.ndarray) -> np.ndarray:
    """A convolution of frames, ours of clips of which it sees one frame at a time."""
    return conv_kernel(weight)[None]


def _conv(path: str) -> str:
    """torchvision: ``layer1.0.conv2``, and of a skip connection ``downsample.0``."""
    return units.resnet(path).replace("downsample", "downsample.0")


def _norm(path: str) -> str:
    """torchvision: ``layer1.0.bn2``, and of a skip connection ``downsample.1``."""
    name = units.resnet(path).replace("downsample", "downsample.1")
    return name.replace("conv", "bn")


TORCHVISION = units.Names(_conv, _norm, head="fc", classifier="fc", kernel=_kernel)
"""And timm, which calls everything alike."""

MMACTION2 = units.Names(
    conv=lambda path: f"backbone.{units.resnet(path)}.conv",
    norm=lambda path: f"backbone.{units.resnet(path)}.bn",
    head="fc",
    classifier="cls_head.fc_cls",
    kernel=_kernel,
)


def load(
    source: str | Path | Mapping[str, np.ndarray], like: PyTree, *, head: bool = True
) -> PyTree:
    """Variables of `kdjax.models.tsn.Model` from a checkpoint of one of the projects.

    Where the model sees one channel and the checkpoint three, the first kernel is summed
    over them: what the network makes of a grey picture stays the same.

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
      https://github.com/pytorch/vision, https://github.com/huggingface/pytorch-image-models,
      https://github.com/open-mmlab/mmaction2.
    """
    tensors = {n.removeprefix("module."): t for n, t in read(source).items()}
    known = any(name.startswith("backbone.") for name in tensors)
    names = MMACTION2 if known else TORCHVISION
    stem = f"{names.conv('stem')}.weight"
    if (
        stem in tensors
        and tensors[stem].ndim == 4
        and flatten(like)[STEM].shape[3] == 1
    ):
        tensors[stem] = tensors[stem].sum(axis=1, keepdims=True)
    return units.load(tensors, like, names, head=head)
