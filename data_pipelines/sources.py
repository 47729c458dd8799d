"""Sources made of others: examples that are changed, drawn anew or kept as they are read."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from data_pipelines.dataset import Example, Row, Source, Transform, rows


@dataclasses.dataclass(frozen=True)
class Mapped:
    """The examples of `source` with a function applied when they are read."""

    source: Source
    function: Callable[[Example], Example]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        return self.function(self.source[index])

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        return rows(self.source)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The examples of `source` with a random function applied when they are read.

    Attributes:
      source: examples.
      function: its `draw` makes the examples of a loader's batches, anew in every
        epoch; `source[i]` is what it makes without chance.
    """

    source: Source
    function: Transform

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        return self.function(self.source[index])

    def draw(self, index: int, rng: np.random.RandomState) -> Example:
        """The example at `index` as `rng` makes it."""
        return self.function.draw(self.source[index], rng)

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        return rows(self.source)


@dataclasses.dataclass(frozen=True)
class With:
    """The examples of `source` with further fields.

    Attributes:
      source: examples.
      fields: field -> array [n ...], in the source's order.
    """

    source: Source
    fields: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        return self.source[index] | self._at(index)

    def __getattr__(self, name: str) -> Callable[..., Example]:
        # Ways to read that not every source has: this one has those of its own.
        if name not in ("gather", "draw"):
            raise AttributeError(name)
        read = getattr(self.source, name)
        return lambda index, *args: read(index, *args) | self._at(index)

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        return rows(self.source)

    def _at(self, index: int | np.ndarray) -> Example:
        return {name: array[index] for name, array in self.fields.items()}


class Held:
    """The examples of `source`, kept in memory as they are first read.

    For examples of views, whose frames are otherwise decoded or drawn at every reading:
    all frames of all modalities are kept.
    """

    def __init__(self, source: Source):
        """Begin with nothing in memory.

        Args:
          source: examples with `views`; it gives the same example at every reading.
        """
        self.source = source
        self._kept: dict[int, Example] = {}

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Example:
        # Two threads may read one example at once: both keep the same.
        if index not in self._kept:
            example = self.source[index]
            # A main view that fills another's place is kept once.
            whole = {id(view): _whole(view) for view in example["views"]}
            views = tuple(whole[id(view)] for view in example["views"])
            self._kept[index] = example | {"views": views}
        return self._kept[index]

    @property
    def rows(self) -> list[Row]:
        """Key, label and subject of every example."""
        return rows(self.source)


def _whole(view: Example) -> Example:
    """A view with the frames of videos in place of what decodes them."""
    return {
        name: value
        if isinstance(value, np.ndarray | np.generic | str | int)
        else value[np.arange(len(value))]
        for name, value in view.items()
    }


def fixed(source: Source) -> Source:
    """The same examples without chance, as an evaluation sees them.

    Args:
      source: examples, which may be drawn anew whenever they are read.

    Returns:
      A source that gives the same example at every reading.
    """
    if isinstance(source, With):
        return With(fixed(source.source), source.fields)
    return (
        Mapped(source.source, source.function) if isinstance(source, Drawn) else source
    )
