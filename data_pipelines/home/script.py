"""What happens in a recording: who goes where, and does what there."""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from data_pipelines import grid, tricks
from data_pipelines.home import actors, plan
from data_pipelines.home.cameras import OVERLAPS
from data_pipelines.person import style

SECONDS = (10.0, 12.0)
"""Least and greatest length of a recording."""
SUBJECTS = 99
"""The greatest number of a subject."""
_FLATMATE = 1000  # between the number of a subject and that of who lives with them
_STAYS = 0.5  # share of walks that certainly end in the same room
_SPREAD = 0.12  # metres around a spot


@dataclasses.dataclass(frozen=True)
class Household:
    """What all recordings of a home have in common.

    Attributes:
      seed: of the whole data set.
      classes: names in `ACTIVITIES`, in the order of their labels.
      overlap: see `cameras.OVERLAPS`.
      persons: at most so many people in a recording.
    """

    seed: int
    classes: tuple[str, ...]
    overlap: str
    persons: int


class Script(NamedTuple):
    """One recording.

    Attributes:
      name: of its streams of noise.
      people: who is there, the subject first.
      frames: L, its length in frames of the grid.
    """

    name: tuple[int, str, int, int]
    people: tuple[actors.Actor, ...]
    frames: int


# The row, the pictures and the sounds of a recording are read one after the other.
@functools.lru_cache(maxsize=1024)
def write(household: Household, subject: int, number: int) -> Script:
    """Write a script; the same arguments always give the same one.

    Args:
      household: what the recordings have in common.
      subject: number of the person, up to `SUBJECTS`; who lives with them has numbers of
        their own, so that subjects share no people.
      number: of the recording.

    Returns:
      The script.
    """
    name = (household.seed, f"home-{household.overlap}", subject, number)
    rng = style.stream(*name, "script")
    seconds = rng.uniform(*SECONDS)
    count = int(rng.integers(1, household.persons + 1))
    people = tuple(
        _live(household, rng, subject + _FLATMATE * i, (number, i), seconds)
        for i in range(count)
    )
    return Script(name, people, int(seconds * grid.RATE))


def _live(
    household: Household,
    rng: np.random.Generator,
    subject: int,
    trial: tuple[int, int],
    seconds: float,
) -> actors.Actor:
    """One person does one thing after the other while there is time."""
    rooms = OVERLAPS[household.overlap]
    room = str(rng.choice(rooms))
    place, pieces = _spot(rng, room, trial[1]), []
    clock = rng.uniform(0.0, 1.0)
    for i, activity in enumerate(rng.permutation(household.classes)):
        if i:
            to = room if rng.random() < _STAYS else str(rng.choice(rooms))
            goal = _spot(rng, to, trial[1] + 2 * i)
            way = plan.route(room, place, to, goal)
            walk = actors.walk(household.seed, subject, (*trial, i), way, clock)
            pieces.append(walk)
            clock, room, place = actors.end(walk) + actors.TURN, to, goal
        done = actors.act(
            household.seed,
            subject,
            str(activity),
            (*trial, i),
            (*place, rng.uniform(-np.pi, np.pi)),
            clock,
        )
        if actors.end(done) > seconds:
            break
        pieces.append(done)
        clock = actors.end(done) + actors.TURN
    return actors.Actor(subject, tuple(pieces))


def _spot(rng: np.random.Generator, room: str, turn: int) -> tuple[float, float]:
    """A place near a spot of a room: two people take turns among two spots each."""
    spots = plan.ROOMS[room].spots
    x, z = spots[turn % len(spots)] + rng.uniform(-_SPREAD, _SPREAD, 2)
    return float(x), float(z)


def annotated(script: Script) -> list[tricks.Trick]:
    """What people do in a recording, with times in seconds, in order of time.

    Args:
      script: of the recording.

    Returns:
      One trick an activity.
    """
    found = [
        tricks.Trick(piece.activity, *actors.span(piece))
        for person in script.people
        for piece in person.pieces
        if piece.activity is not None
    ]
    return sorted(found, key=lambda trick: (trick.start, trick.end))


def occurring(script: Script, classes: tuple[str, ...]) -> tuple[int, ...]:
    """The labels that occur in a recording, in order.

    Args:
      script: of the recording.
      classes: in the order of the labels.

    Returns:
      Labels from 0.
    """
    return tuple(sorted({classes.index(trick.label) for trick in annotated(script)}))
