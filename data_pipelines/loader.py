"""Examples to batches: shuffled, sharded by process, resumable to the batch.

Batch i is a function of the seed and of i alone: its epoch is shuffled with one seed
first, then sliced by process, then cut into batches; what is left to chance within an
example is drawn from a stream of the seed, the epoch and the example's index. Grain
reads those batches by index, ahead of time, on its threads; its per-element work is
paid once a batch. The position is one number, which is what a checkpoint keeps.
"""

import dataclasses
import functools
import sys
from typing import Any

import grain
import numpy as np

from data_pipelines.dataset import Example, Row, Source, rows
from data_pipelines.errors import DataError
from data_pipelines.transforms import frames

Batch = dict[str, Any]


class Cached:
    """Every example of a source in memory, stacked: one array a field."""

    def __init__(self, source: Source):
        """Read the whole source once.

        Args:
          source: aligned examples, each field of one shape.
        """
        self.rows: list[Row] = rows(source)
        self._fields = stack([source[i] for i in range(len(source))])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        example = {name: field[index] for name, field in self._fields.items()}
        return example | {"key": str(example["key"])}

    def gather(self, indices: np.ndarray) -> Batch:
        """The examples at `indices`, stacked."""
        return {name: field[indices] for name, field in self._fields.items()}


def cache(source: Source) -> Cached:
    """Decode and align every example once; afterwards a batch is an array lookup.

    Args:
      source: aligned examples that fit into memory.

    Returns:
      A source of the same examples.

    Raises:
      DataError: if the source is empty, its examples differ in shape, or it draws them
        anew in every epoch.
    """
    if not len(source):
        raise DataError("a split without examples cannot be cached")
    if hasattr(source, "draw"):
        raise DataError("examples that are drawn anew in every epoch cannot be cached")
    return Cached(source)


def stack(examples: list[Example]) -> Batch:
    """Stack examples field by field.

    Args:
      examples: dicts with the same fields.

    Returns:
      field -> array [B ...]; keys as strings, labels and subjects as int32.

    Raises:
      DataError: if fields or shapes differ; it names the example.
    """
    first = examples[0]
    for example in examples[1:]:
        if example.keys() != first.keys():
            raise DataError(
                f"{example['key']} has the fields {sorted(example)}, but "
                f"{first['key']} has {sorted(first)}"
            )
        for name, value in example.items():
            if np.shape(value) != np.shape(first[name]):
                raise DataError(
                    f"{name} of {example['key']} has shape {np.shape(value)}, but "
                    f"that of {first['key']} has {np.shape(first[name])}: align them"
                )
    fields = {name: np.stack([e[name] for e in examples]) for name in first}
    whole = {k: v.astype(np.int32) for k, v in fields.items() if v.dtype == np.int64}
    return fields | whole


def gather(source: Source, indices: np.ndarray, *, seed: tuple[int, ...] = ()) -> Batch:
    """One batch.

    Args:
      source: aligned examples.
      indices: [B], of which -1 means padding.
      seed: of what a source with a method `draw` leaves to chance; an example's own
        stream is that of the seed and its index, whatever batch and process it is in.

    Returns:
      field -> array [B ...] and `mask` float32 [B], 1 for an example. Padding repeats
      an example, with mask 0 and the key "".
    """
    real = indices >= 0
    taken = np.where(real, indices, 0)
    if hasattr(source, "gather"):
        batch = source.gather(taken)
    elif hasattr(source, "draw"):
        # From 1: with a last number of 0 the stream would be that of the seed alone.
        streams = [frames.generator(*seed, int(i) + 1) for i in taken]
        batch = stack([source.draw(int(i), rng) for i, rng in zip(taken, streams)])
    else:
        batch = stack([source[int(i)] for i in taken])
    if not real.all():
        batch["key"] = np.where(real, batch["key"], "")
    return batch | {"mask": real.astype(np.float32)}


def steps_per_epoch(
    size: int, *, batch_size: int, drop_remainder: bool = True, process_count: int = 1
) -> int:
    """Batches an epoch, the same number on every process.

    Args:
      size: examples in the split.
      batch_size: examples a batch and process.
      drop_remainder: whether what does not fill a batch on all processes is left out.
      process_count: number of processes.

    Returns:
      The number of batches.
    """
    whole = batch_size * process_count
    return size // whole if drop_remainder else -(-size // whole)


class Loader:
    """An iterator over batches whose position can be saved and restored."""

    def __init__(self, plan: grain.IterDataset, steps: int, epochs: int | None):
        """Use `make_loader`.

        Args:
          plan: of batches.
          steps: batches an epoch.
          epochs: number of passes, or None for no end.
        """
        self._iterator = iter(plan)
        self.steps_per_epoch = steps
        self.epochs = epochs

    def __iter__(self) -> "Loader":
        return self

    def __next__(self) -> Batch:
        return next(self._iterator)

    def get_state(self) -> dict[str, int]:
        """The position, as a dict that JSON can hold."""
        return {"next_index": int(self._iterator.get_state()["next_index"])}

    def set_state(self, state: dict[str, int]) -> None:
        """Continue at a position.

        Args:
          state: what `get_state` returned for the same source and options.

        Raises:
          DataError: if it is not a position of this loader.
        """
        try:
            self._iterator.set_state({"next_index": int(state["next_index"])})
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(f"{state!r} is not a position of this loader") from error

    def close(self) -> None:
        """End the reading threads."""
        self._iterator.close()


def make_loader(
    source: Source,
    *,
    batch_size: int,
    seed: int,
    shuffle: bool = True,
    epochs: int | None = None,
    drop_remainder: bool = True,
    process_index: int = 0,
    process_count: int = 1,
    threads: int = 1,
    prefetch: int = 4,
) -> Loader:
    """Batches of a source, in an order that depends on the seed alone.

    Args:
      source: aligned examples; `cache` makes it fast.
      batch_size: examples a batch on this process.
      seed: of the order and of what examples leave to chance; every epoch anew.
      shuffle: whether to shuffle at all.
      epochs: passes over the source, or None for no end.
      drop_remainder: leave out what does not fill a batch, or pad it with `mask` 0.
      process_index: of this process.
      process_count: processes that share an epoch without overlap.
      threads: that prepare batches ahead; 0 prepares them when asked for.
      prefetch: batches held ready.

    Returns:
      An iterator over dicts of arrays [B ...].

    Raises:
      DataError: if the source is empty or smaller than one batch on all processes.
    """
    if batch_size < 1 or not 0 <= process_index < process_count:
        raise DataError(
            f"no batch of {batch_size} on process {process_index} of {process_count}"
        )
    size = len(source)
    if not size:
        raise DataError("the split is empty")
    steps = steps_per_epoch(
        size,
        batch_size=batch_size,
        drop_remainder=drop_remainder,
        process_count=process_count,
    )
    if not steps:
        raise DataError(
            f"the split has {size} examples, fewer than one batch of {batch_size} on "
            f"{process_count} process(es)"
        )
    order = _Order(
        size=size,
        total=steps * batch_size * process_count,
        seed=seed if shuffle else None,
    )
    plan = grain.MapDataset.source(
        _Batches(source, order, batch_size, process_index, process_count, epochs, seed)
    )
    options = grain.ReadOptions(
        num_threads=threads, prefetch_buffer_size=max(prefetch, threads)
    )
    return Loader(plan.to_iter_dataset(options), steps, epochs)


@dataclasses.dataclass(frozen=True)
class _Order:
    """Indices of each epoch, cut or padded with -1 to `total`, for all processes."""

    size: int
    total: int
    seed: int | None

    def __call__(self, epoch: int) -> np.ndarray:
        return _order(self, epoch if self.seed is not None else 0)


# More than one, because threads read ahead into the next epoch.
@functools.lru_cache(maxsize=8)
def _order(order: _Order, epoch: int) -> np.ndarray:
    indices = np.arange(order.size)
    if order.seed is not None:
        # Sorting the bits of a bit generator: NumPy promises that stream for ever,
        # but not that of `Generator.permutation`. Grain's own shuffle costs 0.1 ms an
        # index on small sets, fifty times the batch it prepares.
        bits = np.random.PCG64([order.seed, epoch]).random_raw(order.size)
        indices = np.argsort(bits, kind="stable")
    padding = np.full(max(0, order.total - order.size), -1)
    return np.concatenate([indices, padding])[: order.total]


@dataclasses.dataclass(frozen=True)
class _Batches:
    """This process's batches by number, over all epochs."""

    source: Source
    order: _Order
    batch_size: int
    process_index: int
    process_count: int
    epochs: int | None
    seed: int

    def __len__(self) -> int:
        return sys.maxsize if self.epochs is None else self.epochs * self._steps

    def __getitem__(self, number: int) -> Batch:
        epoch, step = divmod(number, self._steps)
        mine = self.order(epoch)[self.process_index :: self.process_count]
        start = step * self.batch_size
        indices = mine[start : start + self.batch_size]
        return gather(self.source, indices, seed=(self.seed, epoch))

    @property
    def _steps(self) -> int:
        return self.order.total // (self.batch_size * self.process_count)
