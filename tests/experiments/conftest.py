"""Runs of this folder use one device: the mesh has tests of its own."""

import jax
import pytest

from kdjax import parallel


@pytest.fixture(autouse=True, scope="module")
def one_device():
    """A mesh of one of the suite's eight host devices compiles faster."""
    with pytest.MonkeyPatch.context() as patch:
        mesh = parallel.data_mesh
        patch.setattr(
            parallel,
            "data_mesh",
            lambda devices=None, views=1: mesh(
                devices or jax.devices()[:views], views=views
            ),
        )
        yield
