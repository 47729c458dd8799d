"""People on their way through the home: pieces of movement, one after the other."""

from typing import NamedTuple

import numpy as np

from data_pipelines.home.activities import ACTIVITIES
from data_pipelines.person import body, choreography, motion, performance, style
from data_pipelines.person.actions import ACTIONS, Key
from data_pipelines.person.performance import Performance

TURN = 0.4
"""Seconds to turn on the spot between two pieces."""
_STAND = 0.15  # seconds before and after the movement of a piece
# The steps of the action "walk" are short, as before a Kinect: at home they are twice
# as long. Metres of one cycle then.
_CYCLE = 1.15
_AHEAD = 0.3  # metres ahead and behind, between which a walker's direction is taken


class Piece(NamedTuple):
    """A performance at its time and place.

    Attributes:
      start: seconds at which it begins.
      performance: its `place` and `heading` hold where it does not walk.
      way: `[P 2]` corners x and z of the way it walks, or None.
      activity: a name in `ACTIVITIES`, or None.
    """

    start: float
    performance: Performance
    way: np.ndarray | None
    activity: str | None


class Actor(NamedTuple):
    """A person in a recording.

    Attributes:
      subject: number of the person.
      pieces: what they do, in order of time, with time to turn between.
    """

    subject: int
    pieces: tuple[Piece, ...]


def end(piece: Piece) -> float:
    """Seconds at which a piece is over."""
    return piece.start + piece.performance.duration


def span(piece: Piece) -> tuple[float, float]:
    """Seconds between which the person of a piece moves."""
    times = piece.performance.curve.times
    return float(piece.start + times[0]), float(piece.start + times[-1])


def act(
    seed: int,
    subject: int,
    activity: str,
    trial: tuple[int, int, int],
    stand: tuple[float, float, float],
    start: float,
) -> Piece:
    """Do something on a spot.

    Args:
      seed: of the data set.
      subject: number of the person.
      activity: a name in `ACTIVITIES`.
      trial: (recording, person, piece), which no other trial of the subject shares.
      stand: x and z in metres, and the heading in radians.
      start: in seconds.

    Returns:
      The piece.
    """
    movement = ACTIVITIES[activity].movement
    number = (trial[0] * 10 + trial[1]) * 100 + trial[2]
    shown = performance.perform(seed, subject, movement, number)
    x, z, heading = stand
    # Nobody stands still for long before and after, unlike in a trial of its own.
    late = shown.curve.times[0] - _STAND
    curve = shown.curve._replace(times=shown.curve.times - late)
    cues = tuple((time - late, kind, joint) for time, kind, joint in shown.cues)
    placed = shown._replace(
        curve=curve,
        place=np.array([x, 0.0, z]),
        heading=heading,
        duration=float(curve.times[-1] + _STAND),
        cues=cues,
    )
    return Piece(start, placed, None, activity)


def walk(
    seed: int,
    subject: int,
    trial: tuple[int, int, int],
    way: np.ndarray,
    start: float,
) -> Piece:
    """Walk along a way.

    Args:
      seed: of the data set.
      subject: number of the person.
      trial: as of `act`.
      way: `[P 2]` corners x and z in metres.
      start: in seconds.

    Returns:
      The piece.
    """
    person = style.subject(seed, subject)
    habit = style.stream(seed, "habit", subject, "walk")
    name = (seed, subject, "walk", (trial[0] * 10 + trial[1]) * 100 + trial[2])
    rng = style.stream(*name, "home")
    length = float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum())
    action = ACTIONS["walk"]
    cycles = action.cycle * max(0, round(length / _CYCLE - 0.5))
    keys = [Key(_STAND, {}), *action.before, *cycles, *action.after]
    keys.append(Key(action.settle, {}))
    curve = choreography.curve(keys, person, habit, rng)
    values = curve.values.copy()
    values[:, -1] *= -length / values[-1, -1]
    cues = ((float(t), *k.cue) for t, k in zip(curve.times, keys) if k.cue)
    shown = Performance(
        name=name,
        subject=person,
        curve=curve._replace(values=values),
        place=np.zeros(3),
        heading=0.0,
        duration=float(curve.times[-1] + _STAND),
        cues=tuple(cues),
    )
    return Piece(start, shown, way, None)


def joints(actor: Actor, times: np.ndarray) -> np.ndarray:
    """Where a person's joints are.

    Args:
      actor: the person.
      times: `[T]` in seconds, any.

    Returns:
      `[T 25 3]` metres in the world.
    """
    last = len(actor.pieces) - 1
    # Who has done a piece turns towards the next one.
    which = np.searchsorted([end(piece) for piece in actor.pieces], times)
    which = np.minimum(which, last)
    found = np.empty((len(times), len(body.JOINTS), 3))
    for i in np.unique(which):
        chosen, piece = which == i, actor.pieces[i]
        own = times[chosen] - piece.start
        pose, place, heading = _carried_out(piece, own)
        if i:
            before = _carried_out(actor.pieces[i - 1], np.array([np.inf]))[2]
            turn = (heading - before + np.pi) % (2 * np.pi) - np.pi
            heading = before + turn * np.clip(1 + own / TURN, 0, 1)
        around = np.zeros((len(own), 3))
        around[:, 2] = heading
        turned = np.einsum("tij,tkj->tki", body.rotations(around), pose)
        found[chosen] = turned + place[:, None]
    return found


def _carried_out(
    piece: Piece, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints `[T 25 3]` in the person's own frame, its place `[T 3]` and heading."""
    shown = piece.performance
    times = np.clip(times, 0.0, shown.duration)
    pose, _ = motion.move(shown.subject.offsets, shown.curve, times)
    pose = pose.transpose(1, 0, 2)
    if piece.way is None:
        place = np.broadcast_to(shown.place, (len(times), 3))
        return pose, place, np.full(len(times), shown.heading)
    walked = -motion.evaluate(shown.curve, times)[:, -1]
    pose[..., 2] += walked[:, None]
    place = np.zeros((len(times), 3))
    place[:, ::2] = _along(piece.way, walked)
    forward = _along(piece.way, walked + _AHEAD) - _along(piece.way, walked - _AHEAD)
    # A heading of 0 looks along -z, and grows to the left.
    return pose, place, np.arctan2(-forward[:, 0], -forward[:, 1])


def _along(way: np.ndarray, walked: np.ndarray) -> np.ndarray:
    """Points `[T 2]` so many metres along a way, which goes on straight at its ends."""
    steps = np.diff(way, axis=0)
    lengths = np.linalg.norm(steps, axis=1, keepdims=True)
    ends = steps[[0, -1]] / lengths[[0, -1]]
    corners = np.concatenate([way[:1] - ends[:1], way, way[-1:] + ends[1:]])
    past = np.concatenate([[-1.0, 0.0], np.cumsum(lengths)])
    past = np.append(past, past[-1] + 1.0)
    return np.stack([np.interp(walked, past, corners[:, i]) for i in (0, 1)], axis=1)


def holding(actor: Actor, times: np.ndarray) -> list[str | None]:
    """The activity for which a person holds something, at each of `times` [T]."""
    found: list[str | None] = [None] * len(times)
    for piece in actor.pieces:
        if piece.activity is not None and ACTIVITIES[piece.activity].thing is not None:
            start, stop = span(piece)
            for i in np.flatnonzero((times >= start) & (times <= stop)):
                found[i] = piece.activity
    return found


def events(actor: Actor) -> list[tuple[float, str, str]]:
    """What is heard of a person, as (seconds, sound, joint) in order of time.

    Args:
      actor: the person.

    Returns:
      Sounds of `sounds.SOUNDS`, each from where the joint is then.
    """
    heard = []
    for piece in actor.pieces:
        heard += _footfalls(piece) if piece.activity is None else _made(piece)
    return sorted(heard)


def _footfalls(piece: Piece) -> list[tuple[float, str, str]]:
    return [(piece.start + time, *cue) for time, *cue in piece.performance.cues]


def _made(piece: Piece) -> list[tuple[float, str, str]]:
    done = ACTIVITIES[piece.activity]
    if done.sound is None:
        return []
    start, stop = span(piece)
    times = [start + moment * (stop - start) for moment in done.moments]
    times = times or [piece.start + time for time, *_ in piece.performance.cues]
    return [(time, done.sound, done.joint) for time in times]


def lights(actor: Actor) -> list[tuple[float, np.ndarray]]:
    """When and where a person switches on a lamp, as (seconds, place [3])."""
    return [
        (time, piece.performance.place)
        for piece in actor.pieces
        if piece.activity is not None and ACTIVITIES[piece.activity].light
        for time, *_ in _made(piece)
    ]
