"""A recording of any length, rate and regularity onto a fixed number of steps."""

import numpy as np


def positions(
    frames: int, length: int, *, times: np.ndarray | None = None
) -> np.ndarray:
    r"""Where each step lies in a recording, as a fractional frame.

    .. math:: p_i = i (L - 1) / (N - 1)

    With time stamps, :math:`p_i` is the frame at the i-th of N instants evenly spread
    from the first stamp to the last. Every modality of a trial is read at the same
    fractions of the trial, so that modalities without a common clock stay aligned.

    Args:
      frames: L, at least 1.
      length: N, at least 2.
      times: strictly increasing stamps [L]; without them the rate counts as constant.

    Returns:
      Float64 [N], from 0 to L - 1.
    """
    fraction = np.arange(length) / (length - 1)
    if times is None:
        return fraction * (frames - 1)
    instants = times[0] + fraction * (times[-1] - times[0])
    return np.interp(instants, times, np.arange(frames))


def linear(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Linear interpolation between neighbouring frames.

    Args:
      values: [L ...].
      where: fractional frames [N] in 0..L-1.

    Returns:
      Float32 [N ...].
    """
    below, above, weight = _neighbours(values, where)
    return (below + weight * (above - below)).astype(np.float32)


def linear_joints(skeleton: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Linear interpolation that does not draw a joint towards a missing one.

    Args:
      skeleton: [L M J C]; a joint of zeros is missing.
      where: fractional frames [N] in 0..L-1.

    Returns:
      Float32 [N M J C]. Where only one of two neighbours has the joint, the nearer one
      decides.
    """
    below, above, weight = _neighbours(skeleton, where)
    one = below.any(-1, keepdims=True) != above.any(-1, keepdims=True)
    weight = np.where(one, np.rint(weight), weight)
    return (below + weight * (above - below)).astype(np.float32)


def nearest(values: np.ndarray, length: int) -> np.ndarray:
    """Nearest neighbour at the frames `rint(i (L - 1) / (N - 1))`.

    Args:
      values: [L ...].
      length: N.

    Returns:
      [N ...], of the type of `values`.
    """
    if length == 1:
        return values[:1]
    return values[np.rint(positions(len(values), length)).astype(int)]


def _neighbours(values, where):
    low = np.floor(where).astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    weight = (where - low).reshape(-1, *[1] * (values.ndim - 1))
    return values[low].astype(np.float64), values[high].astype(np.float64), weight
