"""What the property tests of the losses share."""

import contextlib

import jaxtyping
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

few = settings(max_examples=25, deadline=None, derandomize=True)


def floats(shape, limit=30.0):
    """Arrays of float32 within a range."""
    elements = st.floats(-limit, limit, width=32)
    return hnp.arrays(np.float32, shape, elements=elements)


@contextlib.contextmanager
def unchecked_types():
    """Runs as a user does, without the annotations being checked."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
