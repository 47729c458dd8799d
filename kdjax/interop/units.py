"""Weights of networks whose layers are a convolution and a normalisation each."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kdjax.interop.accounting import LEAVES, Rule, conv_kernel, dense_kernel, fill, read
from kdjax.interop.variables import flatten
from kdjax.typing import PyTree


class Names(NamedTuple):
    """How a checkpoint calls what `kdjax.models.conv_norm.ConvNorm` and a classifier hold.

    Attributes:
      conv: from the path of a layer of ours, ``a/b``, to the checkpoint's convolution.
      norm: the same for its normalisation.
      head: the classifier's path of ours.
      classifier: the same in the checkpoint.
      kernel: from the layout of the checkpoint's convolutions to ours.
    """

    conv: Callable[[str], str]
    norm: Callable[[str], str]
    head: str
    classifier: str
    kernel: Callable[[np.ndarray], np.ndarray] = conv_kernel


def resnet(path: str) -> str:
    """A residual network's layer: ``stage1_block2/unit3`` is ``layer1.1.conv3``.

    Args:
      path: of a layer of ours.

    Returns:
      Its name in PyTorch's projects.
    """
    if path == "stem":
        return "conv1"
    stage, block, unit = re.fullmatch(r"stage(\d+)_block(\d+)/(\w+)", path).groups()
    unit = "downsample" if unit == "skip" else unit.replace("unit", "conv")
    return f"layer{stage}.{int(block) - 1}.{unit}"


def _rule(name: str, names: Names) -> Rule:
    """Where one of our arrays stands in a checkpoint."""
    path, _, leaf = name.partition("/")[2].rpartition("/")
    if path == names.head:
        convert = dense_kernel if leaf == "kernel" else np.asarray
        return Rule(f"{names.classifier}.{LEAVES[leaf]}", convert)
    module, _, layer = path.rpartition("/")
    if layer == "conv":
        return Rule(f"{names.conv(module)}.weight", names.kernel)
    return Rule(f"{names.norm(module)}.{LEAVES[leaf]}")


def load(
    source: str | Path | Mapping[str, np.ndarray],
    like: PyTree,
    names: Names,
    *,
    head: bool,
) -> PyTree:
    """Variables filled from a checkpoint; counters of batches are dropped.

    Args:
      source: a file that `read` knows, or tensors by name.
      like: variables of the model that is to be filled, for names and shapes.
      names: of the checkpoint.
      head: whether the classifier is loaded too; otherwise ``like`` keeps its own and
        must hold arrays.

    Returns:
      Variables in the structure of ``like``; running variances are as stored.

    Raises:
      ValueError: where tensors are missing, unexpected, of a wrong shape or not finite,
        naming all of them.
    """
    tensors = {n.removeprefix("module."): t for n, t in read(source).items()}
    ignored = [name for name in tensors if name.endswith(".num_batches_tracked")]
    ours = list(flatten(like))
    if not head:
        ignored += [f"{names.classifier}.{leaf}" for leaf in ("weight", "bias")]
        ours = [name for name in ours if not name.startswith(f"params/{names.head}/")]
    rules = {name: _rule(name, names) for name in ours}
    return fill(rules, tensors, like, ignored=ignored)
