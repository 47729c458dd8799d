"""A teacher's logits on the training examples, predicted once and read by its students.

Algorithm 1 of CMMVL, step 6. The file is keyed by example and carries a checksum of the
teacher's variables: with another teacher it is stale and refused.
"""

import hashlib
import zipfile

import jax
import numpy as np
from etils import epath
from jax.sharding import Mesh

from data_pipelines.dataset import rows
from experiments import evaluate
from experiments.build import Experiment
from experiments.errors import RunError
from kdjax.core import TrainState
from kdjax.interop import variables as files


def path_of(workdir: epath.Path, teacher: str) -> epath.Path:
    """Where a teacher's logits are kept."""
    return workdir / "targets" / f"{teacher}.npz"


def digest(state: TrainState) -> str:
    """SHA-256 of a teacher's variables and their names."""
    found = hashlib.sha256()
    named = files.flatten({"params": state.params, "state": state.state})
    for name, leaf in sorted(named.items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(jax.device_get(leaf)).tobytes())
    return found.hexdigest()


def stored(
    experiment: Experiment,
    workdir: epath.Path,
    teacher: str,
    state: TrainState,
    mesh: Mesh,
) -> np.ndarray:
    """A finished teacher's logits on the training split, predicted now or before.

    Args:
      experiment: whose training split is meant.
      workdir: the run's folder.
      teacher: role.
      state: its train state at its last epoch.
      mesh: where it runs.

    Returns:
      float32 [n K] in the order of the training split.

    Raises:
      RunError: where a file is there that another teacher or other examples made.
    """
    path, source = path_of(workdir, teacher), experiment.data.sources["train"]
    role, own = experiment.roles[teacher], digest(state)
    keys = np.array([row.key for row in rows(source)])
    if not path.exists():
        found = evaluate.predict(role.method, state, source, role.batch_size, mesh)
        if jax.process_index() == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.parent / f".{path.name}.tmp"
            with temporary.open("wb") as file:
                np.savez(file, logits=found.logits, key=found.key, digest=own)
            temporary.replace(path)
        return found.logits
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            logits, kept, made_by = (found[k] for k in ("logits", "key", "digest"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"the logits in {path} cannot be read: {error}") from error
    if str(made_by) != own or not np.array_equal(kept, keys):
        what = "another teacher" if str(made_by) != own else "other examples"
        raise RunError(
            f"the logits in {path} are of {what}: move the file away to have "
            "them predicted anew"
        )
    return logits
