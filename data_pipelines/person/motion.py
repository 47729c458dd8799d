"""Smooth curves through key poses, and the body that follows them over the floor."""

from typing import NamedTuple

import numpy as np

from data_pipelines.person import body

ANGLES = len(body.TURNING) * 3
# A pose: the angles in degrees, then where the spine base is to the right and behind
# the start, in metres. Its height follows from the feet.
DOFS = ANGLES + 2
_FEET = [
    body.INDEX[f"{side}_{part}"]
    for side in ("left", "right")
    for part in ("ankle", "foot")
]
_SOFTNESS = 0.015  # metres: feet that differ less in height share the weight


class Curve(NamedTuple):
    """Key poses joined by straight lines, whose corners are rounded off.

    Attributes:
      times: `[K]` increasing, in seconds.
      values: `[K D]`.
      softness: seconds over which a corner is rounded.
    """

    times: np.ndarray
    values: np.ndarray
    softness: float


def evaluate(curve: Curve, times: np.ndarray) -> np.ndarray:
    r"""Evaluate a curve anywhere; it is infinitely differentiable and never overshoots.

    The line's ramps :math:`\max(0, t)` are replaced by the softplus, that is, the line
    is convolved with a logistic density; before the first and after the last key it
    comes to rest.

    .. math:: x(t) = x_0 + \sum_k \Delta v_k \; s \log(1 + e^{(t - t_k) / s})

    Args:
      curve: the curve; :math:`\Delta v_k` is its change of slope at key k.
      times: `[T]` in seconds.

    Returns:
      Values `[T D]`.
    """
    slopes = np.diff(curve.values, axis=0) / np.diff(curve.times)[:, None]
    rest = np.zeros((1, curve.values.shape[1]))
    bends = np.diff(slopes, axis=0, prepend=rest, append=rest)
    ramps = np.logaddexp(0.0, (times[:, None] - curve.times) / curve.softness)
    return curve.values[0] + (curve.softness * ramps) @ bends


def stand(offsets: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How to move a body so that its lower foot stands where it stands at rest.

    Args:
      offsets: `[25 3]` bone vectors in metres.
      positions: `[25 T 3]` joints with the spine base at the origin, in metres.

    Returns:
      The spine base `[T 3]` in metres above the floor and from its place at rest, and
      the share `[T 2]` of the weight on the left and right foot. Both change smoothly
      when the other foot becomes the lower one.
    """
    shift = body.standing(offsets)[_FEET, None] - positions[_FEET]
    push = shift[:, :, 1] / _SOFTNESS
    top = push.max(axis=0)
    weights = np.exp(push - top)
    total = weights.sum(axis=0)
    weights /= total
    base = np.einsum("ct,ctx->tx", weights, shift)
    base[:, 1] = _SOFTNESS * (top + np.log(total / len(_FEET)))
    return base, weights.reshape(2, 2, -1).sum(axis=1).T


def angles(values: np.ndarray) -> np.ndarray:
    """The joint angles `[T 15 3]` in radians that poses `[T DOFS]` hold."""
    return np.deg2rad(values[:, :ANGLES]).reshape(len(values), -1, 3)


def move(
    offsets: np.ndarray, curve: Curve, times: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Evaluate a body in motion, in its own frame on the floor.

    Args:
      offsets: `[25 3]` bone vectors in metres.
      curve: poses of `DOFS` values.
      times: `[T]` in seconds.

    Returns:
      Joints `[25 T 3]` in metres and bone frames, one `[T 3 3]` a joint.
    """
    values = evaluate(curve, times)
    positions, frames = body.forward_kinematics(offsets, angles(values))
    base, _ = stand(offsets, positions)
    base[:, ::2] = values[:, ANGLES:]
    return positions + base, frames
