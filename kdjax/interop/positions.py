"""Learned grids of positions brought to another size, as each project does it."""

import math

import numpy as np

METHODS = ("bicubic", "bicubic_antialias", "bilinear", "corners")
"""PyTorch's two bicubic ones and bilinear one; linear between aligned corners."""


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """The kernel of cubic convolution with slope `a` at one."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def weights(old: int, new: int, method: str) -> np.ndarray:
    """What each old position adds to each new one along an axis.

    Args:
      old: number of positions.
      new: number wanted.
      method: "bicubic" (slope -0.75, what lies outside repeats the edge) as in Hugging
        Face's ViT; "bicubic_antialias" (slope -0.5, widened where it shrinks, nothing
        outside) as in timm; "bilinear" as in AST; "corners", linear with first on first
        and last on last, as in google-research's ViT.

    Returns:
      Float64 [new old]; every row adds up to one.

    Raises:
      ValueError: where the method is none of these.

    References:
      Keys, *Cubic Convolution Interpolation for Digital Image Processing*, IEEE
      Transactions on Acoustics, Speech, and Signal Processing, 1981.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}: one of {METHODS}")
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    if method == "corners":
        centres = np.linspace(0, old - 1, new)
    outside = 0 if method == "bicubic_antialias" else 2
    taps = np.arange(-outside, old + outside)
    distance = centres[:, None] - taps
    if method == "bicubic":
        share = _cubic(distance, -0.75)
    elif method == "bicubic_antialias":
        share = _cubic(distance / max(old / new, 1.0), -0.5)
        share = share / share.sum(axis=1, keepdims=True)
    else:
        share = np.maximum(0.0, 1.0 - np.abs(distance))
    table = np.zeros((new, old))
    np.add.at(table, (slice(None), taps.clip(0, old - 1)), share)
    return table


def resize(grid: np.ndarray, shape: tuple[int, int], method: str) -> np.ndarray:
    """A grid of vectors at another size.

    Args:
      grid: [R S D].
      shape: rows and columns wanted.
      method: see `weights`.

    Returns:
      Float64 [R' S' D]; the same values where the size is the same.

    Raises:
      ValueError: where the method is unknown.
    """
    rows, columns = (weights(n, m, method) for n, m in zip(grid.shape, shape))
    return np.einsum("ir,js,rsd->ijd", rows, columns, grid.astype(np.float64))


def cut_or_stretch(grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A grid of vectors at another size as AST's own code makes it.

    Args:
      grid: [R S D].
      shape: rows and columns wanted; where there are fewer, those in the middle are
        kept, where there are more, bilinear ones are put between.

    Returns:
      Float64 [R' S' D].
    """
    for axis, (old, new) in enumerate(zip(grid.shape, shape)):
        if new <= old:
            start = old // 2 - new // 2
            table = np.eye(old)[start : start + new]
        else:
            table = weights(old, new, "bilinear")
        grid = np.moveaxis(np.tensordot(table, grid, (1, axis)), 0, axis)
    return grid


def square(count: int) -> tuple[int, int]:
    """The sides of a square of so many positions.

    Args:
      count: of positions.

    Returns:
      Rows and columns.

    Raises:
      ValueError: where it is no square.
    """
    side = math.isqrt(count)
    if side**2 != count:
        raise ValueError(f"{count} positions are no square: give the grid")
    return side, side
