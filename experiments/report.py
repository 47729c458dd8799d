"""One page about a run: numbers, curves, confusion, gains by class, examples.

``report/index.html`` and its figures stand by themselves: no network, no script. A run
that is still going gives a page with what there is so far.
"""

import functools
import json
import pathlib
import shlex
from collections.abc import Callable
from typing import Any

import jinja2
import ml_collections
import numpy as np
from etils import epath
from matplotlib.figure import Figure

from data_pipelines.errors import DataError
from experiments import (
    findings,
    machine,
    outcome,
    plots,
    sample_clips,
    sample_scenes,
    samples,
)
from experiments.checkpoints import write_text
from experiments.errors import RunError
from experiments.measures import NAMES, heading
from experiments.outcome import Outcome, Reference
from experiments.plots import Image

LOST = "The recordings cannot be read again"


def curve(
    run: Outcome, out: epath.Path, split: str, name: str, title: str, *, scale=1.0
) -> list[Image]:
    """One quantity over the epochs, a line a role; nothing where nothing has it."""
    found = {}
    for role in run.roles:
        epochs, values = outcome.series(run.log, role, split, name)
        if len(epochs):
            found[role] = (epochs, scale * values)
    if not found:
        return []
    label = NAMES.get(name, name.replace("_", " "))
    label += " (%)" if scale == 100 else ""
    draw = functools.partial(plots.by_role, title, found, run.colours, label)
    return [plots.save(out, f"{name}_{split}", draw)]


def training_curves(run: Outcome, out: epath.Path) -> list[Image]:
    """Loss terms, one figure a role; training accuracy and gradient norm of all."""
    images, known = [], {*outcome.WHERE, "accuracy", "grad_norm"}
    for index, role in enumerate(run.roles):
        lines = [line for line in run.log if line["role"] == role]
        lines = [line for line in lines if line["split"] == "train"]
        terms = {name for line in lines for name in line} - known
        # The total first: it is the thick line.
        terms = sorted(terms, key=lambda name: (name != "loss", name))
        if terms:
            series = {n: outcome.series(run.log, role, "train", n) for n in terms}
            draw = functools.partial(plots.terms, f"Training: {role}", series)
            images.append(plots.save(out, f"loss_{index}", draw))
    images += curve(run, out, "train", "accuracy", "Training accuracy", scale=100)
    return images + curve(run, out, "train", "grad_norm", "Norm of the gradient")


def evaluation_curves(run: Outcome, out: epath.Path) -> list[Image]:
    """The measures on the judged split over the epochs, one line a role."""
    images = []
    for name in run.measures:
        title = f"{heading(name)} on the {run.split} split"
        images += curve(run, out, run.split, name, title, scale=100)
    return images


def confusions(run: Outcome, out: epath.Path) -> list[dict[str, Any]]:
    """A confusion matrix a role, the student's first."""
    found = []
    for index, role in enumerate(() if run.multilabel else run.roles):
        if role in run.predictions:
            matrix = findings.counts(run.predictions[role])
            title = f"{role} on the {run.split} split"
            draw = functools.partial(plots.confusion, matrix, run.classes, title)
            image = plots.save(out, f"confusion_{index}", draw)
            found.append({"role": role, "image": image})
    return sorted(found, key=lambda each: each["role"] != run.student)


def gain_by_class(
    run: Outcome, reference: Reference | None, out: epath.Path
) -> dict[str, Any] | None:
    """Sorted bars of what each class gains, and how many classes do."""
    if reference is None:
        return None
    values = findings.gain_by_class(run, reference)
    title = f"{run.student} against {reference.name}"
    what = "average precision" if run.multilabel else "the share recognised"
    label = f"gain in {what} (percentage points)"
    names = run.classes
    draw = functools.partial(
        plots.gains, values, names, title, label, losses=reference.colour
    )
    signs = {"better": values > 0, "worse": values < 0, "unchanged": values == 0}
    return {
        "image": plots.save(out, "gain_by_class", draw),
        **{name: int(which.sum()) for name, which in signs.items()},
    }


def similar_actions(
    run: Outcome, reference: Reference | None, out: epath.Path
) -> list[dict[str, Any]]:
    """How the most similar actions are confused, before and after distillation."""
    chosen = [] if reference is None else findings.similar(run, reference)
    if not chosen:
        return []
    names, images = [run.classes[k] for k in chosen], []
    before = (reference.name, reference.predictions)
    after = (run.student, run.predictions[run.student])
    for place, (name, found) in enumerate((before, after)):
        rows = findings.counts(found)[chosen]
        inside = rows[:, chosen]
        rest = rows.sum(axis=1) - inside.sum(axis=1)
        matrix = np.column_stack([inside, rest])
        draw = functools.partial(plots.confusion, matrix, names, name, others=True)
        images.append(
            {"role": name, "image": plots.save(out, f"similar_{place}", draw)}
        )
    return images


def shown_samples(
    run: Outcome,
    reference: Reference | None,
    config: ml_collections.ConfigDict,
    out: epath.Path,
) -> dict[str, Any]:
    """Examples with their figures, a performance as the cameras saw it, or why not."""
    nothing = {"samples": [], "cameras": None, "no_samples": ""}
    if run.student not in run.predictions:
        why = "Examples are shown when the run has ended."
        return {**nothing, "no_samples": why}
    if run.multilabel:
        save = functools.partial(plots.save, out)
        try:
            cards = sample_scenes.shown(run, reference, config, save)
        except (DataError, RunError, OSError) as error:
            return {**nothing, "no_samples": f"{LOST}: {error}"}
        return {**nothing, "samples": cards}
    found = run.predictions[run.student]
    other = None if reference is None else reference.predictions.logits
    chosen = samples.choose(found.logits, found.label, other)
    keys = [str(found.key[choice.row]) for choice in chosen]
    try:
        recordings = samples.recordings(config, run.split, keys)
    except (DataError, RunError, OSError) as error:
        return {**nothing, "no_samples": f"{LOST}: {error}"}
    cameras = None
    if recordings.cameras:
        draw = functools.partial(
            sample_clips.draw_cameras, recordings.cameras, recordings.topology
        )
        cameras = plots.save(out, "cameras", draw)
    cards = [
        sample_card(run, choice, recordings, functools.partial(plots.save, out, name))
        for choice, name in zip(chosen, (f"sample_{i}" for i in range(len(chosen))))
    ]
    return {**nothing, "samples": cards, "cameras": cameras}


def sample_card(
    run: Outcome,
    choice: samples.Choice,
    recordings: samples.Recordings,
    save: Callable[[Callable[[], Figure]], Image],
) -> dict[str, Any]:
    """What the page says of one example, its figure saved."""
    found = run.predictions[run.student]
    key, label = str(found.key[choice.row]), int(found.label[choice.row])
    probability = samples.softmax(found.logits[choice.row])
    best = np.argsort(-probability, kind="stable")[:3]
    top = [(run.classes[k], float(probability[k])) for k in best]
    true, example = run.classes[label], recordings.examples[key]
    return {
        "key": key,
        "why": choice.why,
        "true": true,
        "guess": top[0][0],
        "images": [
            save(functools.partial(samples.figure, example, recordings, top, true))
        ],
        "right": label == best[0],
    }


def commands(workdir: epath.Path) -> dict[str, str]:
    """How to go on with a run, and how to repeat it elsewhere."""
    run = "python -m experiments.run --mode=train --workdir="
    config = shlex.quote(str(workdir / "config.json"))
    return {
        "go on": run + shlex.quote(str(workdir)),
        "repeat": f"mkdir -p NEW && cp {config} NEW/ && {run}NEW",
    }


def render(context: dict[str, Any]) -> str:
    """The page; whatever comes from the run is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(context)


def facts(
    run: Outcome,
    reference: Reference | None,
    config: ml_collections.ConfigDict,
    out: epath.Path,
) -> dict[str, Any]:
    """What the page's template asks for; draws every figure."""
    return {
        "name": run.path.name or str(run.path),
        "run": run,
        "summary": findings.summary(run, reference),
        "tiles": findings.tiles(run, reference),
        "warnings": findings.not_finite(run),
        "table": findings.table(run, reference),
        "columns": NAMES,
        "training": training_curves(run, out),
        "evaluation": evaluation_curves(run, out),
        "confusions": confusions(run, out),
        "by_camera": findings.by_camera(run),
        "similar": similar_actions(run, reference, out),
        "gain": gain_by_class(run, reference, out),
        "reference": reference,
        "pairs": findings.confused_pairs(run, reference),
        **shown_samples(run, reference, config, out),
        "commands": commands(run.path),
        "versions": machine.versions(),
        "history": machine.history(run.path),
        "config": json.dumps(run.config, indent=2, sort_keys=True),
        "themes": plots.THEMES,
    }


def write(
    config: ml_collections.ConfigDict, workdir: epath.Path, baseline: str = ""
) -> epath.Path:
    """Writes the page of a run.

    Args:
      config: of the run; only its data is read again.
      workdir: of the run.
      baseline: run folder whose ``student`` is the undistilled one; by default the role
        ``student_alone`` of the run itself, if there is one.

    Returns:
      The page.

    Raises:
      RunError: where the folder is not that of a run, or the baseline does not fit.
    """
    run = outcome.read(workdir)
    reference = outcome.undistilled(run, baseline)
    out = workdir / "report"
    out.mkdir(parents=True, exist_ok=True)
    context = facts(run, reference, config, out)
    write_text(out / "index.html", render(context))
    return out / "index.html"


def main(config: ml_collections.ConfigDict, workdir: epath.Path, flags: Any) -> None:
    """Writes the page of a run and prints where it is."""
    print(f"report: {write(config, workdir, flags.baseline)}")
