"""How a recording of several actions looks in a report: cameras, attention, times."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from etils import epath
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_pipelines.dataset import Example
from experiments import predict
from experiments.evaluate import Predictions
from experiments.plots import shorten
from kdjax import metrics

INSTANTS = 4
WIDTH = 11.0


def choose(predictions: Predictions) -> list[tuple[int, str, float]]:
    """The recordings whose classes are ranked best, middling and worst.

    Args:
      predictions: of recordings that show several classes.

    Returns:
      Rows, why they were chosen and the average precision within each.
    """
    within = metrics.average_precision(
        jnp.asarray(predictions.logits).T, jnp.asarray(predictions.labels).T
    )
    within = np.asarray(within)
    order = [row for row in np.argsort(-within, kind="stable") if within[row] >= 0]
    if not order:
        return []
    places = {len(order) - 1: "worst", len(order) // 2: "middling", 0: "best"}
    return [
        (int(order[place]), why, float(within[order[place]]))
        for place, why in sorted(places.items())
    ]


def attention(predictor: predict.Predictor, example: Example) -> np.ndarray | None:
    """Where a vision transformer looks: its class token, in the last layer.

    Args:
      predictor: a trained network.
      example: as its transform gives it.

    Returns:
      ``[V T R S]``, the mean over the heads of the weights on the patches, relative to
      the highest of each picture; None where the pictures' encoder is no transformer.
    """
    arrays = {k: v for k, v in example.items() if isinstance(v, np.ndarray)}
    batch = {name: jnp.asarray(array)[None] for name, array in arrays.items()}
    network = predictor.network
    _, seen = network.module.apply(
        {"params": predictor.params, **predictor.state},
        *network.streams(network.prepare(batch)),
        train=False,
        mutable=["intermediates"],
    )
    layers = seen.get("intermediates", {}).get("visual", {})
    numbers = [int(n.removeprefix("layer")) for n in layers if n.startswith("layer")]
    if not numbers:
        return None
    (weights,) = layers[f"layer{max(numbers)}"]["attention"]["weights"]
    found = np.asarray(jax.device_get(weights)).mean(axis=1)[:, 0, 1:]
    views, steps, height, width = example["rgb"].shape[:4]
    # Square patches: as many columns to a row as the picture is wider than high.
    rows = round(np.sqrt(found.shape[-1] * height / width))
    found = found.reshape(views, steps, rows, -1)
    return found / found.max(axis=(-2, -1), keepdims=True)


def attentions(
    workdir: epath.Path, roles: Sequence[str], example: Example
) -> dict[str, np.ndarray]:
    """By role, where it looks; only roles whose encoder has attention, see `attention`.

    Args:
      workdir: of a run that has ended.
      roles: those to ask.
      example: as the run's transform gives it.
    """
    found = {}
    for role in roles:
        predictor = predict.load(workdir / "models" / f"{role}.safetensors")
        looked = attention(predictor, example)
        if looked is not None:
            found[role] = looked
    return found


def draw_cameras(example: Example, looked: Mapping[str, np.ndarray]) -> Figure:
    """A row a camera: a few frames, and beside them where each role looks in them.

    Args:
      example: with ``rgb [V T H W 3]`` and ``present [V T]``; where it has ``visible``,
        frames that show a person by the masks are framed.
      looked: from `attentions`.

    Returns:
      The figure.
    """
    views, steps = example["rgb"].shape[:2]
    at = ((np.arange(INSTANTS) + 0.5) / INSTANTS * steps).astype(int)
    titles = ["frames", *looked]
    cell = WIDTH / (INSTANTS * max(len(titles), 2))
    figure = Figure(figsize=(WIDTH, 0.3 + cell * views))
    grid = figure.add_gridspec(
        views,
        len(titles),
        left=0.03,
        right=0.995,
        bottom=0.01,
        top=1 - 0.3 / (0.3 + cell * views),
        wspace=0.03,
        hspace=0.06,
    )
    for view in range(views):
        for column, title in enumerate(titles):
            axes = figure.add_subplot(grid[view, column])
            maps = looked[title][view, at] if column else None
            _strip(axes, example, view, at, maps)
            if not view:
                axes.set_title(title, fontsize=10)
            if not column:
                axes.set_ylabel(f"camera {view + 1}", fontsize=9)
    return figure


def _strip(
    axes: Axes, example: Example, view: int, at: np.ndarray, maps: np.ndarray | None
) -> None:
    """Frames of one camera side by side, under a map each where there is one."""
    frames = example["rgb"][view, at]
    height, width = frames.shape[1:3]
    row = np.concatenate(list(frames), axis=1)
    axes.imshow(row, interpolation="nearest", aspect="equal")
    if maps is not None:
        wide = np.concatenate(list(maps), axis=1)
        extent = (-0.5, row.shape[1] - 0.5, row.shape[0] - 0.5, -0.5)
        axes.imshow(wide, extent=extent, cmap="inferno", alpha=0.6, vmin=0, vmax=1)
    elif "visible" in example:
        for place, frame in enumerate(at):
            if example["visible"][view, frame] > 0:
                box = (place * width + 0.5, 0.5), width - 2, height - 2
                axes.add_patch(
                    matplotlib.patches.Rectangle(*box, fill=False, color="C2", lw=1.4)
                )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def draw_times(
    found: Mapping[str, np.ndarray], truth: np.ndarray, classes: Sequence[str]
) -> Figure:
    """A panel a role: how sure it is of each class at each frame, the truth outlined.

    Args:
      found: by role, logits ``[T K]`` of the frames.
      truth: ``[T K]``, 1 where a class is shown.
      classes: their names.

    Returns:
      The figure.
    """
    figure = Figure(figsize=(WIDTH, 0.75 + 0.24 * len(classes)), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (role, logits) in zip(panels, found.items()):
        sure = 1 / (1 + np.exp(-logits.T))
        image = axes.imshow(sure, aspect="auto", cmap="Blues", vmin=0, vmax=1)
        for row, spans in enumerate(truth.T):
            for start, end in _spans(spans > 0):
                box = (start - 0.5, row - 0.45), end - start, 0.9
                axes.add_patch(
                    matplotlib.patches.Rectangle(*box, fill=False, color="C0", lw=1.8)
                )
        axes.set_title(role, fontsize=10)
        axes.set_xlabel("frame")
        axes.set_yticks(range(len(classes)), [shorten(name, 18) for name in classes])
        axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=panels, pad=0.01, fraction=0.03, label="sigmoid of logit")
    return figure


def _spans(shown: np.ndarray) -> list[tuple[int, int]]:
    """First and last but one frame of every stretch that is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], shown.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def card(
    key: str,
    row: int,
    predictions: Mapping[str, Predictions],
    classes: Sequence[str],
) -> dict[str, Any]:
    """What a page says of one recording: what it shows, and what ranks highest.

    Args:
      key: of the recording.
      row: its place in the predictions.
      predictions: by role, the judged one first.
      classes: their names.
    """
    first = next(iter(predictions.values()))
    true = [classes[k] for k in np.flatnonzero(first.labels[row])]
    ranked = np.argsort(-first.logits[row], kind="stable")[: max(len(true), 1)]
    return {
        "key": key,
        "true": ", ".join(true),
        "guess": ", ".join(classes[k] for k in sorted(ranked)),
        "right": {classes[k] for k in ranked} == set(true),
    }
