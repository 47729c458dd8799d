"""How a subject carries out key poses on one occasion: from a script to a curve."""

import numpy as np

from data_pipelines.person import body, motion
from data_pipelines.person.actions import ACTIONS, Key, Pose
from data_pipelines.person.style import Subject

_TOUCH = 0.04  # metres between the hand joints when the palms meet
_SIDES = ("left", "right")
_STEPS = ("step_left", "step_right")
_HANDS = [body.INDEX[f"{side}_hand"] for side in _SIDES]
_TWISTS = [3 * body.TURNING.index(f"{side}_shoulder") + 2 for side in _SIDES]


def _kind(joint: str) -> str:
    part = joint.removeprefix("left_").removeprefix("right_")
    return "leg" if part in ("hip", "knee", "ankle") else part


# One habit belongs to a kind of joint, alike on both sides and through the leg, so that
# both hands and both feet still do the same.
_KINDS = sorted({_kind(joint) for joint in body.TURNING})
_KIND = np.array([_KINDS.index(_kind(joint)) for joint in body.TURNING])
_SWAYS = ~np.isin(_KIND, [_KINDS.index("leg"), _KINDS.index("spine_base")])


def script(action: str, rng: np.random.Generator) -> list[Key]:
    """The keys of one trial, which begins and ends in a neutral stand.

    Args:
      action: a name in `ACTIONS`.
      rng: draws the number of cycles and how long the stand is held at first.

    Returns:
      The keys; the first one's seconds count from the start of the trial.
    """
    before, cycle, after, repeats, settle = ACTIONS[action]
    cycles = cycle * int(rng.integers(repeats[0], repeats[1] + 1))
    start, end = Key(rng.uniform(0.4, 0.7), {}), Key(settle, {})
    return [start, *before, *cycles, *after, end]


def curve(
    keys: list[Key],
    person: Subject,
    habit: np.random.Generator,
    rng: np.random.Generator,
) -> motion.Curve:
    """The movement that a subject makes of a script.

    Args:
      keys: the script.
      person: whose tempo, amplitude, posture and bones it takes.
      habit: the same whenever this subject does this action.
      rng: of this trial.

    Returns:
      Poses of `motion.DOFS` values at each key's time.
    """
    times = _times(keys, person, habit, rng)
    factors = person.amplitude * np.exp(habit.normal(0.0, 0.13, len(_KINDS)))
    angles = _angles(keys, person, factors, rng)
    steps = np.array([[key.pose.get(step, 0.0) for step in _STEPS] for key in keys])
    steps *= factors[_KINDS.index("leg")] * body.leg_length(person.offsets)
    values = np.concatenate([angles, _way(person.offsets, angles, steps)], axis=1)
    path = motion.Curve(times, values, person.softness)
    claps = np.array([key.cue is not None and key.cue[0] == "clap" for key in keys])
    return _meet(path, person.offsets, claps) if claps.any() else path


def _times(
    keys: list[Key],
    person: Subject,
    habit: np.random.Generator,
    rng: np.random.Generator,
) -> np.ndarray:
    tempo = person.tempo * np.exp(habit.normal(0.0, 0.1))
    jitter = np.exp(rng.normal(0.0, 0.12, len(keys)))
    return np.cumsum([key.seconds for key in keys] * jitter / tempo)


def _angles(
    keys: list[Key], person: Subject, factors: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Joint angles at each key `[K ANGLES]` in degrees."""
    poses = np.stack([_pose(key.pose) for key in keys]) * factors[_KIND, None]
    # Between quick keys a person sways less; the pelvis and the legs carry the rest.
    room = np.minimum(1.0, [2.0 * key.seconds for key in keys])
    sway = rng.normal(0.0, 2.0, poses.shape) * room[:, None, None]
    poses += person.posture + sway * _SWAYS[:, None]
    return poses.reshape(len(keys), -1)


def _pose(pose: Pose) -> np.ndarray:
    angles = np.zeros((len(body.TURNING), 3))
    for joint, values in pose.items():
        if joint not in _STEPS:
            angles[body.TURNING.index(joint), : len(values)] = values
    return angles


def _way(offsets: np.ndarray, angles: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Where the spine base is at each key `[K 2]` if the feet move by these steps."""
    positions, _ = body.forward_kinematics(offsets, motion.angles(angles))
    base, weights = motion.stand(offsets, positions)
    base[:, 2] -= np.einsum("kf,kf->k", weights, np.cumsum(steps, axis=0))
    return base[:, ::2]


def _meet(path: motion.Curve, offsets: np.ndarray, claps: np.ndarray) -> motion.Curve:
    """Twist both arms at the claps until the hands just touch."""
    values = path.values.copy()
    for _ in range(4):
        bent = path._replace(values=values)
        left, right = motion.move(offsets, bent, path.times[claps])[0][_HANDS]
        gap = (right - left)[:, 0] - _TOUCH
        # A degree of both arms closes about a centimetre.
        values[np.ix_(claps, _TWISTS)] += gap[:, None] / 0.008
    return path._replace(values=values)
