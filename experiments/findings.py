"""What a run comes to, in sentences and rows."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.stats

from experiments import evaluate, multilabel
from experiments.measures import NAMES, heading, known
from experiments.outcome import ALONE, Outcome, Predictions, Reference
from kdjax import metrics


class Tile(NamedTuple):
    """A number that stands out on the page."""

    label: str
    value: str
    note: str
    colour: int | None


def counts(found: Predictions) -> np.ndarray:
    """Confusion matrix [K K] of predictions, true classes in rows."""
    arrays = jnp.asarray(found.logits), jnp.asarray(found.label)
    return np.asarray(metrics.confusion_matrix(*arrays))


def percent(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.1f}\u00a0%"


def points(value: float) -> str:
    """A difference of shares in percentage points, signed."""
    return f"{100 * value:+.1f}".replace("-", "−")


def listed(parts: Iterable[str]) -> str:
    """Parts in a sentence."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def not_finite(run: Outcome) -> list[str]:
    """A sentence for each role whose log has values that are not finite."""
    found = {}
    for line in run.log:
        bad = [name for name, value in line.items() if value in ("nan", "inf", "-inf")]
        if bad:
            found.setdefault(line["role"], (line, bad))
    return [
        f"{role}: {', '.join(bad)} not finite at step {line['step']}."
        for role, (line, bad) in found.items()
    ]


def table(run: Outcome, reference: Reference | None) -> list[dict[str, Any]]:
    """Rows of the results: one a role and split, and the run that is compared with."""
    if run.results is None:
        return []
    rows = []
    for role in run.roles:
        config = run.config["roles"][role]
        about = {
            "role": role,
            "colour": run.colours[role],
            "inputs": " + ".join(config["inputs"]),
            "model": config["model"]["name"],
            "method": config["method"]["name"],
            "epochs": run.results["epochs"].get(role),
        }
        for split, numbers in run.results["roles"][role].items():
            rows.append({**about, "split": split, "numbers": numbers})
    if reference is not None and reference.name != ALONE:
        about = dict.fromkeys(("inputs", "model", "method", "epochs"), "")
        about |= {
            "role": reference.name,
            "colour": reference.colour,
            "split": run.split,
        }
        rows.append({**about, "numbers": reference_numbers(run, reference)})
    return rows


def mended(run: Outcome, reference: Reference) -> tuple[int, int, float]:
    """Examples that only the student, and only the other, gets right; sign test."""
    mine = run.predictions[run.student]
    ours = mine.logits.argmax(-1) == mine.label
    theirs = reference.predictions.logits.argmax(-1) == mine.label
    won, lost = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    chance = scipy.stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
    return won, lost, float(chance)


def _score(run: Outcome, numbers: dict[str, float]) -> str:
    """The first two measures in a sentence."""
    first, *others = known(run.measures, numbers)
    beside = [f" ({NAMES[name]} {percent(numbers[name])})" for name in others[:1]]
    return percent(numbers[first]) + "".join(beside)


def _gain(run: Outcome, ours: dict[str, float], theirs: dict[str, float]) -> str:
    """What the first two measures gain, in a sentence."""
    first, *others = known(run.measures, ours)
    beside = [
        f" and {points(ours[name] - theirs[name])} of {NAMES[name]}"
        for name in others[:1]
    ]
    return f"{points(ours[first] - theirs[first])} points of {NAMES[first]}" + "".join(
        beside
    )


def reference_numbers(run: Outcome, reference: Reference) -> dict[str, float]:
    """Numbers of the undistilled student on the judged split."""
    if reference.name == ALONE:
        return run.results["roles"][ALONE][run.split]
    return evaluate.summary(reference.predictions)


def _compared(run: Outcome, reference: Reference) -> str:
    """What distillation brings, with the count of examples behind it."""
    ours = run.results["roles"][run.student][run.split]
    theirs = reference_numbers(run, reference)
    subject = "Distillation" if run.distilled else "The network"
    return (
        f"{subject} brings {_gain(run, ours, theirs)} over the undistilled student "
        f"({reference.name}), which reaches {_score(run, theirs)}: "
        f"{_counted(run, reference)}"
    )


def _counted(run: Outcome, reference: Reference) -> str:
    """How many examples, or classes where there are several each, stand behind it."""
    if run.multilabel:
        gains = gain_by_class(run, reference)
        up, down = int((gains > 0).sum()), int((gains < 0).sum())
        return f"the average precision of {up} classes rises, of {down} it falls."
    won, lost, chance = mended(run, reference)
    size = "< 0.001" if chance < 0.001 else f"= {chance:.2g}"
    return (
        f"{won} examples are right only with it, {lost} only without (sign test p "
        f"{size}, one run)."
    )


def summary(run: Outcome, reference: Reference | None) -> str:
    """The page in one paragraph."""
    if run.results is None:
        if not run.log:
            return "The run has begun and logged nothing yet."
        last = run.log[-1]
        return (
            f"The run has not ended: its newest line is of {last['role']}, epoch "
            f"{last['epoch']:.4g}. Results follow when it ends."
        )
    numbers = run.results["roles"]
    mine = numbers[run.student][run.split]
    kind = "distilled student" if run.distilled else "network"
    first = (
        f"On the {mine['examples']} examples of the {run.split} split, the {kind} "
        f"({run.student}) reaches an {NAMES[run.measures[0]]} of {_score(run, mine)}."
    )
    text = [first]
    if reference is not None:
        text.append(_compared(run, reference))
    teachers = run.config["roles"][run.student].get("teachers", ())
    if teachers:
        scores = [
            f"{name} {_score(run, numbers[name][run.split])}" for name in teachers
        ]
        text.append(f"What taught it: {listed(scores)}.")
    return " ".join(text)


def tiles(run: Outcome, reference: Reference | None) -> list[Tile]:
    """The numbers that the page is about."""
    if run.results is None:
        return []

    def tile(label: str, role: str, numbers: dict[str, float], colour: int) -> Tile:
        first, *others = known(run.measures, numbers)
        beside = [f"{NAMES[name]} {percent(numbers[name])}" for name in others[:1]]
        return Tile(label, percent(numbers[first]), ", ".join([role, *beside]), colour)

    numbers, student = run.results["roles"], run.student
    mine = numbers[student][run.split]
    kind = "Distilled student" if run.distilled else heading(run.measures[0])
    found = [tile(kind, student, mine, run.colours[student])]
    if reference is not None:
        theirs = reference_numbers(run, reference)
        found.append(
            tile("Undistilled student", reference.name, theirs, reference.colour)
        )
        gain, _, note = _gain(run, mine, theirs).partition(" ")
        found.append(Tile("Gain", gain, note, None))
    for name in run.config["roles"][student].get("teachers", ()):
        found.append(tile("Teacher", name, numbers[name][run.split], run.colours[name]))
    return found


def confused_pairs(
    run: Outcome, reference: Reference | None, *, limit: int = 12
) -> list[dict[str, Any]]:
    """The most frequent mistakes before and after distillation, the most frequent first."""
    if run.student not in run.predictions or run.multilabel:
        return []
    matrix = counts(run.predictions[run.student])
    before = (
        np.zeros_like(matrix) if reference is None else counts(reference.predictions)
    )
    wrong = (matrix + before) * (1 - np.eye(len(matrix), dtype=int))
    pairs = sorted(map(tuple, np.argwhere(wrong)), key=lambda pair: -wrong[pair])
    return [
        {
            "true": run.classes[row],
            "guess": run.classes[column],
            "count": int(matrix[row, column]),
            "of": int(matrix[row].sum()),
            "before": None if reference is None else int(before[row, column]),
        }
        for row, column in pairs[:limit]
    ]


def similar(run: Outcome, reference: Reference, *, limit: int = 6) -> list[int]:
    """The classes that the undistilled student confuses with each other most.

    Args:
      run: that the page is about.
      reference: the undistilled student.
      limit: on their number.

    Returns:
      Classes in their order, pair by pair the most confused ones; none where it makes
      no mistakes, or examples have no single class.
    """
    if run.multilabel:
        return []
    matrix = counts(reference.predictions)
    both = np.triu(matrix + matrix.T, 1)
    chosen: set[int] = set()
    for pair in sorted(map(tuple, np.argwhere(both)), key=lambda pair: -both[pair]):
        if len(chosen | set(pair)) <= limit:
            chosen |= {int(k) for k in pair}
    return sorted(chosen)


def by_camera(run: Outcome) -> list[dict[str, Any]]:
    """Accuracy by camera of the main view, a row a role; none of single cameras."""
    if run.results is None:
        return []
    rows = []
    for role in run.roles:
        numbers = run.results["roles"][role][run.split]
        found = {
            name.removeprefix(evaluate.OF_CAMERA): value
            for name, value in numbers.items()
            if name.startswith(evaluate.OF_CAMERA)
        }
        if found:
            rows.append({"role": role, "colour": run.colours[role], "cameras": found})
    return rows


def gain_by_class(run: Outcome, reference: Reference) -> np.ndarray:
    """What each class gains over the undistilled student, in points; NaN if absent.

    Of its recall, or of its average precision where examples show several classes.
    """
    if run.multilabel:
        mine = multilabel.by_class(run.predictions[run.student])
        return 100 * (mine - multilabel.by_class(reference.predictions))
    ours, theirs = counts(run.predictions[run.student]), counts(reference.predictions)
    total = ours.sum(axis=1)
    change = np.where(total > 0, np.diagonal(ours) - np.diagonal(theirs), np.nan)
    return 100 * change / np.maximum(total, 1)
