"""Examples of a report: a few that a network gets right or wrong, and how they look."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import matplotlib
import ml_collections
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from data_pipelines.dataset import Example, rows
from data_pipelines.transforms.skeleton import missing
from experiments import sample_clips
from experiments.build import build_data
from experiments.errors import RunError
from experiments.plots import shorten
from kdjax import skeletons

INSTANTS = 6
WIDTH, HEIGHT = 7.6, 3.5


class Choice(NamedTuple):
    """An example to show: its row in the predictions, and why it was chosen."""

    row: int
    why: str


class Recordings(NamedTuple):
    """Examples by key, resampled but in recorded units, and their skeleton.

    Of data with several views also one performance of the training split, by camera.
    """

    examples: dict[str, Example]
    topology: str
    cameras: dict[int, Example]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def choose(
    logits: np.ndarray, label: np.ndarray, other: np.ndarray | None = None
) -> list[Choice]:
    """A few telling examples, each of another true class as far as there are enough.

    Args:
      logits: [n K] of the network that is shown.
      label: [n] true classes.
      other: [n K] logits of the undistilled network, if there is one.

    Returns:
      Up to two that only this network gets right, two that it is surest of and right,
      and three that it is surest of and wrong.
    """
    probability, guess = softmax(logits), logits.argmax(axis=-1)
    sure, right = probability.max(axis=-1), guess == label
    groups = [("right", right, 2), ("wrong", ~right, 3)]
    if other is not None:
        mended = right & (other.argmax(axis=-1) != label)
        groups.insert(0, ("right, and wrong without distillation", mended, 2))
    chosen: list[Choice] = []
    for why, wanted, count in groups:
        taken = {choice.row for choice in chosen}
        found = [row for row in np.argsort(-sure) if wanted[row] and row not in taken]
        seen = {int(label[choice.row]) for choice in chosen}
        found = _spread(found, label, seen)[:count]
        chosen += [Choice(int(row), why) for row in found]
    return chosen


def _spread(found: Iterable[int], label: np.ndarray, seen: set[int]) -> list[int]:
    """Rows of classes not seen yet first, the order kept otherwise."""
    fresh, again = [], []
    for row in found:
        (again if int(label[row]) in seen else fresh).append(row)
        seen.add(int(label[row]))
    return fresh + again


def recordings(
    config: ml_collections.ConfigDict, split: str, keys: Sequence[str]
) -> Recordings:
    """Reads examples of a split again, to be looked at.

    Args:
      config: of the run.
      split: which holds them.
      keys: of the examples.

    Returns:
      The examples, each modality resampled over the whole trial, in recorded units and
      the camera's frame, whatever the networks were given; of video a few frames, see
      `sample_clips.looked_at`.

    Raises:
      DataError: where the data set is not there any more.
      RunError: where it no longer holds an example.
    """
    options = {**config.data.to_dict(), "cache": False}
    data = build_data(ml_collections.ConfigDict({"data": options}))
    source = data.dataset.splits[split]
    where = {row.key: index for index, row in enumerate(rows(source))}
    if lost := sorted(set(keys) - set(where)):
        raise RunError(f"the split {split!r} no longer has the example {lost[0]}")
    topology, cameras = data.dataset.topology, {}
    if hasattr(data.align, "draw"):
        options = dict(
            topology=topology, step=sample_clips.drawing_step(config), instants=parts()
        )
        shown = functools.partial(sample_clips.looked_at, **options)
        cameras = sample_clips.cameras(
            data.dataset.splits["train"], data.align, **options
        )
    else:
        shown = dict
        data = data._replace(
            align=dataclasses.replace(
                data.align, statistics=None, prep="whole_trial", root=None
            )
        )
    examples = {key: shown(data.align(source[where[key]])) for key in keys}
    return Recordings(examples, topology, cameras)


def figure(
    example: Example, found: Recordings, top: Sequence[tuple[str, float]], true: str
) -> Figure:
    """One example: figures or frames, the inertial signal, the likeliest classes.

    Args:
      example: one of `found.examples`.
      found: whose skeleton is drawn.
      top: classes and probabilities, the likeliest first.
      true: its class.

    Returns:
      The figure. Each stick figure stands over its instant of the signal.
    """
    drawn = Figure(figsize=(WIDTH, HEIGHT))
    left, width = 0.075, 0.585
    edges = skeletons.get(found.topology).limbs
    if "frames" in example or "joint maps" in example:
        sample_clips.draw(drawn, example, found.topology, box=(0.04, 0.02, 0.64, 0.96))
    both = "skeleton" in example and "inertial" in example
    if "skeleton" in example:
        box = [left, 0.47, width, 0.51] if both else [left, 0.12, width, 0.82]
        downwards = found.topology == "coco"
        clip = example["skeleton"][..., :2] * (1, -1 if downwards else 1)
        clip = np.where(missing(example["skeleton"]), np.nan, clip)
        aspect = WIDTH * box[2] / (HEIGHT * box[3])
        strip(drawn.add_axes(box), clip, edges, aspect)
    if "inertial" in example:
        box = [left, 0.15, width, 0.3] if both else [left, 0.15, width, 0.8]
        signal(drawn.add_axes(box), example["inertial"])
    likeliest(drawn.add_axes([0.70, 0.13, 0.28, 0.78]), top, true)
    return drawn


def parts() -> np.ndarray:
    """The middles of `INSTANTS` equal parts of a trial, as shares of it."""
    return (np.arange(INSTANTS) + 0.5) / INSTANTS


def instants(steps: int) -> np.ndarray:
    """Indices of the moments that are shown of a trial."""
    return (parts() * steps).astype(int)


def strip(
    axes: Axes, clip: np.ndarray, edges: Sequence[tuple[int, int]], aspect: float
) -> None:
    """Stick figures side by side, true to scale.

    Args:
      axes: to draw into.
      clip: [T M J 2], upwards; NaN where a joint was not seen.
      edges: pairs of joints.
      aspect: width of the axes over their height.
    """
    axes.set_axis_off()
    poses = clip[instants(len(clip))].astype(float)
    finite = np.isfinite(poses[..., 0])
    if not finite.any():
        return
    # Each figure is centred in its cell: a walk shows as steps, not as a way.
    left = np.where(finite, poses[..., 0], np.inf).min(axis=(1, 2))
    right = np.where(finite, poses[..., 0], -np.inf).max(axis=(1, 2))
    seen = np.isfinite(left)
    poses[seen, ..., 0] -= ((left + right)[seen] / 2)[:, None, None]
    low, high = np.nanmin(poses[..., 1]), np.nanmax(poses[..., 1])
    height = 1.08 * max(high - low, 1e-6)
    cell = max(1.12 * (right - left)[seen].max(), height * aspect / INSTANTS)
    poses[..., 0] += ((np.arange(INSTANTS) + 0.5) * cell)[:, None, None]
    ink, middle = matplotlib.rcParams["text.color"], (low + high) / 2
    bones = poses[:, :, np.array(edges)].reshape(-1, 2, 2)
    bones = bones[np.isfinite(bones).all(axis=(1, 2))]
    axes.add_collection(LineCollection(bones, colors=ink, linewidths=1.7))
    axes.plot(*poses.reshape(-1, 2).T, "o", color="C0", markersize=2.4, zorder=3)
    total = INSTANTS * cell
    axes.set_xlim(0, total)
    axes.set_ylim(middle - total / aspect / 2, middle + total / aspect / 2)


def signal(axes: Axes, values: np.ndarray) -> None:
    """The first three channels of a signal over the trial.

    Args:
      axes: to draw into.
      values: [T S].
    """
    time = np.linspace(0, 100, len(values))
    for channel, (name, dash) in enumerate(zip("xyz", ("-", "--", ":"))):
        if channel < values.shape[1]:
            style = dict(color=f"C{channel + 1}", linestyle=dash, linewidth=1.5)
            axes.plot(time, values[:, channel], label=name, **style)
    for at in (np.arange(INSTANTS) + 0.5) / INSTANTS * 100:
        axes.axvline(at, color=matplotlib.rcParams["grid.color"], linewidth=0.8)
    axes.set_xlim(0, 100)
    low, high = float(values[:, :3].min()), float(values[:, :3].max())
    room = max(high - low, 1e-6)
    # Room above the curves for the legend.
    axes.set_ylim(low - 0.08 * room, high + 0.42 * room)
    axes.legend(loc="upper right", ncols=3, fontsize=9, borderaxespad=0.1)
    axes.set_xlabel("% of the trial", labelpad=1)
    axes.set_ylabel("acceleration")
    axes.tick_params(labelsize=9)


def likeliest(axes: Axes, top: Sequence[tuple[str, float]], true: str) -> None:
    """Bars of the likeliest classes, the true one marked.

    Args:
      axes: to draw into.
      top: classes and probabilities, the likeliest first.
      true: the true class.
    """
    axes.set_axis_off()
    faint = matplotlib.rcParams["grid.color"]
    axes.text(0, -1, f"true: {shorten(true, 18)}", fontweight="bold", va="center")
    for place, (name, probability) in enumerate(top):
        mark, colour = ("✓ ", "C2") if name == true else ("", "C0")
        axes.text(0, place - 0.3, mark + shorten(name, 20), va="center")
        axes.text(1, place - 0.3, f"{100 * probability:.0f} %", ha="right", va="center")
        axes.barh(place, 1, height=0.22, color=faint, alpha=0.6)
        axes.barh(place, probability, height=0.22, color=colour)
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(top), 3) - 0.7, -1.2)
