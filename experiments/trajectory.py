"""A role's variables at every epoch, kept by one run and replayed by others.

Teachers never depend on the student: they are trained once a seed, and each student run
replays them. A file holds the variables, a checksum, and what they belong to: classes,
model, epoch, and the accuracy on a probe batch, which a reader must reproduce.
"""

import json

import jax
import numpy as np
from etils import epath
from jax.sharding import Mesh

from experiments import evaluate
from experiments.build import Experiment, named
from experiments.errors import RunError
from kdjax import parallel
from kdjax.core import TrainState
from kdjax.interop import variables as files

PROBE = 64
"""Training examples in the probe, spread evenly over the split."""

TOLERANCE = 0.04
"""Difference in probe accuracy that another machine's rounding may make."""


def path_of(workdir: epath.Path, role: str, epoch: int) -> epath.Path:
    """Where a role's variables at an epoch are kept."""
    return workdir / "trajectory" / role / f"epoch_{epoch:04d}.safetensors"


class _Probe:
    """A few examples of a source."""

    def __init__(self, source):
        self._source = source
        count = min(PROBE, len(source))
        self._indices = np.linspace(0, len(source) - 1, count).astype(int)

    def __len__(self):
        return len(self._indices)

    def __getitem__(self, index):
        return self._source[int(self._indices[index])]


def probe_accuracy(
    experiment: Experiment, role: str, state: TrainState, mesh: Mesh
) -> float:
    """Accuracy on the probe: training examples, not augmented.

    Where an example shows several classes at once, the mean average precision.
    """
    probe = _Probe(experiment.data.sources["train"])
    method, size = experiment.roles[role].method, experiment.roles[role].batch_size
    found = evaluate.predict(method, state, probe, size, mesh)
    numbers = evaluate.summary(found)
    return numbers.get("accuracy", numbers["mean_ap"])


IDENTITY = ("classes", "data", "model", "inputs")
"""What must agree for a role's variables to be used again: a student of other data, or
of a held-out subject, must not learn from them."""


OFFERED = ("offered", "prepare")
"""Which examples are shown to a role, and how. It may be shown others of the same data
later, or otherwise, as several clips for instance; what it then gets right is no longer
comparable."""

HOW = ("train_subjects", "mislabelled", "views", "main_view", "clips")
"""Options of data that are part of that."""


def variables_of(state: TrainState) -> dict:
    """What of a train state predicts."""
    return {"params": state.params, "state": state.state}


def describe(experiment: Experiment, role: str) -> dict[str, str]:
    """What a role's variables belong to, and what using them elsewhere needs."""
    config, data = experiment.config.roles[role], experiment.data
    options = experiment.config.data.to_dict()
    del options["data_dir"], options["cache"]
    transform = named("data_pipelines.transforms", options["transform"])
    both = (options, options["align"])
    offered = {name: part.pop(name) for name in HOW for part in both if name in part}
    parts = {
        "classes": data.dataset.classes,
        "data": options,
        "offered": offered,
        "model": config.model.to_dict(),
        "inputs": config.inputs,
        "prepare": [dict(step) for step in config.prepare],
        "topology": data.dataset.topology,
        "modalities": data.dataset.modalities,
        "align": transform.described(data.align),
    }
    return {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}


def save(
    experiment: Experiment, path: epath.Path, role: str, state: TrainState, mesh: Mesh
) -> None:
    """Keeps a role's variables, with all that predicting with them needs.

    Args:
      experiment: they belong to.
      path: of a safetensors file.
      role: whose they are.
      state: which holds them.
      mesh: where the probe batch runs.
    """
    accuracy = probe_accuracy(experiment, role, state, mesh)
    metadata = describe(experiment, role) | {"probe_accuracy": repr(accuracy)}
    if jax.process_index() == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.save_variables(path, jax.device_get(variables_of(state)), metadata)


def load(
    experiment: Experiment, role: str, epoch: int, like: TrainState, mesh: Mesh
) -> tuple[TrainState, float | None]:
    """A role's variables at an epoch of the run that its config names.

    Returns:
      The train state with those variables, and their accuracy on the probe batch when
      they were kept; None where examples are shown otherwise now.

    Raises:
      RunError: where they are missing, damaged, or belong to something else.
    """
    path = path_of(epath.Path(experiment.roles[role].trajectory), role, epoch)
    if not path.exists():
        raise RunError(f"the {role} of epoch {epoch} is missing: there is no {path}")
    try:
        variables, metadata = files.load_variables(path, variables_of(like))
    except ValueError as error:
        raise RunError(f"the {role} cannot be used: {error}") from error
    expected = describe(experiment, role)
    for key in IDENTITY:
        if metadata.get(key) != expected[key]:
            raise RunError(
                f"the {role} in {path} cannot be used: its {key} is "
                f"{metadata.get(key)}, not {expected[key]}"
            )
    state = parallel.replicate(like._replace(**variables), mesh)
    same = all(metadata.get(key) == expected[key] for key in OFFERED)
    return state, float(metadata["probe_accuracy"]) if same else None


def check(experiment: Experiment, role: str, state: TrainState, mesh: Mesh) -> float:
    """Accuracy of a finished teacher on the probe batch.

    Raises:
      RunError: where it is below ``config.teacher_floor``.
    """
    floor = experiment.config.teacher_floor
    accuracy = probe_accuracy(experiment, role, state, mesh)
    if accuracy < floor:
        raise RunError(
            f"the {role} reaches {accuracy:.0%} on a probe batch of training "
            f"examples, below config.teacher_floor={floor:.0%}: it is not a teacher"
        )
    return accuracy


def check_replayed(experiment: Experiment, states: dict, mesh: Mesh) -> None:
    """Refuses replayed roles whose last epoch is not what it was when it was kept.

    Raises:
      RunError: where the accuracy on the probe batch is another, or below the floor.
    """
    for name, role in experiment.roles.items():
        if role.trajectory:
            state, kept = load(experiment, name, role.epochs, states[name], mesh)
            accuracy = check(experiment, name, state, mesh)
            if kept is not None and abs(accuracy - kept) > TOLERANCE:
                raise RunError(
                    f"the {name} in {role.trajectory} reaches {accuracy:.0%} on "
                    f"the probe batch, but was on {kept:.0%} when it was kept: the "
                    "data or its preparation has changed"
                )
