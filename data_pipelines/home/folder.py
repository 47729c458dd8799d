"""Writing a data set as MultiSensor-Home is distributed: videos, labels, masks."""

import json
import pathlib

import numpy as np
import tqdm

from data_pipelines import grid, people
from data_pipelines.dataset import Dataset
from data_pipelines.errors import DataError
from data_pipelines.home import mp4, script
from data_pipelines.home.recordings import Recordings

LISTS = {"train": ("train", "val"), "test": ("test",)}
"""Label file -> the splits that it lists."""


def write(out: str | pathlib.Path, dataset: Dataset, *, rate: float) -> None:
    """Write all recordings of a data set.

    Below the folder are `SS/NN-ViewV-Part1.mp4` (subject, recording, camera), the lists
    `train.json`, `test.json` and `all_labels.json` with the activities and their times,
    and `human/SS_NN_Part1.npz` with `confidence` float32 [V L] on the grid.

    Args:
      out: folder that does not exist yet or is empty.
      dataset: whose sources are `recordings.Recordings`, with all modalities or
        without sound.
      rate: frames a second of the videos, a multiple of 2.5.

    Raises:
      DataError: if the rate is another, there is no `rgb` or `human`, a picture has odd
        sides, or the folder is not empty or cannot be written.
    """
    _check(out, dataset, rate)
    root = pathlib.Path(out)
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise DataError(f"{root}: the folder is not empty")
        (root / people.FOLDER).mkdir()
        lists = {
            name: _write(root, dataset, splits, rate) for name, splits in LISTS.items()
        }
        lists["all_labels"] = lists["train"] + lists["test"]
        for name, clips in lists.items():
            (root / f"{name}.json").write_text(json.dumps(clips, indent=1))
    except OSError as error:
        raise DataError(f"{root}: cannot be written ({error.strerror})") from error


def _check(out: str | pathlib.Path, dataset: Dataset, rate: float) -> None:
    stride = round(rate / grid.RATE)
    if stride < 1 or stride * grid.RATE != rate:
        raise DataError(
            f"{out}: {rate:g} frames a second are no multiple of {grid.RATE}"
        )
    if missing := {"rgb", "human"} - set(dataset.modalities):
        raise DataError(f"{out}: the data set has no {min(missing)}")
    side = dataset.splits["train"].installed[0].size[0]
    if side % 2:
        raise DataError(f"{out}: pictures of {side} pixels, an odd number")


def _write(
    root: pathlib.Path, dataset: Dataset, splits: tuple[str, ...], rate: float
) -> list[dict]:
    """Write the recordings of some splits; what the label file says of them."""
    sources = [dataset.splits[name] for name in splits if name in dataset.splits]
    places = [(source, i) for source in sources for i in range(len(source))]
    described = f"{', '.join(splits)} to {root}"
    return [
        _recording(root, source, i, rate)
        for source, i in tqdm.tqdm(places, desc=described, disable=None)
    ]


def _recording(root: pathlib.Path, source: Recordings, index: int, rate: float) -> dict:
    example = source.filmed(index, rate)
    session, number, part = example["key"].split("_")
    (root / session).mkdir(exist_ok=True)
    clip = {}
    for camera, view in zip(example["view_ids"], example["views"]):
        name = f"{session}/{number}-View{camera}-{part}.mp4"
        frames = view["rgb"][np.arange(len(view["rgb"]))]
        mp4.write(root / name, frames, view.get("audio"), rate=rate)
        clip[f"video_url_{camera}"] = name
    confidence = np.stack([view["human"] for view in example["views"]])
    people.write(root / people.FOLDER / f"{example['key']}.npz", confidence)
    clip["tricks"] = [
        {"start": start, "end": end, "labels": [name]}
        for name, start, end in script.annotated(source.script_of(index))
    ]
    return clip
