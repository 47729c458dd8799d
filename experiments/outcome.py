"""A run folder read back: config, log, results, predictions, and what to compare with."""

import json
import zipfile
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from experiments import evaluate, measures
from experiments.errors import RunError
from experiments.evaluate import Predictions
from kdjax.interop import variables as files

STUDENT, ALONE = "student", "student_alone"
WHERE = ("role", "split", "step", "epoch")
"""Fields of a line of ``metrics.jsonl`` that are not values."""


class Outcome(NamedTuple):
    """A run as its folder tells it.

    Attributes:
      path: of the folder.
      config: of ``config.json``.
      log: lines of ``metrics.jsonl``.
      results: of ``results.json``; None while the run is going.
      split: that roles are judged by, "val" where subjects are held out.
      classes: names.
      predictions: by role on that split; empty while the run is going.
      roles: teachers first, the distilled student last.
      colours: number of each role's colour.
    """

    path: epath.Path
    config: dict[str, Any]
    log: list[dict[str, Any]]
    results: dict[str, Any] | None
    split: str
    classes: tuple[str, ...]
    predictions: dict[str, Predictions]
    roles: tuple[str, ...]
    colours: dict[str, int]

    @property
    def measures(self) -> tuple[str, ...]:
        """The numbers that the page shows, the most important first."""
        return measures.checked(self.config.get("measures", measures.USUAL))

    @property
    def multilabel(self) -> bool:
        """Whether an example shows several classes; only where there are predictions."""
        return any(each.labels is not None for each in self.predictions.values())

    @property
    def student(self) -> str:
        """The role that the page is about."""
        return STUDENT if STUDENT in self.roles else self.roles[-1]

    @property
    def distilled(self) -> bool:
        """Whether that role has teachers."""
        return bool(self.config["roles"][self.student].get("teachers"))


class Reference(NamedTuple):
    """The undistilled student: predictions in the student's order, number of a colour."""

    name: str
    predictions: Predictions
    colour: int


def read(workdir: epath.Path) -> Outcome:
    """Reads a run folder.

    Raises:
      RunError: where a file is missing or damaged.
    """
    config, log = _json(workdir / "config.json"), read_log(workdir / "metrics.jsonl")
    if not config.get("roles"):
        raise RunError(f"{workdir / 'config.json'} is not the config of a run")
    results, roles = None, ordered(scheduled(config))
    splits = {line["split"] for line in log}
    if (workdir / "results.json").exists():
        results = _json(workdir / "results.json")
        splits = set().union(*results["roles"].values())
    split = "val" if "val" in splits else "test"
    names = roles if results is not None else ()
    predictions = {name: read_predictions(workdir, name, split) for name in names}
    others = [name for name in roles if name not in (STUDENT, ALONE)]
    return Outcome(
        path=workdir,
        config=config,
        log=log,
        results=results,
        split=split,
        classes=read_classes(workdir, predictions),
        predictions=predictions,
        roles=roles,
        colours={n: i for i, n in enumerate((STUDENT, ALONE, *others)) if n in roles},
    )


def _json(path: epath.Path) -> dict[str, Any]:
    if not path.exists():
        raise RunError(f"there is no {path}: not the folder of a run")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise RunError(f"{path} is not JSON: {error}") from error


def read_log(path: epath.Path) -> list[dict[str, Any]]:
    """Whole lines of ``metrics.jsonl``; a running process may be writing the last.

    Raises:
      RunError: where there is none, or a line is damaged.
    """
    if not path.exists():
        raise RunError(f"there is no {path}: the run has logged nothing")
    text, lines = path.read_text(), []
    for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            raise RunError(f"{path}, line {number} is not JSON: {error}") from error
    return lines


def read_predictions(workdir: epath.Path, role: str, split: str) -> Predictions:
    """A role's predictions on a split.

    Raises:
      RunError: where they are missing or damaged.
    """
    path = workdir / "predictions" / f"{role}_{split}.npz"
    if not path.exists():
        raise RunError(f"there is no {path}: the run has not ended, or is not whole")
    try:
        return evaluate.read(path)
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def read_classes(
    workdir: epath.Path, predictions: dict[str, Predictions]
) -> tuple[str, ...]:
    """Names of the classes, kept with the models; numbers where there are no models.

    Raises:
      RunError: where a model is damaged.
    """
    for role, found in predictions.items():
        path = workdir / "models" / f"{role}.safetensors"
        if path.exists():
            try:
                return tuple(json.loads(files.read_metadata(path)["classes"]))
            except (KeyError, ValueError) as error:
                raise RunError(f"the model {path} cannot be used: {error}") from error
        fallback = tuple(f"class {k}" for k in range(found.logits.shape[-1]))
    return fallback if predictions else ()


def scheduled(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The roles that take part in the run: a row of a table leaves some out."""
    phases = [names for names, _ in config["schedule"]]
    phases = [[names] if isinstance(names, str) else names for names in phases]
    taken = {name for names in phases for name in names}
    return {name: role for name, role in config["roles"].items() if name in taken}


def ordered(roles: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Role names: teachers, then undistilled students, then distilled ones."""
    teachers = {name for role in roles.values() for name in role.get("teachers", ())}

    def rank(name: str) -> tuple[bool, bool, str]:
        return name not in teachers, bool(roles[name].get("teachers")), name

    return tuple(sorted(roles, key=rank))


def undistilled(run: Outcome, baseline: str) -> Reference | None:
    """The student that the page compares with.

    Args:
      run: that the page is about.
      baseline: another run folder, whose role ``student`` it is; "" for the role
        ``student_alone`` of the run itself.

    Returns:
      None where the run is still going or has no such role.

    Raises:
      RunError: where the other run was tested on other examples.
    """
    if run.student not in run.predictions:
        return None
    if not baseline:
        alone = run.predictions.get(ALONE)
        return alone and Reference(ALONE, alone, run.colours[ALONE])
    other = epath.Path(baseline).expanduser()
    mine = run.predictions[run.student]
    theirs = read_predictions(other, STUDENT, run.split)
    place = {str(key): row for row, key in enumerate(theirs.key)}
    keys = [str(key) for key in mine.key]
    if differing := set(keys) ^ set(place):
        raise RunError(
            f"{other} was tested on other examples than {run.path}: "
            f"{len(differing)} differ, {min(differing)} is one"
        )
    rows = np.array([place[key] for key in keys], int)
    theirs = theirs.at(rows)
    if mine.logits.shape != theirs.logits.shape or any(
        not np.array_equal(mine.fields.get(name), theirs.fields.get(name))
        for name in ("label", "labels")
    ):
        raise RunError(f"{other} has other classes than {run.path}")
    # Where the run has an undistilled student too, the other's colour is one of its own.
    colour = max(run.colours.values()) + 1 if ALONE in run.roles else 1
    # A table's runs are called ROW/seed_N: the last name alone would say nothing.
    name = "/".join(part for part in (other.parent.name, other.name) if part)
    return Reference(f"{STUDENT} of {name}", theirs, colour)


def series(
    log: list[dict[str, Any]], role: str, split: str, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Epochs [n] and values [n] of the lines that have such a value."""
    found = [
        (float(line["epoch"]), float(line[name]))
        for line in log
        if (line["role"], line["split"]) == (role, split) and name in line
    ]
    return tuple(np.array(found).reshape(-1, 2).T)
