"""Pictures of the home: who is in them, what hides whom, and what light does."""

import pickle

import numpy as np
import pytest

from data_pipelines.home import actors, cameras, film, plan, script
from data_pipelines.home.activities import ACTIVITIES
from data_pipelines.person import body
from data_pipelines.person import cameras as pinhole

LIVING, KITCHEN = cameras.install("half", 2, size=48)
HERE, BEYOND = (1.9, 3.6), (5.4, 3.6)


def filmed(*pieces, camera=LIVING, number=1, frames=12, rate=2.5):
    """A film of people who each do one thing."""
    people = tuple(actors.Actor(i, (piece,)) for i, piece in enumerate(pieces, 1))
    written = script.Script((0, "test", 1, 0), people, frames)
    times = np.arange(round(frames * rate / 2.5)) / rate
    return film.Film(written, times, film.shots(written, times), camera, number)


def doing(activity, place=HERE, heading=np.pi / 4):
    return actors.act(0, 1, activity, (0, 0, 0), (*place, heading), 0.4)


def pictures(shot):
    return shot[np.arange(len(shot))].astype(int)


def test_only_the_frames_that_are_asked_for_are_painted():
    shot = filmed(doing("drink"))
    some = shot[np.array([7, 0, 7])]
    assert some.shape == (3, 48, 48, 3) and some.dtype == np.uint8
    np.testing.assert_array_equal(some, pictures(shot)[[7, 0, 7]])
    again = pickle.loads(pickle.dumps(shot))
    np.testing.assert_array_equal(again[np.array([3])], shot[np.array([3])])


def test_a_film_of_more_frames_a_second_agrees():
    slow = filmed(doing("wave"))
    quick = filmed(doing("wave"), rate=10.0)
    assert len(quick) == 4 * len(slow)
    np.testing.assert_array_equal(pictures(quick)[::4], pictures(slow))
    np.testing.assert_array_equal(quick.detections()[::4], slow.detections())


def test_whom_a_wall_hides_is_not_in_the_picture():
    nobody = pictures(filmed())
    for camera, place, other in ((LIVING, HERE, BEYOND), (KITCHEN, BEYOND, HERE)):
        nobody = pictures(filmed(camera=camera))
        hidden = filmed(doing("wave", other), camera=camera)
        np.testing.assert_array_equal(pictures(hidden), nobody)
        assert (hidden.detections() == 0).all()
        shown = filmed(doing("wave", place), camera=camera)
        differs = (np.abs(pictures(shown) - nobody) > 30).any(-1).mean((1, 2))
        assert (differs > 0.005).all() and (shown.detections() > 0.8).all()


def test_whom_the_detector_finds_is_in_the_picture_and_nobody_else():
    household = script.Household(0, tuple(ACTIVITIES), "few", 1)
    installed, found = cameras.install("few", 5, size=32), []
    for number in range(4):
        written = script.write(household, 2, number)
        times = np.arange(written.frames) / 2.5
        people = film.shots(written, times)
        for i, camera in enumerate(installed):
            shot = film.Film(written, times, people, camera, i)
            empty = shot.__class__(written, times, (), camera, i)
            # Light is of the script's people: without them none is switched on.
            lit = shot._light(np.arange(len(times))) == empty._light(np.arange(1))
            differs = (pictures(shot) != pictures(empty)).any((1, 2, 3))
            seen = cameras.sees(camera, people[0].places).any(axis=1)
            np.testing.assert_array_equal(differs[lit], seen[lit])
            confidence = shot.detections()
            assert seen[confidence > 0].all()
            found.append((confidence > 0).mean())
    assert 0 < np.mean(found) < 0.5


def test_a_person_is_painted_where_the_joints_are_and_smaller_far_away():
    heights = []
    for place in ((1.0, 4.6), (3.0, 2.4)):
        shot = filmed(doing("kick", place))
        ((_, joints, _),) = shot.people
        differs = (pictures(shot) != pictures(filmed())).any(-1)
        pixels, depth = pinhole.project(LIVING, joints)
        for joint in ("head", "spine_mid"):
            column, row = np.rint(pixels[:, body.INDEX[joint]]).astype(int).T
            assert differs[np.arange(len(shot)), row, column].mean() > 0.8
        rows = np.flatnonzero(differs[0].any(axis=1))
        heights.append((np.ptp(rows), depth[0].mean()))
    (near, close), (small, far) = heights
    assert far > 1.8 * close and near > 1.5 * small


def coloured(shot, activity):
    """Pixels in the colour of what an activity holds."""
    colour = np.array(ACTIVITIES[activity].thing.colour)
    return (np.abs(pictures(shot) - colour).max(-1) < 40).sum()


def test_the_hand_holds_what_the_activity_needs():
    activities = ("drink", "eat", "wipe", "knock")
    shots = {name: filmed(doing(name, (1.2, 4.3)), frames=10) for name in activities}
    # Walls may have the colour of the cloth; the rest of a pair has not the thing.
    for one, other in (("drink", "eat"), ("eat", "drink"), ("wipe", "knock")):
        assert coloured(shots[one], one) > coloured(shots[other], one) + 8


def test_to_knock_and_to_wipe_differ_by_the_cloth_alone():
    one, other = (pictures(filmed(doing(name))) for name in ("knock", "wipe"))
    differs = (one != other).any(-1)
    assert 0 < differs.mean() < 0.01
    start, stop = actors.span(doing("wipe"))
    times = np.arange(12) / 2.5
    outside = (times < start) | (times > stop)
    assert not differs[outside].any()


def test_the_lamp_lights_its_room_alone():
    piece = doing("lamp", BEYOND)
    ((time, place),) = actors.lights(actors.Actor(1, (piece,)))
    assert plan.room_of(place) == "kitchen"
    after = np.arange(12) / 2.5 >= time
    assert 0 < after.sum() < 12
    there, here = (
        pictures(filmed(piece, camera=camera)).mean((1, 2, 3))
        for camera in (KITCHEN, LIVING)
    )
    ratio = there[after].mean() / there[~after].mean()
    assert ratio == pytest.approx(film.LAMP, abs=0.08)
    assert np.ptp(here) < 1.0


def test_the_nearer_person_hides_the_farther():
    away = np.array(HERE) - LIVING.position[::2]
    near, far = (LIVING.position[::2] + share * away for share in (0.8, 1.5))
    front, behind = doing("kick", tuple(near)), doing("wave", tuple(far))
    alone, both = pictures(filmed(front)), pictures(filmed(front, behind))
    swapped = pictures(filmed(behind, front))
    body_of_front = (alone != pictures(filmed())).any(-1)
    # The clothes are those of the number: the first of two is painted as when alone.
    np.testing.assert_array_equal(both[body_of_front], alone[body_of_front])
    assert (swapped != both).any()


def test_light_and_noise_are_of_the_recording_and_the_camera():
    one = pictures(filmed())
    other = pictures(filmed(number=2))
    assert np.std(one[1] - one[0]) == pytest.approx(np.sqrt(2) * film.NOISE, rel=0.1)
    assert (one != other).any()
    assert (one == pictures(filmed())).all()
