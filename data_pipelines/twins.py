"""A video in colour and its infrared twin: what data sets of such pairs share."""

from collections.abc import Mapping, Sequence

from data_pipelines import raw
from data_pipelines.dataset import Example
from data_pipelines.errors import DataError

MODALITIES = ("rgb", "ir")
TOLERANCE = 10
"""Frames by which two videos of one performance may differ in length."""
FIELDS = {name: {name: (None,), f"{name}_ends": (None,)} for name in MODALITIES}
"""Modality -> stored field -> shape, see `raw.Layout`."""


def apart(lengths: Mapping[str, int]) -> str:
    """Why two videos are not of one performance.

    Args:
      lengths: modality -> frames.

    Returns:
      A sentence where both are there and differ by more than `TOLERANCE`, else "".
    """
    if not set(MODALITIES) <= lengths.keys():
        return ""
    colour, infrared = (lengths[name] for name in MODALITIES)
    if abs(colour - infrared) <= TOLERANCE:
        return ""
    return f"{infrared} frames, but the video in colour has {colour}"


def disagree(fields: Mapping[str, raw.Arrays]) -> dict[str, str]:
    """An infrared video much longer or shorter than the one in colour.

    Args:
      fields: the stored fields of one recording, modality by modality.

    Returns:
      As `raw.Layout.disagree`.
    """
    lengths = {name: len(fields[name][f"{name}_ends"]) for name in fields}
    reason = apart(lengths)
    return {"ir": reason} if reason else {}


def check_lengths(example: Example) -> None:
    """Refuse a raw example whose videos are not of one performance.

    Args:
      example: with `key` and one or both of the videos.

    Raises:
      DataError: if both are there and `apart`.
    """
    reason = apart({name: len(example[name]) for name in MODALITIES if name in example})
    if reason:
        raise DataError(f"{example['key']}: its infrared video has {reason}")


def check_modalities(dataset: str, modalities: Sequence[str]) -> None:
    """Refuse what is neither of the two.

    Args:
      dataset: its name.
      modalities: that are asked for.

    Raises:
      DataError: if there is none, or another.
    """
    if not modalities or not set(modalities) <= set(MODALITIES):
        raise DataError(f"{dataset} has rgb and ir, not {list(modalities)}")
