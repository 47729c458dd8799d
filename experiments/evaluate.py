"""Predictions over a split, and the numbers they come to."""

import functools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from data_pipelines import loader
from data_pipelines.dataset import Source, fixed
from experiments import checkpoints
from experiments.build import Experiment, build, build_mesh
from experiments.errors import RunError
from experiments.state import init_states
from kdjax import core, metrics, parallel
from kdjax.core import Method, TrainState
from kdjax.methods.common import flat_outputs

OF_CAMERA = "accuracy_camera_"
"""What the names of the numbers of single cameras begin with."""


class Predictions(NamedTuple):
    """Logits [n K], labels, keys and cameras [n] of a split, in its order.

    A camera is the number of the main view's, 0 where the data has no views.
    """

    logits: np.ndarray
    label: np.ndarray
    key: np.ndarray
    camera: np.ndarray


@functools.lru_cache(maxsize=32)
def _compiled(method: Method) -> Any:
    return jax.jit(functools.partial(core.eval_step, method))


def outputs(
    method: Method,
    train_state: TrainState,
    source: Source,
    batch_size: int,
    mesh: Mesh,
    *,
    names: Sequence[str] = ("logits",),
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Asks a method about every example of a source.

    Args:
      method: compiled once for all its evaluations.
      train_state: of the method.
      source: aligned examples.
      batch_size: examples a step; the last batch is padded.
      mesh: where to run.
      names: of the outputs that are kept, see `kdjax.methods.common.flat_outputs`.

    Returns:
      Outputs, and the labels, keys and cameras; one row an example, in the source's
      order; every process sees them all.
    """
    step, source, found = _compiled(method), fixed(source), []
    share = batch_size // jax.process_count()
    mine = slice(jax.process_index() * share, (jax.process_index() + 1) * share)
    for start in range(0, len(source), batch_size):
        indices = np.arange(start, start + batch_size)
        indices[indices >= len(source)] = -1
        batch = loader.gather(source, indices)
        key = batch.pop("key")
        local = {name: array[mine] for name, array in batch.items()}
        out = flat_outputs(step(train_state, parallel.shard_batch(local, mesh)), names)
        out = multihost_utils.process_allgather(out, tiled=True)
        views = batch.get("view_ids", np.zeros((batch_size, 1), np.int32))
        known = {"label": batch["label"], "key": key, "camera": views[:, -1]}
        real = batch["mask"] > 0
        found.append(jax.tree.map(lambda array, real=real: array[real], (out, known)))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *found)


def predict(
    method: Method, train_state: TrainState, source: Source, batch_size: int, mesh: Mesh
) -> Predictions:
    """The logits of a method on every example of a source, see `outputs`."""
    out, known = outputs(method, train_state, source, batch_size, mesh)
    return Predictions(**out, **known)


def summary(predictions: Predictions) -> dict[str, float]:
    """Accuracy, macro F1, mean class accuracy and mAP, in [0, 1], and the count.

    The mean average precision ranks each class by its probability over all examples.
    Where several cameras saw the examples, ``accuracy_camera_C`` of each as well.
    """
    logits, label = jnp.asarray(predictions.logits), jnp.asarray(predictions.label)
    counts = metrics.confusion_matrix(logits, label)
    right = predictions.logits.argmax(axis=-1) == predictions.label
    cameras = np.unique(predictions.camera)
    by_camera = {
        f"{OF_CAMERA}{camera}": float(right[predictions.camera == camera].mean())
        for camera in (cameras if len(cameras) > 1 else ())
    }
    truth = jax.nn.one_hot(label, logits.shape[-1])
    ranked = metrics.mean_average_precision(jax.nn.softmax(logits), truth)
    return {
        "accuracy": int(jnp.trace(counts)) / int(counts.sum()),
        "macro_f1": float(metrics.macro_f1(counts)),
        "mean_class_accuracy": float(metrics.mean_class_accuracy(counts)),
        "mean_ap": float(ranked),
        **by_camera,
        "examples": int(counts.sum()),
    }


def write(path: epath.Path, predictions: Predictions) -> None:
    """Keeps predictions as ``.npz``; `read` gets them back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, **predictions._asdict())


def read(path: epath.Path) -> Predictions:
    """Predictions that `write` kept."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
        return Predictions(**{name: found[name] for name in Predictions._fields})


def restored(
    experiment: Experiment, workdir: epath.Path, mesh: Mesh
) -> tuple[int, dict[str, TrainState]]:
    """The step and the train states of a run's newest whole checkpoint.

    Raises:
      RunError: where there is none.
    """
    found = checkpoints.restore(workdir / "checkpoints", init_states(experiment, mesh))
    if found is None:
        raise RunError(f"there is no checkpoint in {workdir}")
    step, states, _ = found
    return step, states


def main(config: ml_collections.ConfigDict, workdir: epath.Path, flags: Any) -> None:
    """Prints, as one line of JSON, the numbers of a run's newest whole checkpoint."""
    del flags
    experiment, mesh = build(config), build_mesh(config)
    step, states = restored(experiment, workdir, mesh)
    results = {
        name: {
            split: summary(
                predict(role.method, states[name], source, role.batch_size, mesh)
            )
            for split, source in experiment.data.sources.items()
        }
        for name, role in experiment.roles.items()
    }
    print(json.dumps({"step": step, "roles": results}))
