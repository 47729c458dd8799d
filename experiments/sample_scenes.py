"""How a recording of several actions looks in a report: cameras, attention, times."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import ml_collections
import numpy as np
from etils import epath
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_pipelines.dataset import Example, rows
from experiments import predict
from experiments.build import build_data
from experiments.errors import RunError
from experiments.evaluate import Predictions
from experiments.outcome import Outcome, Reference
from experiments.plots import Image, shorten
from kdjax import metrics

INSTANTS = 8
"""Frames of a camera in a row, however many columns share it."""
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
    titles = ["frames", *looked]
    count = max(INSTANTS // len(titles), 2)
    at = ((np.arange(count) + 0.5) / count * steps).astype(int)
    shape = example["rgb"].shape[2:4]
    cell = WIDTH / (count * len(titles)) * shape[0] / shape[1]
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


def shown(
    run: Outcome,
    reference: Reference | None,
    config: ml_collections.ConfigDict,
    save: Callable[[str, Callable[[], Figure]], Image],
) -> list[dict[str, Any]]:
    """What a page shows of a few recordings: cameras, attention, and times.

    Args:
      run: that the page is about, which has ended.
      reference: the undistilled student, if there is one.
      config: of the run; its data is read again.
      save: keeps a figure under a name.

    Returns:
      A card a recording, with its ``images``.

    Raises:
      DataError: where the data set is not there any more.
      RunError: where it no longer holds a recording.
    """
    judged = {run.student: run.predictions[run.student]}
    if reference is not None:
        judged[reference.name] = reference.predictions
    for role in run.config["roles"][run.student].get("teachers", ()):
        judged[role] = run.predictions[role]
    chosen = choose(run.predictions[run.student])
    keys = [str(run.predictions[run.student].key[row]) for row, _, _ in chosen]
    examples = read_again(config, run.split, keys)
    known = [role for role in judged if role in run.roles]
    cards = []
    for place, (row, why, within) in enumerate(chosen):
        example = examples[keys[place]]
        looked = attentions(run.path, known, example)
        frames = {
            role: found.frame_logits[row]
            for role, found in judged.items()
            if found.frame_logits is not None
        }
        figures = {"cameras": functools.partial(draw_cameras, example, looked)}
        if frames:
            truth = run.predictions[run.student].frame_labels[row]
            figures["times"] = functools.partial(draw_times, frames, truth, run.classes)
        images = [save(f"scene_{place}_{n}", draw) for n, draw in figures.items()]
        said = ranked(run.predictions[run.student], row, run.classes)
        cards.append(
            {
                **said,
                "key": keys[place],
                "why": f"{why}, AP {100 * within:.0f} %",
                "images": images,
            }
        )
    return cards


def read_again(
    config: ml_collections.ConfigDict, split: str, keys: Sequence[str]
) -> dict[str, Example]:
    """Recordings of a split by key, as the run's transform gives them without chance.

    Raises:
      RunError: where the split no longer holds one.
    """
    options = {**config.data.to_dict(), "cache": False}
    data = build_data(ml_collections.ConfigDict({"data": options}))
    source = data.dataset.splits[split]
    where = {row.key: index for index, row in enumerate(rows(source))}
    if lost := sorted(set(keys) - set(where)):
        raise RunError(f"the split {split!r} no longer has the example {lost[0]}")
    return {key: data.align(source[where[key]]) for key in keys}


def ranked(
    predictions: Predictions, row: int, classes: Sequence[str]
) -> dict[str, Any]:
    """What a recording shows, and as many classes that rank highest.

    Args:
      predictions: of the judged network.
      row: of the recording.
      classes: their names.
    """
    labels, logits = predictions.labels[row], predictions.logits[row]
    true = {classes[k] for k in np.flatnonzero(labels)}
    highest = np.argsort(-logits, kind="stable")[: max(len(true), 1)]
    guess = {classes[k] for k in highest}
    return {
        "true": ", ".join(sorted(true)),
        "guess": ", ".join(sorted(guess)),
        "right": guess == true,
    }
