"""Runs of this folder use one device: the mesh has tests of its own."""

import jax
import pytest

from kdjax import parallel


@pytest.fixture(autouse=True, scope="package")
def one_device():
    """A mesh of one of the suite's eight host devices compiles faster."""
    patch = pytest.MonkeyPatch()
    whole = parallel.data_mesh
    patch.setattr(parallel, "data_mesh", lambda: whole(jax.devices()[:1]))
    yield
    patch.undo()
