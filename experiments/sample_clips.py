"""How an example of video looks in a report: frames, the pose on them, its heatmaps."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from data_pipelines.dataset import Example, Source, Transform
from kdjax import skeletons
from kdjax.augment import heatmaps
from kdjax.typing import VIEWED

VIDEOS = ("rgb", "depth", "ir")
STRIPS = ("frames", "infrared", "joint maps", "limb maps")


def drawing_step(config: ml_collections.ConfigDict) -> dict | None:
    """How some role's network gets its heatmaps at inference; None where none does."""
    steps = [dict(step) for role in config.roles.values() for step in role.prepare]
    named = (step for step in steps if step["function"] == "heatmaps.plain")
    return next(named, None)


def looked_at(
    example: Example, topology: str, step: dict | None, *, instants: np.ndarray
) -> Example:
    """The main view of a sampled example at a few instants.

    Args:
      example: from a transform that samples clips or segments.
      topology: of its joints.
      step: how its heatmaps are drawn, see `drawing_step`.
      instants: frames to show, as shares of the clip in [0, 1).

    Returns:
      ``frames [N H W C]`` and, where another camera is infrared, ``infrared``; where the
      poses are there and drawn somewhere, ``joints [N M J 3]`` in pixels of the frames,
      ``joint maps`` and ``limb maps [N H W]``, the highest of all channels.
    """

    def chosen(array):
        return array[-1][(instants * array.shape[1]).astype(int)]

    videos = [name for name in VIDEOS if name in example]
    shown = {
        title: chosen(example[name])
        for title, name in zip(("frames", "infrared"), videos)
    }
    if "joints" not in example or step is None:
        return shown
    options = {k: v for k, v in step.items() if k not in ("function", "kind")}
    options["topology"] = topology
    batch = {"joints": jnp.asarray(example["joints"][None])}
    for kind, name in (("joints", "joint maps"), ("limbs", "limb maps")):
        drawn = heatmaps.plain(batch, **options, kind=kind)[heatmaps.KEY]
        shown[name] = chosen(np.asarray(jax.device_get(drawn)).max(axis=-1))
    if "frames" in shown:
        scale = np.divide(shown["frames"].shape[1:3], options["frame"])[::-1]
        shown["joints"] = chosen(example["joints"]) * np.array([*scale, 1.0])
    return shown


def cameras(
    source: Source, transform: Transform, topology: str, step: dict | None, **options
) -> dict[int, Example]:
    """One performance as several cameras saw it, see `looked_at`.

    Args:
      source: examples with several views, such as a training split.
      transform: that samples them.
      topology: of their joints.
      step: how their heatmaps are drawn, see `drawing_step`.
      **options: of `looked_at`.

    Returns:
      By camera the first example that has all its views; none where none has several.
    """
    found = getattr(source, "cameras", ())
    whole = (i for i, each in enumerate(found) if len(set(each)) == len(each) > 1)
    index = next(whole, None)
    if index is None:
        return {}
    example = transform(source[index])
    shown = {}
    for place, camera in enumerate(found[index]):
        view = slice(place, place + 1)
        alone = {k: v[view] if k in VIEWED else v for k, v in example.items()}
        shown[camera] = looked_at(alone, topology, step, **options)
    return dict(sorted(shown.items()))


def draw_cameras(found: dict[int, Example], topology: str) -> Figure:
    """Draws a performance: a row a camera, its frames on the left, its maps beside.

    Args:
      found: from `cameras`.
      topology: of the joints.

    Returns:
      The figure.
    """
    height = 1 / len(found)
    figure = Figure(figsize=(11.0, 1.1 * len(found)))
    for place, (camera, example) in enumerate(found.items()):
        low = 1 - (place + 1) * height
        for left, name in ((0.035, "frames"), (0.535, "joint maps")):
            if name in example:
                title = f"camera {camera}" if name == "frames" else "maps"
                axes = figure.add_axes([left, low, 0.46, 0.96 * height])
                show(axes, example, name, topology, title)
    return figure


def montage(axes: Axes, pictures: np.ndarray, title: str, **options) -> None:
    """Pictures side by side.

    Args:
      axes: to draw into.
      pictures: [N H W C] or [N H W].
      title: stands before them.
      **options: of `Axes.imshow`.
    """
    row = np.concatenate(list(pictures.squeeze()), axis=1)
    axes.imshow(row, aspect="equal", interpolation="nearest", **options)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_ylabel(title, fontsize=9)


def overlay(
    axes: Axes, joints: np.ndarray, edges: Sequence[tuple[int, int]], width: int
) -> None:
    """Skeletons over a montage of frames.

    Args:
      axes: with the montage.
      joints: [N M J 3] in pixels of a frame; a score of zero is a joint not seen.
      edges: pairs of joints.
      width: of a frame in pixels.
    """
    points = joints[..., :2] + np.arange(len(joints))[:, None, None, None] * [width, 0]
    bones = points[:, :, np.array(edges)]
    seen = (joints[..., 2] > 0)[:, :, np.array(edges)].all(axis=-1)
    lines = LineCollection(bones[seen], colors="C1", linewidths=1.0)
    axes.add_collection(lines, autolim=False)


def draw(figure, example: Example, topology: str, *, box: Sequence[float]) -> None:
    """Draws the strips of an example below each other.

    Args:
      figure: to draw into.
      example: from `looked_at`.
      topology: of its joints.
      box: left, bottom, width and height in the figure.
    """
    strips = [name for name in STRIPS if name in example]
    left, bottom, width, height = box
    for place, name in enumerate(strips):
        low = bottom + height * (len(strips) - 1 - place) / len(strips)
        axes = figure.add_axes([left, low, width, 0.94 * height / len(strips)])
        show(axes, example, name, topology, name)


def show(axes: Axes, example: Example, name: str, topology: str, title: str) -> None:
    """One strip of an example; over frames lie the poses, where they are there."""
    colours = dict(cmap="magma" if name.endswith("maps") else "gray")
    montage(
        axes, example[name], title, **({} if example[name].shape[-1] == 3 else colours)
    )
    if name == "frames" and "joints" in example:
        edges = skeletons.get(topology).limbs
        overlay(axes, example["joints"], edges, example[name].shape[2])
