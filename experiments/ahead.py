"""The next batch, on the devices while a step works on the last one."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from data_pipelines.loader import Loader
from kdjax import parallel


class Held(NamedTuple):
    """A batch that waits for its step, and where the loader was before it."""

    position: dict[str, int]
    keys: np.ndarray
    batch: dict[str, jax.Array]


class Ahead:
    """A loader that places one batch ahead of the step that works, and not more.

    The host may be a step ahead as well. Further ahead every batch that waits for its
    step would take memory of the devices.
    """

    def __init__(self, loader: Loader, mesh: Mesh):
        """Reads nothing yet.

        Args:
          loader: of host arrays.
          mesh: where its batches go.
        """
        self._loader, self._mesh = loader, mesh
        self._held: Held | None = None
        self._running: Any = None

    def __next__(self) -> tuple[dict[str, jax.Array], np.ndarray]:
        """A batch on the devices, and the keys of its examples."""
        held = self._held or self._read()
        self._held = None
        return held.batch, held.keys

    def place(self, started: Any) -> None:
        """Places the next batch, once the step before the one that began has ended.

        Args:
          started: arrays that the step gives, not donated to the next.
        """
        jax.block_until_ready(self._running)
        self._running = started
        self._held = self._read()

    def _read(self) -> Held:
        position = self._loader.get_state()
        batch = next(self._loader)
        keys = batch.pop("key")
        return Held(position, keys, parallel.shard_batch(batch, self._mesh))

    def get_state(self) -> dict[str, int]:
        """The position behind the last batch that was handed out."""
        return self._held.position if self._held else self._loader.get_state()

    def set_state(self, state: dict[str, int]) -> None:
        """Continues at a position."""
        self._loader.set_state(state)
        self._held = None

    def close(self) -> None:
        """Ends the reading threads."""
        self._loader.close()
