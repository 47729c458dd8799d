"""What a teacher says of the training examples, asked once and read by its students.

Logits, as in Algorithm 1 of CMMVL, step 6, or other outputs, such as the stages of small
networks. The teacher is asked without chance, so that features go with students whose
pictures are cut the same way at every epoch. The file is keyed by example and carries a
checksum of the teacher's variables: with another teacher it is stale and refused.
"""

import hashlib
import zipfile
from collections.abc import Sequence

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
    """Where a teacher's outputs are kept."""
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
    *,
    names: Sequence[str] = ("logits",),
) -> dict[str, np.ndarray]:
    """A finished teacher's outputs on the training split, asked now or before.

    Args:
      experiment: whose training split is meant.
      workdir: the run's folder.
      teacher: role.
      state: its train state at its last epoch.
      mesh: where it runs.
      names: of the outputs.

    Returns:
      Arrays [n ...] in the order of the training split, see
      `kdjax.methods.common.flat_outputs`.

    Raises:
      RunError: where a file is there that another teacher or other examples made.
    """
    path, source = path_of(workdir, teacher), experiment.data.sources["train"]
    role, own = experiment.roles[teacher], digest(state)
    keys = np.array([row.key for row in rows(source)])
    if not path.exists():
        found, known = evaluate.outputs(
            role.method, state, source, role.batch_size, mesh, names=names
        )
        if jax.process_index() == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.parent / f".{path.name}.tmp"
            with temporary.open("wb") as file:
                np.savez(file, **found, key=known["key"], digest=own)
            temporary.replace(path)
        return found
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            kept = dict(archive)
            made_by, examples = kept.pop("digest"), kept.pop("key")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"what is in {path} cannot be read: {error}") from error
    what = ""
    if str(made_by) != own:
        what = "of another teacher"
    elif not np.array_equal(examples, keys):
        what = "of other examples"
    elif {name.partition("/")[0] for name in kept} != set(names):
        what = f"{sorted(kept)}, not {sorted(names)}"
    if what:
        raise RunError(
            f"what is in {path} is {what}: move the file away to have the teacher "
            "asked anew"
        )
    return kept
