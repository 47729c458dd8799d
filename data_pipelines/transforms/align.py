"""Raw examples to examples of one shape, their modalities aligned in time.

Modalities share neither a clock nor a rate, but all of them span the whole trial: each
is resampled at the same fractions of it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipelines.dataset import Dataset, Example, Source
from data_pipelines.errors import DataError
from data_pipelines.transforms import inertial, resample, skeleton

ROOTS = {"kinect_v1": (2,), "kinect_v2": (1,), "coco": (5, 6)}
"""Origin of each topology: the spine; for COCO the middle of the shoulders."""

Statistics = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Align:
    """Make every example of a split one shape.

    Attributes:
      modalities: to keep, of "skeleton" and "inertial".
      length: N, steps a trial.
      channels: leading channels of the inertial signal; 3 is the acceleration alone,
        6 adds the rate of turn.
      root: joint, or joints whose mean is the origin of every frame (see `ROOTS`); None
        keeps the camera's origin.
      spatial: leading channels of a joint that are coordinates.
      prep: "whole_trial" resamples every modality linearly over the whole trial and
        standardises it; "fusiongcn" does what the public Fusion-GCN code does: the
        skeleton padded with zeros and passed through `skeleton.normalise`, the signal
        resampled to the skeleton's frames, padded with zeros and scaled to 0..1.
      statistics: mean and standard deviation [C] of each modality to standardise with,
        see `statistics`; without them, and under "fusiongcn", values keep their unit.
    """

    modalities: tuple[str, ...] = ("skeleton", "inertial")
    length: int = 128
    channels: int = 3
    root: int | tuple[int, ...] | None = 2
    spatial: int = 3
    prep: str = "whole_trial"
    statistics: Statistics | None = None

    def __post_init__(self):
        if self.prep not in ("whole_trial", "fusiongcn"):
            raise DataError(f"prep is whole_trial or fusiongcn, not {self.prep!r}")
        if unknown := set(self.modalities) - {"skeleton", "inertial"}:
            raise DataError(f"align knows no modality {min(unknown)!r}")
        if self.length < 2:
            raise DataError(f"length is at least 2, not {self.length}")

    def __call__(self, example: Example) -> Example:
        """Align one raw example.

        Args:
          example: `skeleton` [T M J C], `inertial` [T' S] and, where its rate is not
            constant, `inertial_time` [T'] in seconds.

        Returns:
          `skeleton` float32 [N M J C] and `inertial` float32 [N channels], with the
          `key` and, if there is one, the `label`.

        Raises:
          DataError: if a modality is absent, empty, not finite or too narrow.
        """
        for name in self.modalities:
            _check(example, name)
        prepare = _whole_trial if self.prep == "whole_trial" else _fusion_gcn
        kept = {k: example[k] for k in ("key", "label") if k in example}
        return kept | prepare(self, example)


def for_dataset(dataset: Dataset, **options: Any) -> Align:
    """How to align a data set: all its modalities, the origin of its topology.

    Args:
      dataset: whose training split `standardised` takes next.
      **options: of `Align`, to override.

    Returns:
      The alignment, without statistics.
    """
    own = {
        "modalities": dataset.modalities,
        "root": ROOTS.get(dataset.topology),
        "spatial": 2 if dataset.topology == "coco" else 3,
    }
    return Align(**(own | options))


def statistics(source: Source, align: Align) -> Statistics:
    """Mean and standard deviation of each channel; call it on the training split only.

    Args:
      source: raw examples of the training split.
      align: how they will be aligned.

    Returns:
      modality -> (mean [C], standard deviation [C]), float32, over all examples, steps
      and joints that were seen. A constant channel has a standard deviation of 1.

    Raises:
      DataError: if there are no examples.
    """
    if not len(source):
        raise DataError("no examples to take statistics of")
    plain = dataclasses.replace(align, statistics=None)
    total: dict[str, np.ndarray] = {}
    for index in range(len(source)):
        example = plain(source[index])
        for name in align.modalities:
            values = _seen(name, example[name]).astype(np.float64)
            count = np.full(values.shape[-1], len(values), np.float64)
            sums = np.stack([count, values.sum(0), (values**2).sum(0)])
            total[name] = total.get(name, 0) + sums
    return {name: _moments(sums) for name, sums in total.items()}


def standardised(align: Align, train: Source) -> Align:
    """The same alignment with the statistics of the training split.

    Args:
      align: how examples are aligned.
      train: raw examples of the training split.

    Returns:
      The alignment to use for every split.
    """
    return dataclasses.replace(align, statistics=statistics(train, align))


def described(align: Align) -> dict[str, Any]:
    """A transform as JSON can hold it, exactly.

    Args:
      align: the transform.

    Returns:
      Its attributes; statistics as modality -> {"mean": [...], "std": [...]}.
    """
    values = align.statistics or {}
    plain = {k: {"mean": m.tolist(), "std": s.tolist()} for k, (m, s) in values.items()}
    return {**dataclasses.asdict(align), "statistics": plain}


def restored(description: Mapping[str, Any], modalities: Sequence[str]) -> Align:
    """A transform from what `described` made of it.

    Args:
      description: its attributes.
      modalities: those that are to be aligned.

    Returns:
      The transform.
    """
    values = {
        k: (np.array(v["mean"], np.float32), np.array(v["std"], np.float32))
        for k, v in description["statistics"].items()
    }
    root = description["root"]
    own = {
        "statistics": values or None,
        "modalities": tuple(modalities),
        "root": tuple(root) if isinstance(root, list) else root,
    }
    return Align(**{**description, **own})


def _check(example: Example, name: str) -> None:
    key = example["key"]
    if name not in example:
        raise DataError(f"{key} has no {name}")
    values = example[name]
    if not len(values):
        raise DataError(f"the {name} of {key} is empty")
    if not np.isfinite(values).all():
        raise DataError(f"the {name} of {key} has values that are not finite")


def _whole_trial(align: Align, example: Example) -> Example:
    out = {}
    for name in align.modalities:
        values = example[name]
        times = example.get(f"{name}_time")
        where = resample.positions(len(values), align.length, times=times)
        if name == "skeleton":
            values = _centred(align, values)
            values = resample.linear_joints(values, where)
        else:
            values = resample.linear(_channels(align, example), where)
        if align.statistics is not None:
            values = _standardise(name, values, align.statistics)
        out[name] = values
    return out


def _centred(align: Align, clip: np.ndarray) -> np.ndarray:
    if align.root is None:
        return clip
    root = (align.root,) if isinstance(align.root, int) else tuple(align.root)
    return skeleton.relative(clip, root, spatial=align.spatial)


def _fusion_gcn(align: Align, example: Example) -> Example:
    if "skeleton" not in example:
        raise DataError(f"{example['key']} has no skeleton, whose length sets the pace")
    clip, length = example["skeleton"], align.length
    if len(clip) > length:
        raise DataError(
            f"{example['key']} has {len(clip)} frames, prep='fusiongcn' pads to {length}"
        )
    if clip.shape[2] != 20:
        raise DataError(
            f"{example['key']} has {clip.shape[2]} joints, prep='fusiongcn' turns the 20 "
            "of the Kinect v1"
        )
    out = {}
    for name in align.modalities:
        if name == "skeleton":
            padded = _pad(clip, length)
            out[name] = skeleton.normalise(padded, origin=2, z=(3, 2), x=(4, 8))
        else:
            signal = resample.nearest(_channels(align, example), len(clip))
            out[name] = inertial.min_max(_pad(signal, length))
    return out


def _channels(align: Align, example: Example) -> np.ndarray:
    signal = example["inertial"]
    if signal.shape[-1] < align.channels:
        raise DataError(
            f"the inertial signal of {example['key']} has {signal.shape[-1]} channels, "
            f"{align.channels} are asked for"
        )
    return signal[:, : align.channels]


def _pad(values: np.ndarray, length: int) -> np.ndarray:
    return np.pad(values, [(0, length - len(values))] + [(0, 0)] * (values.ndim - 1))


def _seen(name: str, values: np.ndarray) -> np.ndarray:
    """Values as [n C], without the joints that are missing or are the origin."""
    if name == "skeleton":
        return values[~skeleton.missing(values)[..., 0]]
    return values


def _standardise(name: str, values: np.ndarray, table: Statistics) -> np.ndarray:
    mean, std = table[name]
    scaled = (values - mean) / std
    if name == "skeleton":
        scaled = np.where(skeleton.missing(values), 0, scaled)
    return scaled.astype(np.float32)


def _moments(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count, first, second = sums
    mean = first / np.maximum(count, 1)
    variance = np.maximum(second / np.maximum(count, 1) - mean**2, 0)
    std = np.sqrt(variance)
    # A constant channel leaves rounding noise here; dividing by it would blow it up.
    constant = std <= 1e-6 * np.maximum(1, np.abs(mean))
    return mean.astype(np.float32), np.where(constant, 1, std).astype(np.float32)
