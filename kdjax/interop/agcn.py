"""Weights of 2s-AGCN and Fusion-GCN for `kdjax.models.agcn`."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kdjax.interop.accounting import (
    LEAVES,
    Rule,
    conv_kernel,
    dense_kernel,
    fill,
    read,
)
from kdjax.interop.variables import flatten
from kdjax.typing import PyTree

_WRAPPERS = ("module.", "_model.", "agcn.")
_MODULES = {
    "graph/norm": "gcn1.bn",
    "graph/down": "gcn1.down.0",
    "graph/down_norm": "gcn1.down.1",
    "time": "tcn1.conv",
    "time_norm": "tcn1.bn",
    "skip": "residual.conv",
    "skip_norm": "residual.bn",
    **{f"graph/theta{k}": f"gcn1.conv_a.{k}" for k in range(3)},
    **{f"graph/phi{k}": f"gcn1.conv_b.{k}" for k in range(3)},
    **{f"graph/transform{k}": f"gcn1.conv_d.{k}" for k in range(3)},
}


def _rule(name: str) -> Rule:
    """Where one of our arrays stands in a 2s-AGCN checkpoint."""
    _, module, leaf = re.fullmatch(r"(params|batch_stats)/(.+)/(\w+)", name).groups()
    block, _, rest = module.partition("/")
    layer = "l" + block.removeprefix("block")
    if (rest, leaf) == ("graph", "offset"):
        return Rule(f"{layer}.gcn1.PA")
    outside = {"input_norm": "data_bn", "head/fc1": "fc"}
    source = outside.get(module) or f"{layer}.{_MODULES[rest]}"
    if leaf != "kernel":
        return Rule(f"{source}.{LEAVES[leaf]}")
    return Rule(f"{source}.weight", conv_kernel1d if rest == "time" else dense_kernel)


def conv_kernel1d(weight: np.ndarray) -> np.ndarray:
    """A convolution over time, (out, in, steps, 1) to (steps, in, out)."""
    return conv_kernel(weight.squeeze(-1))


def _in_2s_agcn_names(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Wrappers removed, and Fusion-GCN's blocks from 0 and ``adj_b`` renamed."""
    named = {}
    for name, tensor in tensors.items():
        for wrapper in _WRAPPERS:
            name = name.removeprefix(wrapper)
        named[name] = tensor
    if not any(name.startswith("l0.") for name in named):
        return named
    return {
        re.sub(r"^l(\d+)\.", lambda m: f"l{int(m[1]) + 1}.", name).replace(
            "gcn1.adj_b", "gcn1.PA"
        ): tensor
        for name, tensor in named.items()
    }


def _check_graph(tensors: Mapping[str, np.ndarray], graph: np.ndarray) -> None:
    """Refuses a checkpoint whose own graph is another one."""
    for name, tensor in tensors.items():
        if name.endswith("gcn1.adj_a") and not (
            tensor.shape == graph.shape and np.allclose(tensor, graph, atol=1e-6)
        ):
            raise ValueError(f"{name} of the checkpoint is not the model's graph")


def load(
    source: str | Path | Mapping[str, np.ndarray],
    like: PyTree,
    *,
    head: bool = True,
    graph: np.ndarray | None = None,
) -> PyTree:
    """Variables of `kdjax.models.agcn.Model` from a checkpoint of either project.

    Args:
      source: a ``.safetensors`` or ``.npz`` file, or tensors by name.
      like: variables of the model that is to be filled, for names and shapes. The
        published classifier has no fc0: build the model with ``hidden=0``.
      head: whether the classifier is loaded too; otherwise ``like`` keeps its own and
        must hold arrays.
      graph: the model's, from `kdjax.skeletons.adjacency`; a Fusion-GCN checkpoint holds
        its own, which must then agree.

    Returns:
      Variables in the structure of ``like``.

    Raises:
      ValueError: where tensors are missing, unexpected or of a wrong shape, naming all
        of them, or where the graph is another one.

    References:
      https://github.com/lshiwjx/2s-AGCN, https://github.com/mduhme/fusion-gcn.
    """
    tensors = _in_2s_agcn_names(read(source))
    ours = [n for n in flatten(like) if head or not n.startswith("params/head/")]
    if any("/head/fc0/" in name for name in ours):
        raise ValueError(
            "the checkpoint has no fc0: build with hidden=0, or head=False"
        )
    if graph is not None:
        _check_graph(tensors, graph)
    ignored = [
        name for name in tensors if name.endswith((".adj_a", "_batches_tracked"))
    ]
    if not head:
        ignored += ["fc.weight", "fc.bias"]
    rules = {name: _rule(name) for name in ours}
    return fill(rules, tensors, like, ignored=ignored)
