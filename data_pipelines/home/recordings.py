"""The recordings of a home, as a source of examples."""

import dataclasses
import functools

import numpy as np

from data_pipelines import grid, tricks
from data_pipelines.dataset import Example, Row
from data_pipelines.home import film, script, sounds
from data_pipelines.person.cameras import Camera


@dataclasses.dataclass(frozen=True)
class Recordings:
    """Recordings of all cameras, made when they are read.

    Attributes:
      household: what they have in common.
      subjects: whose recordings these are.
      count: of recordings of each subject.
      installed: the cameras, in the order of the views.
      modalities: some of `scenes.MODALITIES`.
    """

    household: script.Household
    subjects: tuple[int, ...]
    count: int
    installed: tuple[Camera, ...]
    modalities: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.subjects) * self.count

    def __getitem__(self, index: int) -> Example:
        return self.filmed(index, grid.RATE)

    def filmed(self, index: int, rate: float) -> Example:
        """An example whose `rgb` has another rate; all else stays on the grid.

        Args:
          index: of the example.
          rate: frames a second, a multiple of the grid's.

        Returns:
          The example.
        """
        written, classes = self.script_of(index), self.household.classes
        numbered = [
            (classes.index(name), start, end)
            for name, start, end in script.annotated(written)
        ]
        row = self._row(index)
        return {
            **row._asdict(),
            "labels": tricks.multi_hot(row.label, len(classes)),
            "frame_labels": tricks.grid_labels(
                numbered, length=written.frames, count=len(classes)
            ),
            "view_ids": np.arange(1, 1 + len(self.installed), dtype=np.int32),
            "view_mask": np.ones(len(self.installed), np.float32),
            "views": self._views(row.key, written, rate),
        }

    @functools.cached_property
    def rows(self) -> list[Row]:
        """Key, labels and subject of every recording."""
        return [self._row(index) for index in range(len(self))]

    def script_of(self, index: int) -> script.Script:
        """What happens in a recording, for whoever wants to see or hear it otherwise."""
        return script.write(self.household, *self._place(index))

    def _row(self, index: int) -> Row:
        subject, number = self._place(index)
        labels = script.occurring(self.script_of(index), self.household.classes)
        return Row(f"{subject:02d}_{number:02d}_Part1", labels, subject)

    def _place(self, index: int) -> tuple[int, int]:
        # The range refuses what is outside.
        which, number = divmod(range(len(self))[index], self.count)
        return self.subjects[which], number

    def _views(
        self, key: str, written: script.Script, rate: float
    ) -> tuple[Example, ...]:
        stride = round(rate / grid.RATE)
        times = np.arange(written.frames * stride) / (stride * grid.RATE)
        people = film.shots(written, times)
        heard = sounds.events(written) if "audio" in self.modalities else []
        views = []
        for number, camera in enumerate(self.installed, 1):
            shot = film.Film(written, times, people, camera, number)
            make = {
                "rgb": lambda shot=shot: shot,
                "audio": lambda camera=camera, number=number: sounds.record(
                    written, heard, camera.position, number
                ),
                "human": lambda shot=shot: shot.detections()[::stride],
            }
            made = {name: make[name]() for name in self.modalities}
            views.append({"key": f"{key}_c{number}", **made})
        return tuple(views)
