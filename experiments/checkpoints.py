"""Checkpoints that are whole or are not used.

Orbax writes the arrays to ``checkpoints/<step>/``; a manifest ``<step>.json`` is written
last, by rename, with the run's progress and a SHA-256 of every file. A checkpoint without
a manifest was interrupted, one whose files differ from it is damaged; neither is used and
neither is deleted.
"""

import contextlib
import hashlib
import io
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging
from etils import epath

from experiments import distributed
from experiments.errors import RunError

STRAGGLERS = 1.0
"""Seconds that writing threads get to end after a save has failed."""


def write_text(path: epath.Path, text: str) -> None:
    """Writes a file so that it is there whole or not at all.

    Raises:
      RunError: where it cannot be written, naming it.
    """
    temporary = path.parent / f".{path.name}.tmp"
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error}") from error


def _files(folder: epath.Path) -> Iterator[epath.Path]:
    """Every file below a folder; buckets know no recursive glob."""
    for path in folder.iterdir():
        yield from _files(path) if path.is_dir() else [path]


def _digests(folder: epath.Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(folder)
    }


def _damage(folder: epath.Path, manifest: dict) -> str | None:
    """The first difference between a checkpoint and its manifest, in words."""
    found = _digests(folder)
    for name, digest in manifest["sha256"].items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != digest:
            return f"{name} has changed since it was written"
    return None


def _is_whole(folder: epath.Path, step: int) -> bool:
    """Whether the checkpoint of a step is there and undamaged."""
    path = folder / f"{step}.json"
    return path.exists() and not _damage(
        folder / str(step), json.loads(path.read_text())
    )


def steps(folder: epath.Path) -> list[int]:
    """Steps that have a manifest, the newest first."""
    if not folder.exists():
        return []
    names = (re.fullmatch(r"(\d+)\.json", path.name) for path in folder.iterdir())
    return sorted((int(match[1]) for match in names if match), reverse=True)


def _set_aside(path: epath.Path) -> None:
    """Renames what an interrupted or damaged save left in the way."""
    if not path.exists():
        return
    number = 1
    while (path.parent / f"{path.name}.set-aside-{number}").exists():
        number += 1
    path.rename(path.parent / f"{path.name}.set-aside-{number}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences Orbax's threads, which print a traceback of what they raise as well."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                yield
            except Exception:
                # Writes that are under way fail too, each with a traceback, and nothing
                # tells when the last one has.
                time.sleep(STRAGGLERS)
                raise
    finally:
        logging.set_verbosity(before)


def save(
    folder: epath.Path, step: int, tree: Any, progress: dict, *, keep: int
) -> None:
    """Writes one checkpoint and lets go of all but the newest.

    Args:
      folder: where checkpoints live.
      step: number of batches seen by the run; names the checkpoint.
      tree: arrays, the same on every process.
      progress: what else resuming needs, as JSON.
      keep: how many whole checkpoints stay, at least 1.

    Raises:
      RunError: where it cannot be written; earlier checkpoints stay as they are.
    """
    path = folder / str(step)
    manifest_path = folder / f"{step}.json"
    try:
        if distributed.agree(jax.process_index() == 0 and _is_whole(folder, step)):
            return
        folder.mkdir(parents=True, exist_ok=True)
        if jax.process_index() == 0:
            _set_aside(path)
            _set_aside(manifest_path)
        with _quiet(), ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(path, tree)
        if jax.process_index() == 0:
            manifest = {"progress": progress, "sha256": _digests(path)}
            write_text(manifest_path, json.dumps(manifest))
            for old in steps(folder)[keep:]:
                (folder / f"{old}.json").unlink()
                (folder / str(old)).rmtree()
    except Exception as error:
        raise RunError(f"cannot write {path}: {error}") from error


def _newest(folder: epath.Path, *, move: bool) -> int:
    """The step of the newest undamaged checkpoint; -1 where there is none.

    With `move`, damaged ones are renamed, so that they do not count any more.
    """
    for step in steps(folder):
        path = folder / f"{step}.json"
        try:
            damage = _damage(folder / str(step), json.loads(path.read_text()))
        except (json.JSONDecodeError, KeyError, UnicodeDecodeError) as error:
            damage = f"{path.name} cannot be read: {error}"
        if damage is None:
            return step
        logging.warning("checkpoint %s is damaged and not used: %s", step, damage)
        if move:
            _set_aside(path)
            _set_aside(folder / str(step))
    return -1


def restore(
    folder: epath.Path, like: Any, *, move_damaged: bool = False
) -> tuple[int, Any, dict] | None:
    """The newest whole checkpoint.

    Args:
      folder: where checkpoints live.
      like: a tree of the same structure, shapes, types and shardings.
      move_damaged: rename damaged ones to ``.set-aside-n``; nothing is deleted.

    Returns:
      Step, tree and progress; None where nothing was ever saved.

    Raises:
      RunError: where checkpoints exist and none is whole.
    """
    # One process checks and renames: the others would see half of it.
    first = jax.process_index() == 0
    step = distributed.agree(_newest(folder, move=move_damaged) if first else -1)
    if step >= 0:
        progress = json.loads((folder / f"{step}.json").read_text())["progress"]
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        with ocp.StandardCheckpointer() as checkpointer:
            tree = checkpointer.restore(folder / str(step), abstract)
        logging.info("restored checkpoint %s", folder / str(step))
        return step, tree, progress
    # A run begins by saving step 0: anything else shows that it had been under way.
    left = [path.name for path in folder.iterdir()] if folder.exists() else []
    if any(not re.match(r"\.?0(\D|$)", name) or name == "0.json" for name in left):
        raise RunError(
            f"no whole checkpoint is left in {folder}; the run does not start over by "
            "itself: move the folder away to begin anew"
        )
    return None
