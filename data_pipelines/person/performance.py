"""One performance, which every modality observes."""

from typing import NamedTuple

import numpy as np

from data_pipelines.person import body, choreography, motion, style


class Performance(NamedTuple):
    """A body in motion, defined at all times.

    Attributes:
      name: (seed, subject, action, trial); streams of noise are derived from it.
      subject: who performs.
      curve: the poses, `motion.DOFS` values each.
      place: `[3]` metres in the world, on the floor, where the way begins.
      heading: radians by which the person turns to their left from facing the Kinect.
      duration: seconds; the action lies between 0 and this time.
      cues: (seconds, kind, joint) of what can be heard, in order of time.
    """

    name: tuple[int, int, str, int]
    subject: style.Subject
    curve: motion.Curve
    place: np.ndarray
    heading: float
    duration: float
    cues: tuple[tuple[float, str, str], ...]


def perform(seed: int, subject: int, action: str, trial: int) -> Performance:
    """Perform an action; the same arguments always give the same performance.

    Args:
      seed: of the whole data set.
      subject: number of the person.
      action: a name in `ACTIONS`.
      trial: number of the repetition.

    Returns:
      The performance.

    Raises:
      KeyError: if there is no such action.
    """
    person = style.subject(seed, subject)
    habit = style.stream(seed, "habit", subject, action)
    rng = style.stream(seed, "trial", subject, action, trial)
    keys = choreography.script(action, rng)
    curve = choreography.curve(keys, person, habit, rng)
    heading = person.heading + rng.normal(0.0, 0.03)
    # The middle of the way is where the person would stand.
    way = _turn(heading) @ [0.0, 0.0, curve.values[-1, -1]]
    return Performance(
        name=(seed, subject, action, trial),
        subject=person,
        curve=curve,
        place=person.place + rng.normal(0.0, (0.03, 0.0, 0.03)) - way / 2,
        heading=heading,
        duration=float(curve.times[0] + curve.times[-1]),
        cues=tuple((float(t), *k.cue) for t, k in zip(curve.times, keys) if k.cue),
    )


def joints(performance: Performance, times: np.ndarray) -> np.ndarray:
    """Positions of all joints in the world.

    Args:
      performance: whose.
      times: `[T]` in seconds, any.

    Returns:
      `[T 25 3]` in metres.
    """
    return _in_world(performance, times)[0]


def track(
    performance: Performance, times: np.ndarray, *, joint: str
) -> tuple[np.ndarray, np.ndarray]:
    """One joint in the world, and the bone that ends in it.

    Args:
      performance: whose.
      times: `[T]` in seconds, any.
      joint: a name in `body.JOINTS`; the wrist's bone is the forearm.

    Returns:
      Positions `[T 3]` in metres and rotations `[T 3 3]` whose columns are the bone's
      own axes: for a hanging arm the person's right, up and back.
    """
    positions, frames = _in_world(performance, times)
    j = body.INDEX[joint]
    return positions[:, j], _turn(performance.heading) @ frames[j]


def events(performance: Performance) -> list[tuple[float, str, str]]:
    """What can be heard, in order of time.

    Args:
      performance: whose.

    Returns:
      (seconds, kind, joint) with the kinds "clap", "knock", "footfall" and "creak" (of
      the seat); the sound comes from where the joint is then.
    """
    return list(performance.cues)


def _in_world(
    performance: Performance, times: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    offsets, curve = performance.subject.offsets, performance.curve
    positions, frames = motion.move(offsets, curve, times)
    positions = positions @ _turn(performance.heading).T + performance.place
    return positions.transpose(1, 0, 2), frames


def _turn(angle: float) -> np.ndarray:
    return body.rotations(np.array([0.0, 0.0, angle]))
