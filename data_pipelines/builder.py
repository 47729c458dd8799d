"""Raw recordings to ArrayRecord, once, by a builder of TensorFlow Datasets.

TensorFlow itself is not needed. A build goes into a temporary folder that is renamed
when it is complete, so that one cut short is never taken for built; nothing that
exists is overwritten.
"""

import collections
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from data_pipelines import raw
from data_pipelines.errors import DataError

SPLIT = "trials"
INDEX = "index"
REPORT = "report.json"


class RecordingsBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Builds one data set; a subclass names its layout.

    Every recording is one record with all its modalities, unless its layout cuts it
    into parts; a modality that is absent has no frames. What protocols select by is kept
    in the index, in the order of the records.
    """

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Unpack the official distribution into raw_dir."
    layout: raw.Layout

    def __init__(
        self,
        *,
        raw_dir: str | pathlib.Path | None = None,
        max_skipped: float = 0.1,
        short_side: int | None = None,
        **options: Any,
    ):
        """Prepare to build.

        Args:
          raw_dir: folder of the official distribution.
          max_skipped: largest share of recordings with a fault, 0..1.
          short_side: of stored video frames in pixels; None for the layout's.
          **options: of the TFDS builder, such as `data_dir`.

        Raises:
          DataError: if there is no video, or no frame can have such a side.
        """
        if short_side is not None:
            self.layout = self.layout.scaled(short_side)
        self._raw_dir = raw_dir
        self._max_skipped = max_skipped
        self.report: dict[str, Any] = {}
        super().__init__(file_format="array_record", **options)

    def _info(self) -> tfds.core.DatasetInfo:
        shapes = {k: v for f in self.layout.fields.values() for k, v in f.items()}
        features = {
            name: _feature(shape, _dtype(self.layout, name))
            for name, shape in shapes.items()
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {"key": tfds.features.Text()} | features
            ),
            metadata=tfds.core.MetadataDict(),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {SPLIT: self._generate_examples()}

    def _generate_examples(self):
        found = self.layout.find(pathlib.Path(self._raw_dir).expanduser())
        log = _Log(self.layout, found)
        if not found.recordings:
            raise DataError(
                f"{self._raw_dir}: no complete recording of {self.layout.name} was "
                f"found{_reasons(log.report()['skipped'])}"
            )
        performances = collections.defaultdict(list)
        for recording in found.recordings:
            performances[self.layout.performance(recording.key)].append(recording)
        # `disable=None` shows the bar on a terminal only.
        total = len(found.recordings)
        with tqdm.tqdm(total=total, unit=" trials", disable=None) as bar:
            for recordings in performances.values():
                yield from _performance(self.layout, recordings, log)
                bar.update(len(recordings))
        self.report = log.report()
        self._refuse_too_many_faults()
        self.info.metadata[INDEX] = log.index
        path = pathlib.Path(self.data_dir) / REPORT
        path.write_text(json.dumps(self.report, indent=1) + "\n")

    def _refuse_too_many_faults(self) -> None:
        skipped, total = self.report["faulty"], self.report["total"]
        if not self.report["kept"] or skipped > self._max_skipped * total:
            raise DataError(
                f"{self._raw_dir}: {skipped} of {total} recordings have a fault, more "
                f"than max_skipped={self._max_skipped:g} allows"
                f"{_reasons(self.report['skipped'])}"
            )


class _Log:
    """What a build kept and what it skipped."""

    def __init__(self, layout: raw.Layout, found: raw.Found):
        self.layout, self.found = layout, found
        self.index: list[dict[str, Any]] = []
        self.skipped = [
            {"key": key, "modality": "", "reason": reason}
            for key, reason in found.faults.items()
        ]
        self.recordings = 0
        self.kept = collections.Counter()
        self.notes: list[str] = []
        self.seen: dict[bytes, pathlib.Path] = {}

    def keep(self, parts: raw.Parts) -> None:
        for record, fields in parts.records:
            self.index.append(
                {
                    "key": record.key,
                    "label": record.label,
                    "subject": record.subject,
                    "modalities": sorted(fields),
                    **record.details,
                }
            )
        # Of one recording, however many records it is stored as.
        self.recordings += 1
        self.kept.update({m for _, fields in parts.records for m in fields})

    def skip(self, key: str, modality: str, reason: str) -> None:
        self.skipped.append({"key": key, "modality": modality, "reason": reason})

    def report(self) -> dict[str, Any]:
        found = self.found
        faulty = {entry["key"] for entry in self.skipped}
        names = {recording.key for recording in found.recordings}
        side = self.layout.short_side
        return {
            "dataset": self.layout.name,
            **({} if side is None else {"short_side": side}),
            "kept": self.recordings,
            "total": len(names | faulty),
            "faulty": len(faulty),
            "modalities": {
                m: {"files": n, "kept": self.kept[m]} for m, n in found.counts.items()
            },
            "skipped": self.skipped,
            "missing": found.missing,
            "notes": self.notes,
        }


def _performance(
    layout: raw.Layout, recordings: list[raw.Recording], log: _Log
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of one performance; none if one of them has to be left out."""
    read = {recording.key: _parts(layout, recording, log) for recording in recordings}
    lost = [key for key, parts in read.items() if not parts.records]
    if lost:
        for key in read.keys() - set(lost):
            log.skip(key, "", f"{key}: left out, as {lost[0]} of this performance is")
        return
    for parts in read.values():
        log.keep(parts)
        for part, fields in parts.records:
            yield part.key, _record(layout, part, fields)


def _parts(layout: raw.Layout, recording: raw.Recording, log: _Log) -> raw.Parts:
    """The records of one recording; none if it has to be left out."""
    fields = _read(layout, recording, log)
    if fields is None:
        return raw.Parts([])
    parts = layout.parts(recording, fields)
    for reason in parts.faults:
        log.skip(recording.key, "", reason)
    log.notes += parts.notes
    return parts


def _read(
    layout: raw.Layout, recording: raw.Recording, log: _Log
) -> dict[str, raw.Arrays] | None:
    """The modalities of one recording, or None if it has to be left out."""
    fields: dict[str, raw.Arrays] = {}
    for modality, path in recording.paths.items():
        try:
            _refuse_copies(log.seen, path)
            reading = layout.read(modality, path)
            fields[modality] = reading.arrays
            log.notes += [f"{path}: {note}" for note in reading.notes]
        except DataError as error:
            log.skip(recording.key, modality, str(error))
    for modality, reason in layout.disagree(fields).items():
        log.skip(recording.key, modality, f"{recording.paths[modality]}: {reason}")
        del fields[modality]
    if not fields or any(m not in fields for m in layout.required):
        return None
    return fields


def _record(
    layout: raw.Layout, recording: raw.Recording, fields: dict[str, raw.Arrays]
) -> dict[str, Any]:
    record: dict[str, Any] = {"key": recording.key}
    for modality, shapes in layout.fields.items():
        for name, shape in shapes.items():
            empty = np.zeros([n or 0 for n in shape], _dtype(layout, name))
            record[name] = fields.get(modality, {}).get(name, empty)
    return record


def _refuse_copies(seen: dict[bytes, pathlib.Path], path: pathlib.Path) -> None:
    # The same content under two names is a mistake in copying: two modalities that
    # are one, or a trial in both splits. One file may serve several recordings.
    first = seen.setdefault(raw.fingerprint(path), path)
    if first != path and path.stat().st_size:
        raise DataError(f"{path}: the same content as {first}")


def _dtype(layout: raw.Layout, field: str) -> type:
    # Seconds since the first sample need more than 24 bits over long recordings.
    usual = np.float64 if field.endswith("_time") else np.float32
    return layout.dtypes.get(field, usual)


def _feature(shape: tuple[int | None, ...], dtype: type) -> tfds.features.Tensor:
    # Other numbers are stored as 64 bits each, too many for samples of sound.
    if dtype not in (np.uint8, np.int16):
        return tfds.features.Tensor(shape=shape, dtype=dtype)
    # Pixels of masked depth shrink to a tenth; a string of bytes is JPEG already.
    encoding = "zlib" if len(shape) > 1 else "bytes"
    return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=encoding)


def _reasons(skipped: list[dict[str, str]], limit: int = 200) -> str:
    lines = [f"\n  {entry['reason']}" for entry in skipped[:limit]]
    more = len(skipped) - len(lines)
    return "".join(lines) + (f"\n  and {more} more" if more else "")
