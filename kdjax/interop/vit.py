"""Weights of Hugging Face's, timm's and google-research's ViT for `kdjax.models.vit`."""

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kdjax.interop import positions
from kdjax.interop.accounting import Rule, dense_kernel, fill, read
from kdjax.interop.variables import flatten
from kdjax.interop.vit_names import GOOGLE, HUGGING_FACE, TIMM, Style, style_of
from kdjax.typing import PyTree

__all__ = ["GOOGLE", "HUGGING_FACE", "TIMM", "load", "load_encoder", "rules"]

Grid = tuple[int, int] | None
Resize = Callable[[np.ndarray, tuple[int, int]], np.ndarray]

_WRAPPERS = ("module.", "vit.", "audio_spectrogram_transformer.", "v.")
_HEADS = ("head", "head_dist", "pre_logits", "pooler", "classifier", "mlp_head")
_QKV = ("query", "key", "value")


def patch_kernel(
    weight: np.ndarray, like: tuple[int, ...], *, flax: bool, swap: bool = False
) -> np.ndarray:
    """A convolution of whole patches as a matrix.

    Args:
      weight: (out, in, row, column), or Flax's (row, column, in, out).
      like: the shape of ours; where it has the values of one channel and the convolution
        has several, these are summed, as for a grey picture.
      flax: which of the two.
      swap: whether our patches are cut with rows and columns exchanged.

    Returns:
      [row column in, out].
    """
    if not flax:
        weight = weight.transpose(2, 3, 1, 0)
    if swap:
        weight = weight.swapaxes(0, 1)
    if like[0] == weight.shape[0] * weight.shape[1]:
        weight = weight.sum(axis=2, keepdims=True)
    return weight.reshape(-1, weight.shape[-1])


def _positions(
    table: np.ndarray, like: tuple[int, ...], *, prefixes: int, grid: Grid, to: Resize
) -> np.ndarray:
    """The patches' positions, of a table of all, at our size."""
    table = table.reshape(-1, table.shape[-1])[prefixes:]
    rows, columns = grid or positions.square(len(table))
    return to(table.reshape(rows, columns, table.shape[-1]), like[:2])


def _inside(module: str, leaf: str, style: Style) -> Callable[[np.ndarray], np.ndarray]:
    """From a layer's array in a project's layout to ours."""
    name = module.removeprefix("attention/")
    third = _QKV.index(name) if style.fused and name in _QKV else None

    def convert(tensor: np.ndarray) -> np.ndarray:
        if third is not None:
            tensor = np.split(tensor, 3)[third]
        if leaf != "kernel":
            return tensor.reshape(-1)
        if not style.flax:
            return dense_kernel(tensor)
        # Heads are a middle axis of queries, keys and values, the first one of the output.
        return tensor.reshape(
            (-1, tensor.shape[-1]) if name not in _QKV else (len(tensor), -1)
        )

    return convert


def rules(
    like: Mapping[str, Any],
    style: Style,
    *,
    grid: Grid = None,
    to: Resize | None = None,
    swap: bool = False,
) -> dict[str, Rule]:
    """Where the arrays of an encoder stand in a checkpoint.

    Args:
      like: arrays or shapes by our names, such as ``layer1/norm1/scale``.
      style: of the checkpoint.
      grid: rows and columns of its positions, -1 for as many as there are; None means a
        square.
      to: resizes positions; None does it as the project does.
      swap: see `patch_kernel`.

    Returns:
      A rule for each of our arrays.
    """
    to = to or functools.partial(positions.resize, method=style.resize)
    prefixes = like["prefix_positions"].shape[0]
    special = {
        "positions": functools.partial(
            _positions,
            like=like["positions"].shape,
            prefixes=prefixes,
            grid=grid,
            to=to,
        ),
        "prefix_positions": lambda t: t.reshape(-1, t.shape[-1])[:prefixes],
        "embed/kernel": functools.partial(
            patch_kernel, like=like["embed/kernel"].shape, flax=style.flax, swap=swap
        ),
    }
    made = {}
    for name in like:
        module, _, leaf = name.rpartition("/")
        layer = re.fullmatch(r"layer(\d+)/(.+)", module)
        # Learned tokens and positions are arrays of their own; one table has all positions.
        inner = layer[2] if layer else module or leaf.removeprefix("prefix_")
        parts = [style.layer.format(int(layer[1]) - 1)] if layer else []
        # A module that the project lacks is then reported as missing, with all others.
        parts += [style.names.get(inner, inner)]
        parts += [style.leaves[leaf]] if module else []
        convert = special.get(name) or _inside(inner, leaf, style)
        made[name] = Rule(style.dot.join(parts), convert)
    return made


def load(
    source: str | Path | Mapping[str, np.ndarray],
    like: PyTree,
    *,
    grid: Grid = None,
    method: str | None = None,
) -> PyTree:
    """Variables of `kdjax.models.vit.Encoder` from a checkpoint of one of the projects.

    Classifiers and poolers are left behind. Hugging Face's models normalise with an
    epsilon of 1e-12, the others with 1e-6.

    Args:
      source: a file that `read` knows, or tensors by name.
      like: variables of the encoder that is to be filled, for names and shapes; where it
        sees other sizes of images, positions are resized.
      grid: rows and columns of the checkpoint's positions; None means a square.
      method: of resizing, see `positions.weights`; None does it as the project does.

    Returns:
      Variables in the structure of ``like``.

    Raises:
      ValueError: where the names are unknown, or tensors are missing, unexpected, of a
        wrong shape or not finite, naming all of them.

    References:
      https://github.com/huggingface/transformers,
      https://github.com/huggingface/pytorch-image-models,
      https://github.com/google-research/vision_transformer.
    """
    resize = None
    if method is not None:
        resize = functools.partial(positions.resize, method=method)
    return load_encoder(source, like, grid=grid, to=resize)


def load_encoder(
    source: str | Path | Mapping[str, np.ndarray], like: PyTree, **options: Any
) -> PyTree:
    """Variables of an encoder made of a `kdjax.models.vit.Trunk`.

    Args:
      source: see `load`.
      like: see `load`.
      **options: of `rules`.

    Returns:
      Variables in the structure of ``like``.

    Raises:
      ValueError: see `load`.
    """
    tensors = {}
    for name, tensor in read(source).items():
        for wrapper in _WRAPPERS:
            name = name.removeprefix(wrapper)
        tensors[name] = tensor
    ours = {name.removeprefix("params/"): v for name, v in flatten(like).items()}
    made = rules(ours, style_of(tensors), **options)
    ignored = [name for name in tensors if re.split(r"[./]", name)[0] in _HEADS]
    ignored += [name for name in tensors if name.endswith("mask_token")]
    named = {f"params/{name}": rule for name, rule in made.items()}
    return fill(named, tensors, like, ignored=ignored)
