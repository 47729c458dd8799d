"""Where a run's network finds actions in untrimmed videos, by the data set's own metric."""

import json
from typing import Any

import jax
import ml_collections
import numpy as np
from etils import epath

from experiments import detection, evaluate
from experiments.build import build, build_mesh, named
from experiments.checkpoints import write_text
from experiments.errors import RunError


def main(config: ml_collections.ConfigDict, workdir: epath.Path, flags: Any) -> None:
    """Slides windows over the test videos and prints how well actions are found.

    ``config.detection`` has the ``windows``, pairs of length and stride in frames, and
    the options of `detection.proposals_from_windows`. The numbers go to
    ``detection_ROLE.json`` as well, with the average precision of each class.

    Raises:
      RunError: where the config has no such part, or the run no such role.
    """
    if "detection" not in config:
        raise RunError("the config has no detection: its data has no untrimmed videos")
    if flags.role not in config.roles:
        raise RunError(f"no role {flags.role!r} in the run: {sorted(config.roles)}")
    options = config.detection.to_dict()
    config = ml_collections.ConfigDict(config.to_dict())
    config.data.windows = options.pop("windows")
    experiment, mesh = build(config), build_mesh(config)
    if flags.role not in experiment.roles:
        raise RunError(f"the schedule does not train the role {flags.role!r}")
    step, states = evaluate.restored(experiment, workdir, mesh)
    role, source = experiment.roles[flags.role], experiment.data.sources["windows"]
    found = evaluate.predict(
        role.method, states[flags.role], source, role.batch_size, mesh
    )
    probabilities = np.asarray(jax.nn.softmax(found.logits))
    try:
        proposals = detection.proposals_from_windows(
            list(found.key), probabilities, **options
        )
    except (TypeError, ValueError) as error:
        raise RunError(f"config.detection: {error}") from error
    module = named("data_pipelines.datasets", config.data.name)
    ground = module.ground_truth(
        data_dir=config.data.data_dir, protocol=config.data.protocol
    )
    classes = experiment.data.dataset.classes
    scores = detection.evaluate(proposals, ground, classes=len(classes))._asdict()
    by_class = dict(zip(classes, map(float, scores.pop("ap_per_label"))))
    numbers = {name: float(value) for name, value in scores.items()}
    line = {
        "step": step,
        "role": flags.role,
        "windows": len(found.key),
        "proposals": len(proposals),
        **numbers,
    }
    if jax.process_index() == 0:
        path = workdir / f"detection_{flags.role}.json"
        write_text(path, json.dumps({**line, "ap_per_class": by_class}, indent=1))
    print(json.dumps(line))
