"""Who performs: body, tempo and manner of a subject, and the random streams behind."""

import hashlib
from typing import NamedTuple

import numpy as np

from data_pipelines.person import body


class Subject(NamedTuple):
    """One person.

    Attributes:
      offsets: `[25 3]` bone vectors in metres.
      tempo: factor on speed.
      amplitude: factor on the angles of every pose.
      softness: seconds over which movements round their corners.
      posture: `[15 3]` degrees of the neutral stand.
      heading: radians by which the person turns away from the camera.
      place: `[3]` metres in the world, on the floor.
      mounting: `[3]` radians by which a worn sensor sits askew.
    """

    offsets: np.ndarray
    tempo: float
    amplitude: float
    softness: float
    posture: np.ndarray
    heading: float
    place: np.ndarray
    mounting: np.ndarray


def stream(seed: int, *names: int | str) -> np.random.Generator:
    """An independent random generator for one purpose, a pure function of its name."""
    name = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.default_rng((seed, int.from_bytes(name[:8])))


def subject(seed: int, number: int) -> Subject:
    """Draw the person who has a number in the data set of a seed."""
    rng = stream(seed, "subject", number)
    offsets = body.bones(
        height=rng.uniform(1.52, 1.93),
        arms=rng.uniform(0.95, 1.05),
        legs=rng.uniform(0.96, 1.04),
        width=rng.uniform(0.9, 1.12),
    )
    return Subject(
        offsets=offsets,
        tempo=rng.uniform(0.8, 1.25),
        amplitude=rng.uniform(0.82, 1.15),
        softness=rng.uniform(0.03, 0.05),
        posture=_posture(rng),
        heading=rng.normal(0.0, 0.12),
        place=np.array([rng.normal(0.0, 0.1), 0.0, rng.uniform(2.6, 3.0)]),
        mounting=rng.normal(0.0, 0.3, 3),
    )


def _posture(rng: np.random.Generator) -> np.ndarray:
    """Neutral stand: arms a little bent and away from the body, alike on both sides."""
    posture = np.zeros((len(body.TURNING), 3))
    slouch, swing, spread, bend = rng.normal(
        (3.0, 2.0, 8.0, 12.0), (2.0, 3.0, 2.0, 4.0)
    )
    posture[body.TURNING.index("spine_mid"), 0] = slouch
    for side in ("left", "right"):
        posture[body.TURNING.index(f"{side}_shoulder"), :2] = swing, spread
        posture[body.TURNING.index(f"{side}_elbow"), 0] = bend
    return posture
