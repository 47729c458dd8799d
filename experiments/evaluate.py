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
from data_pipelines.dataset import Source
from data_pipelines.sources import fixed
from experiments import checkpoints, distributed, multilabel, xla_options
from experiments.build import Experiment, build, build_mesh
from experiments.errors import RunError
from experiments.state import init_states
from kdjax import core, metrics, parallel
from kdjax.core import Method, TrainState
from kdjax.methods.common import deployed, flat_outputs

OF_CAMERA = "accuracy_camera_"
"""What the names of the numbers of single cameras begin with."""


class Predictions(NamedTuple):
    """What a network says of a split, in its order, and what is true of it.

    Attributes:
      logits: [n K].
      key: [n].
      camera: [n] the number of the main view's, 0 where the data has no views.
      label: [n]; None where an example shows several classes at once, and then
      labels: [n K], 1 for each of them.
      frame_logits: [n T K], where the network judges frames as well.
      frame_labels: [n T K].
      frame_mask: [n T], 0 for a frame that is padding.
    """

    logits: np.ndarray
    key: np.ndarray
    camera: np.ndarray
    label: np.ndarray | None = None
    labels: np.ndarray | None = None
    frame_logits: np.ndarray | None = None
    frame_labels: np.ndarray | None = None
    frame_mask: np.ndarray | None = None

    @property
    def fields(self) -> dict[str, np.ndarray]:
        """Those that are there, by name."""
        return {k: v for k, v in self._asdict().items() if v is not None}

    def at(self, rows: np.ndarray) -> "Predictions":
        """The same of some examples only, in the order of `rows`."""
        return Predictions(**{k: v[rows] for k, v in self.fields.items()})


@functools.lru_cache(maxsize=32)
def _compiled(method: Method) -> Any:
    step = functools.partial(core.eval_step, method)
    return jax.jit(step, compiler_options=xla_options.of_steps())


def deployed_state(train_state: TrainState) -> TrainState:
    """What of a train state predicts: a program for it is compiled once."""
    return train_state._replace(
        params=deployed(train_state.params),
        state=deployed(train_state.state),
        opt_state=(),
    )


def outputs(
    method: Method,
    train_state: TrainState,
    source: Source,
    batch_size: int,
    mesh: Mesh,
    *,
    names: Sequence[str] = ("logits",),
    optional: Sequence[str] = (),
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Asks a method about every example of a source.

    Args:
      method: compiled once for all its evaluations.
      train_state: of the method.
      source: aligned examples.
      batch_size: examples a step, or some more, so that they divide by the devices;
        the last batch is padded.
      mesh: where to run.
      names: of the outputs that are kept, see `kdjax.methods.common.flat_outputs`.
      optional: of outputs that are kept where the method gives them.

    Returns:
      Outputs, and what is known of the examples: labels, keys and cameras; one row an
      example, in the source's order; every process sees them all.
    """
    step, source, found = _compiled(method), fixed(source), []
    train_state = deployed_state(train_state)
    batch_size = distributed.whole_batch(mesh, batch_size)
    mine = distributed.local_rows(mesh, batch_size)
    for start in range(0, len(source), batch_size):
        indices = np.arange(start, start + batch_size)
        indices[indices >= len(source)] = -1
        batch = loader.gather(source, indices)
        key = batch.pop("key")
        local = {name: array[mine] for name, array in batch.items()}
        out = step(train_state, parallel.shard_batch(local, mesh))
        out = flat_outputs(out, [*names, *(name for name in optional if name in out)])
        out = multihost_utils.process_allgather(out, tiled=True)
        known, real = {**truth(batch), "key": key}, batch["mask"] > 0
        found.append(jax.tree.map(lambda array, real=real: array[real], (out, known)))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *found)


def truth(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a batch says of its examples, as `Predictions` calls it."""
    names = ("label", "labels", "frame_labels")
    known = {name: batch[name] for name in names if name in batch}
    if "present" in batch:
        known["frame_mask"] = batch["present"].max(axis=1)
    views = batch.get("view_ids", np.zeros((len(batch["mask"]), 1), np.int32))
    return {**known, "camera": views[:, -1]}


def predict(
    method: Method, train_state: TrainState, source: Source, batch_size: int, mesh: Mesh
) -> Predictions:
    """The logits of a method on every example of a source, see `outputs`."""
    out, known = outputs(
        method, train_state, source, batch_size, mesh, optional=("frame_logits",)
    )
    return Predictions(**out, **known)


def summary(predictions: Predictions) -> dict[str, float]:
    """Accuracy, macro F1, mean class accuracy and mAP, in [0, 1], and the count.

    The mean average precision ranks each class by its probability over all examples.
    Where several cameras saw the examples, ``accuracy_camera_C`` of each as well. Of
    examples that show several classes see `multilabel.summary`.
    """
    if predictions.labels is not None:
        return multilabel.summary(predictions)
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
        np.savez(file, **predictions.fields)


def read(path: epath.Path) -> Predictions:
    """Predictions that `write` kept."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
        needed = {*("logits", "key", "camera"), *found} & {*Predictions._fields}
        return Predictions(**{name: found[name] for name in sorted(needed)})


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
    if jax.process_index() == 0:
        print(json.dumps({"step": step, "roles": results}))
