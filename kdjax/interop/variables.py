"""Variables as named arrays, and a file that keeps them safely."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from etils import epath
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

from kdjax.typing import PyTree

_CHECKSUM, _EMPTY = "kdjax.checksum", "kdjax.empty"


def _named(tree: PyTree, **options: Any) -> list[tuple[str, Any]]:
    """Leaves with their paths as names."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree, **options)
    join = jax.tree_util.keystr
    return [(join(path, simple=True, separator="/"), leaf) for path, leaf in leaves]


def flatten(variables: PyTree) -> dict[str, Any]:
    """Leaves by name, such as ``params/conv1/kernel``.

    Args:
      variables: nested containers of arrays.

    Returns:
      The leaves in the tree's order.

    Raises:
      ValueError: where two leaves have one name.
    """
    pairs = _named(variables)
    flat = dict(pairs)
    if len(flat) != len(pairs):
        raise ValueError("two leaves have one name: a key holds a slash")
    return flat


def unflatten(flat: Mapping[str, Any], like: PyTree | None = None) -> PyTree:
    """The tree of which `flatten` made names.

    Args:
      flat: leaves by name.
      like: a tree of the same names whose containers are used; without it, dicts.

    Returns:
      The tree.

    Raises:
      ValueError: where the names are not those of ``like``.
    """
    if like is not None:
        names = list(flatten(like))
        _refuse(sorted(set(names) - set(flat)), sorted(set(flat) - set(names)), [])
        return jax.tree.unflatten(jax.tree.structure(like), [flat[n] for n in names])
    tree: dict[str, Any] = {}
    for name, leaf in flat.items():
        *parents, last = name.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return tree


def _refuse(missing: list[str], unexpected: list[str], wrong: list[str]) -> None:
    """Raises one sentence about all that differs, if anything does."""
    found = {"missing": missing, "unexpected": unexpected, "different": wrong}
    text = "; ".join(f"{what} {names}" for what, names in found.items() if names)
    if text:
        raise ValueError(f"the variables are not the expected ones: {text}")


def _describe(leaf: Any) -> str:
    return f"{np.dtype(leaf.dtype).name}{list(leaf.shape)}"


def check_same_tree(expected: PyTree, found: PyTree) -> None:
    """Refuses variables of other names, shapes or types.

    Args:
      expected: arrays or `jax.ShapeDtypeStruct`.
      found: arrays.

    Raises:
      ValueError: naming all that is missing, unexpected or different.
    """
    expected, found = flatten(expected), flatten(found)
    wrong = [
        f"{name} is {_describe(found[name])} instead of {_describe(leaf)}"
        for name, leaf in expected.items()
        if name in found and _describe(found[name]) != _describe(leaf)
    ]
    missing = sorted(set(expected) - set(found))
    _refuse(missing, sorted(set(found) - set(expected)), wrong)


def _checksum(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Digest of every name, type, shape, value and word of metadata."""
    digest = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {_describe(arrays[name])}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def _is_empty(node: Any) -> bool:
    return node is None or (isinstance(node, Mapping) and not node)


def _not_finite(arrays: Mapping[str, np.ndarray]) -> list[str]:
    return sorted(name for name, a in arrays.items() if not np.isfinite(a).all())


def save_variables(
    path: str | os.PathLike, variables: PyTree, metadata: Mapping[str, str]
) -> None:
    """Writes variables as a safetensors file with a checksum, all or nothing.

    The file is written beside its place and then renamed, so that a reader never sees a
    part of it.

    Args:
      path: of the file, local or in a bucket; an older one is replaced.
      variables: nested containers of arrays.
      metadata: words to keep with them; names do not start with ``kdjax.``.

    Raises:
      ValueError: where a value is not finite or a word of metadata no string.
    """
    path = epath.Path(path)
    arrays = {n: np.asarray(a, order="C") for n, a in flatten(variables).items()}
    if bad := _not_finite(arrays):
        raise ValueError(f"{path} is not written: not finite are {bad}")
    words = [*metadata, *metadata.values()]
    if any(not isinstance(w, str) for w in words) or {_CHECKSUM, _EMPTY} & {*metadata}:
        raise ValueError(f"{path} is not written: its metadata must be our own strings")
    empty = _named(variables, is_leaf=_is_empty)
    empty = [name for name, node in empty if name not in arrays]
    header = {**metadata, _EMPTY: json.dumps(empty)}
    header[_CHECKSUM] = _checksum(arrays, header)
    temporary = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        temporary.write_bytes(serialise(arrays, header))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: epath.Path) -> tuple[dict[str, np.ndarray], dict[str, str], list[str]]:
    """Arrays, metadata and the names of empty containers of a sound file."""
    data = path.read_bytes()
    try:
        arrays = parse(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (safetensors.SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    checksum = metadata.pop(_CHECKSUM, None)
    if checksum is None:
        raise ValueError(f"{path} has no checksum: it was not written by this project")
    if checksum != _checksum(arrays, metadata):
        raise ValueError(f"{path} is damaged: its content does not match its checksum")
    if bad := _not_finite(arrays):
        raise ValueError(f"{path} is refused: not finite are {bad}")
    empty = json.loads(metadata.pop(_EMPTY))
    return arrays, metadata, empty


def read_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The words kept with the variables of a file.

    Args:
      path: of a file that `save_variables` wrote.

    Returns:
      The metadata as it was given.

    Raises:
      ValueError: where the file is damaged, naming it.
    """
    return _read(epath.Path(path))[1]


def load_variables(
    path: str | os.PathLike, like: PyTree | None = None
) -> tuple[PyTree, dict[str, str]]:
    """Variables and metadata of a file that `save_variables` wrote.

    Args:
      path: of the file, local or in a bucket.
      like: arrays or `jax.ShapeDtypeStruct` of the expected names, shapes and types;
        without it the file's own, in dicts.

    Returns:
      The variables as JAX arrays, and the metadata.

    Raises:
      ValueError: where the file is damaged, holds a value that is not finite, or other
        variables than expected; one sentence that names the file.
    """
    path = epath.Path(path)
    arrays, metadata, empty = _read(path)
    if like is not None:
        try:
            check_same_tree(like, arrays)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return unflatten({n: jnp.asarray(a) for n, a in arrays.items()}, like), metadata
    leaves = {name: jnp.asarray(array) for name, array in arrays.items()}
    return unflatten({**leaves, **{name: {} for name in empty}}), metadata
