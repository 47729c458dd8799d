"""Build a data set once: python -m data_pipelines.prepare --dataset=utd_mhad ..."""

import contextlib
import importlib
import io
import pathlib
import pkgutil
import sys
import tempfile
import time

import tensorflow_datasets as tfds
from absl import app, flags, logging

import data_pipelines.datasets
from data_pipelines import builder, stored, video
from data_pipelines.errors import DataError

DATASET = flags.DEFINE_string("dataset", None, "Name of the data set.", required=True)
RAW_DIR = flags.DEFINE_string(
    "raw_dir", None, "Folder of the official distribution.", required=True
)
DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Where to build; $KDJAX_DATA_HOME or ~/kdjax_data by default."
)
MAX_SKIPPED = flags.DEFINE_float(
    "max_skipped", 0.1, "Largest share of faulty recordings.", 0.0, 1.0
)
SHORT_SIDE = flags.DEFINE_integer(
    "short_side",
    None,
    f"Short side of stored video frames in pixels; {video.SHORT_SIDE} by default.",
)


def prepare(
    name: str,
    *,
    raw_dir: str | pathlib.Path,
    data_dir: str | pathlib.Path | None = None,
    max_skipped: float = 0.1,
    short_side: int | None = None,
) -> str:
    """Build a data set unless it is built already.

    Args:
      name: of a module in `data_pipelines.datasets`.
      raw_dir: folder of the official distribution, which is only read.
      data_dir: where to build, see `stored.data_home`.
      max_skipped: largest share of faulty recordings, 0..1.
      short_side: of stored video frames in pixels, for data sets that have video files;
        smaller video keeps its size. None for `video.SHORT_SIDE`.

    Returns:
      What was done, to print.

    Raises:
      DataError: if it cannot be built, and no part of a build is left then; or is built
        already with another short side.
    """
    make = _builder_of(name)
    if short_side is not None:
        make.layout.scaled(short_side)  # refused before anything is written
    folder = stored.folder_of(name, data_dir)
    if folder.exists():
        built = stored.open_built(name, data_dir)
        if short_side is not None:
            _refuse_other_frames(built, short_side)
        return f"{name} is built already in {folder}, nothing to do"
    raw_dir = pathlib.Path(raw_dir).expanduser()
    if not raw_dir.is_dir():
        raise DataError(f"raw_dir {raw_dir}: there is no such folder")
    start = time.perf_counter()
    tfds.disable_progress_bar()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        build = make(
            raw_dir=raw_dir,
            data_dir=str(stored.data_home(data_dir)),
            max_skipped=max_skipped,
            short_side=short_side,
        )
        # TFDS announces a download of unknown size, which there is not.
        with (
            contextlib.redirect_stdout(io.StringIO()),
            tempfile.TemporaryDirectory() as downloads,
        ):
            build.download_and_prepare(download_dir=downloads)
    except OSError as error:
        raise DataError(f"cannot build in data_dir {folder}: {error}") from error
    seconds = time.perf_counter() - start
    lines = [text(build.report), f"built {folder} in {seconds:.1f} s"]
    lines += [
        f"{path} is left from a build that was cut short (or still runs); it can go"
        for path in sorted(folder.parent.glob("*incomplete*"))
    ]
    return "\n".join(lines)


def text(report: dict) -> str:
    """A build's report in words.

    Args:
      report: what `report.json` holds.

    Returns:
      Lines.
    """
    lines = [
        f"{report['dataset']}: kept {report['kept']} of {report['total']} recordings"
    ]
    lines += [
        f"  {modality}: kept {count['kept']} of {count['files']}"
        for modality, count in report["modalities"].items()
    ]
    skipped = [entry["reason"] for entry in report["skipped"]]
    for title, entries, shown in (
        ("skipped", skipped, 200),
        ("not found", report["missing"], 20),
        ("put right", report["notes"], 20),
    ):
        lines.append(f"  {title}: {len(entries)}")
        lines += [f"    {entry}" for entry in entries[:shown]]
        if len(entries) > shown:
            lines.append(f"    and {len(entries) - shown} more in {builder.REPORT}")
    return "\n".join(lines)


def _builder_of(name: str) -> type[builder.RecordingsBuilder]:
    names = [m.name for m in pkgutil.iter_modules(data_pipelines.datasets.__path__)]
    if name not in names:
        raise DataError(f"there is no data set {name!r}, only {', '.join(names)}")
    module = importlib.import_module(f"data_pipelines.datasets.{name}")
    if not hasattr(module, "Builder"):
        raise DataError(f"{name} needs no preparation, it has no raw files")
    return module.Builder


def _refuse_other_frames(built: stored.Stored, short_side: int) -> None:
    found = built.report.get("short_side")
    if found != short_side:
        raise DataError(
            f"{built.name} is built already in {built.folder} with --short_side={found}, "
            f"not {short_side}: move it away or choose another --data_dir"
        )


def main(argv: list[str]) -> None:
    """Run the command."""
    del argv
    logging.set_verbosity(logging.WARNING)
    try:
        print(
            prepare(
                DATASET.value,
                raw_dir=RAW_DIR.value,
                data_dir=DATA_DIR.value,
                max_skipped=MAX_SKIPPED.value,
                short_side=SHORT_SIDE.value,
            )
        )
    except DataError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    app.run(main)
