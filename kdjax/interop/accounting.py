"""Foreign checkpoints into ours: read by name, every tensor accounted for."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import safetensors
from safetensors.numpy import load_file

from kdjax.interop import pth
from kdjax.interop.variables import flatten, unflatten
from kdjax.typing import PyTree

Tensors = Mapping[str, np.ndarray]

LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
"""Our names of a layer's arrays, and PyTorch's."""


class Rule(NamedTuple):
    """Where one of our arrays comes from.

    Attributes:
      source: name in the checkpoint.
      convert: from the checkpoint's layout to ours.
    """

    source: str
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray


def dense_kernel(weight: np.ndarray) -> np.ndarray:
    """A linear layer, or a convolution of one position: (out, in, 1...) to (in, out)."""
    return weight.reshape(weight.shape[:2]).T


def conv_kernel(weight: np.ndarray) -> np.ndarray:
    """A convolution: (out, in, *positions) to (*positions, in, out)."""
    return np.moveaxis(weight, (0, 1), (-1, -2))


def read(source: str | Path | Tensors) -> dict[str, np.ndarray]:
    """All tensors of a checkpoint by name.

    Args:
      source: a ``.safetensors``, ``.npz``, ``.pth`` or ``.pt`` file, or the tensors
        themselves.

    Returns:
      NumPy arrays in the checkpoint's own layout.

    Raises:
      ValueError: where the file is of another kind or damaged, naming it.
    """
    if isinstance(source, Mapping):
        return {name: np.asarray(value) for name, value in source.items()}
    path = Path(source)
    if path.suffix in (".pth", ".pt"):
        return pth.read(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except (safetensors.SafetensorError, OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} is no readable checkpoint: {error}") from error
    raise ValueError(f"{path} is no .safetensors, .npz, .pth or .pt file")


def _convert(rule: Rule, tensors: Tensors, like: Any) -> np.ndarray | str:
    """Our array, or a sentence that says why it cannot be made."""
    tensor = tensors[rule.source]
    try:
        value = rule.convert(tensor)
    except ValueError:
        return f"{rule.source} {tensor.shape} is of another kind of layer"
    if value.shape != like.shape:
        return f"{rule.source} {tensor.shape} gives {value.shape}, not {like.shape}"
    if not np.isfinite(value).all():
        return f"{rule.source} holds values that are not finite"
    return np.array(value, dtype=like.dtype, order="C")


def assemble(
    rules: Mapping[str, Rule],
    tensors: Tensors,
    like: Mapping[str, Any],
    *,
    ignored: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Our arrays, from a checkpoint that holds exactly what they need.

    Args:
      rules: the origin of each of our arrays, by our names.
      tensors: of the checkpoint.
      like: arrays or shapes by our names, with the expected shape and type.
      ignored: names in the checkpoint that nothing of ours needs.

    Returns:
      Our arrays by our names.

    Raises:
      ValueError: where tensors are missing, unexpected, of a wrong shape or not finite,
        naming all of them.
    """
    sources = {rule.source for rule in rules.values()}
    missing = sorted(sources - set(tensors))
    unexpected = sorted(set(tensors) - sources - set(ignored))
    made = {
        name: _convert(rule, tensors, like[name])
        for name, rule in rules.items()
        if rule.source in tensors
    }
    wrong = sorted(value for value in made.values() if isinstance(value, str))
    if missing or unexpected or wrong:
        found = {"missing": missing, "unexpected": unexpected, "wrong": wrong}
        text = "; ".join(f"{what} {names}" for what, names in found.items() if names)
        raise ValueError(f"the checkpoint does not fit the model: {text}")
    return made


def fill(
    rules: Mapping[str, Rule],
    tensors: Tensors,
    like: PyTree,
    *,
    ignored: Collection[str] = (),
) -> PyTree:
    """Variables filled from a checkpoint that holds exactly what they need.

    Args:
      rules: the origin of arrays of ours, by name; the others keep their values.
      tensors: of the checkpoint.
      like: variables of the model, for names and shapes; arrays where no rule is given.
      ignored: names in the checkpoint that nothing of ours needs.

    Returns:
      Variables in the structure of ``like``.

    Raises:
      ValueError: see `assemble`.
    """
    flat = flatten(like)
    loaded = assemble(rules, tensors, flat, ignored=ignored)
    arrays = {name: jnp.asarray(loaded.get(name, leaf)) for name, leaf in flat.items()}
    return unflatten(arrays, like)
