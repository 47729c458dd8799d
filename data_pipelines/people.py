"""Where persons are seen: a mask a clip, made by a detector or by any other means.

A mask is a file `CLIP.npz` with `confidence` float32 [V L]: for every camera and every
frame of the grid of 2.5 a second the mean score of the persons in it, 0 for none. L is
the length of the shortest camera. Frames in which somebody is seen are those above 0.

    python -m data_pipelines.people --raw_dir=MultiSensor-Home1 --detector=yolov10b.onnx

writes them to the folder `human` of the raw folder, or where `--out` says; `load` looks
for them where its option `human` says, see `scenes.masks`.
"""

import argparse
import functools
import importlib
import io
import pathlib
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence

import av
import numpy as np
import tqdm

from data_pipelines import grid
from data_pipelines.detector import Detector
from data_pipelines.errors import DataError

FOLDER = "human"
"""Of the masks, in the raw folder."""
CONFIDENCE = 0.25
"""Score that a box must exceed, the default of Ultralytics."""
Detect = Callable[[av.VideoFrame], float]
"""Picture -> mean score of the persons in it."""


def read(path: pathlib.Path, shape: tuple[int, int]) -> np.ndarray:
    """Read the mask of one clip.

    Args:
      path: of the file.
      shape: V and L of the clip.

    Returns:
      Float32 [V L].

    Raises:
      DataError: if there is no such file, or its mask is of another shape, negative or
        not finite.
    """
    try:
        content = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        with np.load(content, allow_pickle=False) as archive:
            values = np.asarray(archive["confidence"], np.float32)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a file with `confidence` ({error})") from error
    if values.shape != shape:
        raise DataError(
            f"{path}: a mask of the shape {list(values.shape)}, but the clip has "
            f"{shape[0]} cameras and {shape[1]} frames of the grid"
        )
    # Written so that NaN is refused too.
    if not (values >= 0).all() or np.isinf(values).any():
        raise DataError(f"{path}: confidences that are negative or not finite")
    return values


def write(path: pathlib.Path, confidence: np.ndarray) -> None:
    """Write the mask of one clip.

    Args:
      path: of the file, whose folder exists.
      confidence: [V L].
    """
    content = io.BytesIO()
    np.savez_compressed(content, confidence=np.asarray(confidence, np.float32))
    # Renamed when it is complete: what was cut short is not taken for a mask.
    part = path.with_suffix(".part")
    part.write_bytes(content.getbuffer())
    part.replace(path)


def mask(
    paths: Mapping[int, pathlib.Path], cameras: Sequence[int], detect: Detect
) -> np.ndarray:
    """The mask of one clip.

    Args:
      paths: camera -> its video; one that is missing sees nobody.
      cameras: of the mask, in this order.
      detect: finds the persons.

    Returns:
      Float32 [V L], L frames of the grid in the shortest video.

    Raises:
      DataError: if a video cannot be read.
    """
    seen = {c: [detect(f) for f in grid.frames(path)] for c, path in paths.items()}
    length = min(map(len, seen.values()))
    out = np.zeros((len(cameras), length), np.float32)
    for place, camera in enumerate(cameras):
        if camera in seen:
            out[place] = seen[camera][:length]
    return out


def write_all(
    raw_dir: pathlib.Path,
    folder: pathlib.Path,
    detect: Detect,
    *,
    dataset: str = "multisensor_home",
    force: bool = False,
) -> str:
    """Write the masks of all clips of a raw folder that have none.

    Args:
      raw_dir: of the official distribution.
      folder: of the masks.
      detect: finds the persons.
      dataset: module of `data_pipelines.datasets` with `videos`, which lists the clips.
      force: write those anew that there are.

    Returns:
      What was done, to print.

    Raises:
      DataError: if the data set has no clips of several cameras, a folder is missing,
        or no mask could be written.
    """
    try:
        module = importlib.import_module(f"data_pipelines.datasets.{dataset}")
        clips, cameras = module.videos(raw_dir)
    except (ModuleNotFoundError, AttributeError) as error:
        raise DataError(f"{dataset} is no data set of several cameras") from error
    folder.mkdir(parents=True, exist_ok=True)
    kept, faults = 0, []
    for key, paths in tqdm.tqdm(clips.items(), unit=" clips", disable=None):
        path = folder / f"{key}.npz"
        if path.exists() and not force:
            kept += 1
            continue
        try:
            write(path, mask(paths, cameras, detect))
        except DataError as error:
            faults.append(f"  {key}: {error}")
    written = len(clips) - kept - len(faults)
    if not written + kept:
        raise DataError("\n".join([f"{raw_dir}: no mask could be written", *faults]))
    lines = [f"{folder}: {written} masks written, {kept} were there and are kept"]
    return "\n".join([*lines, f"  skipped: {len(faults)}", *faults])


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the masks of a raw folder.

    Args:
      arguments: of the command line.
    """
    parser = argparse.ArgumentParser(description="Find the persons in all clips.")
    parser.add_argument("--raw_dir", required=True, help="official distribution")
    parser.add_argument("--detector", required=True, help="ONNX file of a YOLO network")
    parser.add_argument("--dataset", default="multisensor_home", help="its name")
    parser.add_argument(
        "--out", help=f"folder of the masks; {FOLDER} in raw_dir if none"
    )
    parser.add_argument("--confidence", type=float, default=CONFIDENCE, help="of a box")
    parser.add_argument("--force", action="store_true", help="write masks anew")
    options = parser.parse_args(arguments)
    raw_dir = pathlib.Path(options.raw_dir).expanduser()
    out = pathlib.Path(options.out).expanduser() if options.out else raw_dir / FOLDER
    try:
        if not 0 <= options.confidence < 1:
            raise DataError(f"--confidence={options.confidence:g} is not in 0..1")
        network = Detector(pathlib.Path(options.detector).expanduser())
        detect = functools.partial(network, confidence=options.confidence)
        chosen = {"dataset": options.dataset, "force": options.force}
        print(write_all(raw_dir, out, detect, **chosen))
    except (DataError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
