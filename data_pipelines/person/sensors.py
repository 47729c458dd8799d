"""What a Kinect and a worn accelerometer measure of a performance.

The two share no clock and no rate, as in the public data sets: each covers the whole
trial, begins and ends a little later or earlier than the other, and has a rate of its
own. (UTD-MHAD's 30 and 50 frames a second are nominal: its trials have 2.6 times as
many inertial as skeleton frames, and so have these.)
"""

import numpy as np

from data_pipelines.person import body, style
from data_pipelines.person.performance import Performance, joints, track

GRAVITY = 9.80665  # m/s^2
KINECT = np.array([0.0, 1.0, 0.0])  # the origin of the skeleton's frame in the world
SKELETON_RATE = (18.0, 20.5)  # frames a second
INERTIAL_RATE = (49.0, 51.0)


def clock(
    rng: np.random.Generator, duration: float, rates: tuple[float, float]
) -> np.ndarray:
    """Sample times `[T]` in seconds of a recorder with its own start, end and rate."""
    late, early = rng.uniform(0.0, 0.03, 2) * duration
    return np.arange(late, duration - early, 1.0 / rng.uniform(*rates))


def skeleton(performance: Performance, *, noise: float = 0.008) -> np.ndarray:
    """Record the performance with a Kinect.

    Args:
      performance: what to record.
      noise: standard deviation in metres around the shoulders; it is half that at
        the spine base and twice that at the fingertips.

    Returns:
      `[T 1 25 3]` metres from the camera, float32.
    """
    rng = style.stream(*performance.name, "skeleton")
    times = clock(rng, performance.duration, SKELETON_RATE)
    seen = joints(performance, times) - KINECT
    seen += noise * _UNSURE[:, None] * rng.standard_normal(seen.shape)
    return seen[:, None].astype(np.float32)


def specific_force(
    performance: Performance, times: np.ndarray, *, joint: str
) -> np.ndarray:
    r"""What an ideal accelerometer on a joint measures, in the frame of its bone.

    .. math:: f = R^\top (\ddot{x} + g \, e_y) / g

    The second derivative is the second difference over one sample, which is the true
    acceleration averaged under a triangle of that width: the sensor's own low-pass.

    Args:
      performance: what to measure.
      times: `[T]` uniform times in seconds.
      joint: a name in `body.JOINTS`.

    Returns:
      `[T 3]` in g; a person at rest gives a vector of length 1 that points up.
    """
    step = times[1] - times[0]
    padded = np.concatenate([times[:1] - step, times, times[-1:] + step])
    positions, frames = track(performance, padded, joint=joint)
    force = np.diff(positions, 2, axis=0) / step**2 + (0.0, GRAVITY, 0.0)
    return np.einsum("tji,tj->ti", frames[1:-1], force) / GRAVITY


def accelerometer(
    performance: Performance,
    *,
    joint: str = "right_wrist",
    noise: float = 0.03,
    drift: float = 0.15,
    limit: float = 8.0,
) -> np.ndarray:
    """Record the performance with an accelerometer strapped to a joint.

    Args:
      performance: what to record.
      joint: where it is worn, a name in `body.JOINTS`.
      noise: standard deviation in g.
      drift: radians by which the strap slowly turns to and fro on the bone.
      limit: readings are clipped to plus or minus so many g.

    Returns:
      `[T 3]` in g, float32.
    """
    rng = style.stream(*performance.name, "inertial", joint)
    times = clock(rng, performance.duration, INERTIAL_RATE)
    force = specific_force(performance, times, joint=joint)
    period, phase = rng.uniform(6.0, 15.0, 3), rng.uniform(0.0, 2 * np.pi, 3)
    slip = drift * np.sin(2 * np.pi * times[:, None] / period + phase)
    askew = body.rotations(performance.subject.mounting + slip)
    reading = np.einsum("tji,tj->ti", askew, force)
    reading += noise * rng.standard_normal(reading.shape)
    return np.clip(reading, -limit, limit).astype(np.float32)


def _unsure() -> np.ndarray:
    """How noisily a joint is seen: with every bone away from the spine more so."""
    depth = np.zeros(len(body.JOINTS))
    for j in body.ORDER[1:]:
        depth[j] = depth[body.PARENTS[j]] + 1
    return 0.5 + depth / depth.max() * 1.5


_UNSURE = _unsure()
