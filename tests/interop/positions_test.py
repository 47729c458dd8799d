"""Grids of positions at other sizes: a slow loop, PyTorch's numbers, SciPy's zoom."""

import numpy as np
import pytest
from scipy import ndimage

from kdjax.interop import positions
from tests import reference_transformer as reference

RNG = np.random.default_rng(0)
LINE = np.array([1.0, -2.0, 4.0, 0.5])
# `interpolate` of PyTorch 2.13 on the line above, in float32: mode "bicubic" without and
# with antialias, and "bilinear", all with align_corners=False.
PYTORCH = {
    ("bicubic", 6): [1.260417, -1.0625, -1.3385415, 3.3906255, 2.8125, 0.1961814],
    ("bicubic", 3): [0.4652777, 1.046875, 1.1064801],
    ("bicubic_antialias", 6): [
        *(1.197368, -0.7647059, -1.4108795),
        *(3.4456022, 2.5000002, 0.2697365),
    ],
    ("bicubic_antialias", 3): [-0.0846681, 1.0176005, 1.7082374],
    ("bilinear", 6): [1.0, -0.5, -0.9999995, 3.0000002, 2.25, 0.5],
    ("bilinear", 3): [0.4999999, 1.0, 1.0833328],
}


@pytest.mark.parametrize(("method", "new"), PYTORCH)
def test_it_agrees_with_pytorch(method, new):
    got = positions.weights(4, new, method) @ LINE
    np.testing.assert_allclose(got, PYTORCH[method, new], atol=1.5e-6)


@pytest.mark.parametrize("method", positions.METHODS)
@pytest.mark.parametrize("shape", [(14, 14), (5, 9), (3, 8), (7, 7)])
def test_it_is_the_slow_loop(method, shape):
    grid = RNG.standard_normal((7, 7, 3)).astype(np.float32)
    got = positions.resize(grid, shape, method)
    want = reference.resize_grid(grid, shape, method)
    np.testing.assert_allclose(got, want, atol=1e-12)
    if shape == (7, 7):
        np.testing.assert_allclose(got, grid, atol=1e-12)


def test_between_corners_it_is_scipys_zoom():
    # google-research's loader calls `scipy.ndimage.zoom` with order 1.
    grid = RNG.standard_normal((7, 7, 3))
    for size in (3, 14):
        zoomed = ndimage.zoom(grid, (size / 7, size / 7, 1), order=1)
        got = positions.resize(grid, (size, size), "corners")
        np.testing.assert_allclose(got, zoomed, atol=1e-12)


@pytest.mark.parametrize("method", positions.METHODS)
def test_a_constant_stays_one(method):
    for old, new in ((7, 12), (12, 7), (1, 3)):
        table = positions.weights(old, new, method)
        np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-12)


# AST's code keeps columns 50 - n // 2 on of the 101 of its 12x101 grid.
@pytest.mark.parametrize(("new", "start"), [(5, 48), (12, 44), (100, 0), (101, 0)])
def test_ast_keeps_the_middle(new, start):
    grid = RNG.standard_normal((12, 101, 2)).astype(np.float32)
    got = positions.cut_or_stretch(grid, (12, new))
    np.testing.assert_array_equal(got, grid[:, start : start + new])


def test_ast_stretches_with_bilinear_ones():
    grid = RNG.standard_normal((12, 101, 2)).astype(np.float32)
    got = positions.cut_or_stretch(grid, (12, 150))
    want = reference.resize_grid(grid, (12, 150), "bilinear")
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_ast_cuts_deits_square_along_frequency_and_stretches_it_along_time():
    grid = RNG.standard_normal((24, 24, 2)).astype(np.float32)
    got = positions.cut_or_stretch(grid, (12, 101))
    want = reference.resize_grid(grid, (24, 101), "bilinear")[6:18]
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_what_is_no_square_or_no_method_is_refused():
    assert positions.square(49) == (7, 7)
    with pytest.raises(ValueError, match="50 positions are no square"):
        positions.square(50)
    with pytest.raises(ValueError, match="method is 'nearest'"):
        positions.weights(2, 3, "nearest")
