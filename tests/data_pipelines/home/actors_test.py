"""People on their way: they walk where they should, forwards, and never jump."""

import functools
import itertools

import numpy as np
import pytest

from data_pipelines.home import actors, plan
from data_pipelines.home.activities import ACTIVITIES
from data_pipelines.person import body
from data_pipelines.person.actions import ACTIONS

WAY = plan.route("living", (1.2, 2.9), "kitchen", (6.0, 2.8))


def done(activity, trial=(0, 0, 0), start=1.0, stand=(2.0, 4.0, 0.5)):
    return actors.act(0, 1, activity, trial, stand, start)


@functools.cache
def walker():
    """Somebody who waves, walks to the kitchen and drinks."""
    waves = done("wave", stand=(1.2, 2.9, 3.0))
    walks = actors.walk(0, 1, (0, 0, 1), WAY, actors.end(waves) + actors.TURN)
    after = actors.end(walks) + actors.TURN
    drinks = done("drink", (0, 0, 2), after, (6.0, 2.8, -2.0))
    return actors.Actor(1, (waves, walks, drinks))


def at(actor, times, name):
    return actors.joints(actor, times)[:, body.INDEX[name]]


def test_nobody_jumps():
    times = np.arange(0.0, actors.end(walker().pieces[-1]), 0.04)
    base = at(walker(), times, "spine_base")
    speed = np.linalg.norm(np.diff(base, axis=0), axis=1) / 0.04
    assert speed.max() < 2.5
    hips = at(walker(), times, "right_hip") - at(walker(), times, "left_hip")
    bearing = np.unwrap(np.arctan2(hips[:, 0], hips[:, 2]))
    # Half a turn on the spot takes 0.4 s.
    assert np.abs(np.diff(bearing)).max() < 1.1 * np.pi * 0.04 / actors.TURN


def test_a_walker_follows_the_way_at_a_walking_speed():
    piece = walker().pieces[1]
    start, stop = actors.span(piece)
    times = np.linspace(start, stop, 60)
    base = at(walker(), times, "spine_base")[:, ::2]
    share = np.linspace(0, 1, 80)[:, None]
    line = np.concatenate([a + share * (b - a) for a, b in itertools.pairwise(WAY)])
    off = np.linalg.norm(base[:, None] - line, axis=-1).min(axis=1)
    assert off.max() < 0.12
    np.testing.assert_allclose(base[[0, -1]], WAY[[0, -1]], atol=0.1)
    length = np.linalg.norm(np.diff(WAY, axis=0), axis=1).sum()
    assert 0.7 < length / (stop - start) < 1.5


def test_a_walker_looks_ahead_and_stays_on_the_floor():
    start, stop = actors.span(walker().pieces[1])
    times = np.linspace(start + 0.8, stop - 0.8, 40)
    way = at(walker(), times + 0.1, "spine_base") - at(walker(), times, "spine_base")
    right = at(walker(), times, "right_hip") - at(walker(), times, "left_hip")
    # The cross product of ahead and up is to the right.
    ahead = np.cross((0.0, 1.0, 0.0), right)
    cosine = (way * ahead).sum(-1)
    cosine /= np.linalg.norm(way[:, ::2], axis=-1) * np.linalg.norm(ahead, axis=-1)
    assert np.median(cosine) > 0.97 and cosine.min() > 0.6
    feet = [at(walker(), times, f"{side}_foot")[:, 1] for side in ("left", "right")]
    lowest = np.min(feet, axis=0)
    assert (lowest > -0.05).all() and (lowest < 0.15).all()


def test_who_does_something_stays_on_the_spot():
    piece = done("knock", stand=(2.0, 4.0, 0.5))
    times = np.linspace(piece.start, actors.end(piece), 20)
    base = at(actors.Actor(1, (piece,)), times, "spine_base")
    np.testing.assert_allclose(base[:, ::2], np.tile((2.0, 4.0), (20, 1)), atol=0.15)


def test_a_heading_turns_to_the_left_from_looking_along_minus_z():
    for heading in (0.0, np.pi / 2):
        person = actors.Actor(1, (done("knock", stand=(2.0, 4.0, heading)),))
        ((x, _, z),) = np.diff(
            actors.joints(person, np.array([1.0]))[0][
                [body.INDEX["left_hip"], body.INDEX["right_hip"]]
            ],
            axis=0,
        )
        right = (np.cos(heading), -np.sin(heading))
        assert np.dot((x, z), right) / np.hypot(x, z) > 0.95


@pytest.mark.parametrize(
    ("one", "other"), [("drink", "eat"), ("knock", "wipe"), ("lamp", "radio")]
)
def test_a_pair_shares_its_movement(one, other):
    times = np.linspace(1.0, 5.0, 9)
    first, second = (actors.Actor(1, (done(name),)) for name in (one, other))
    np.testing.assert_array_equal(
        actors.joints(first, times), actors.joints(second, times)
    )
    sounds = [{kind for _, kind, _ in actors.events(a)} for a in (first, second)]
    assert not sounds[0] & sounds[1]


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_sounds_and_things_belong_to_their_activity(activity):
    piece = done(activity)
    person = actors.Actor(1, (piece,))
    start, stop = actors.span(piece)
    assert piece.start < start < stop < actors.end(piece)
    heard = actors.events(person)
    assert bool(heard) == (ACTIVITIES[activity].sound is not None)
    for time, kind, joint in heard:
        assert start < time < stop
        assert kind == ACTIVITIES[activity].sound and joint in body.JOINTS
    times = np.linspace(0, actors.end(piece) + 1, 50)
    holds = np.array([name is not None for name in actors.holding(person, times)])
    expected = (times >= start) & (times <= stop)
    expected &= ACTIVITIES[activity].thing is not None
    np.testing.assert_array_equal(holds, expected)
    lit = [time for time, _ in actors.lights(person)]
    assert lit == ([time for time, *_ in heard] if activity == "lamp" else [])


def test_a_walker_is_heard_at_every_step():
    heard = [time for time, kind, _ in actors.events(walker()) if kind == "footfall"]
    start, stop = actors.span(walker().pieces[1])
    assert all(start < time < stop for time in heard)
    cycles = len(ACTIONS["walk"].cycle) // 2
    assert len(heard) > 4 * cycles and (np.diff(heard) > 0.2).all()
