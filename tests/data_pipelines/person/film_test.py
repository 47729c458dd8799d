"""What cameras see of a performance: places, colours, what hides what."""

import numpy as np
import pytest

from data_pipelines.person import body, cameras, film, performance, sensors
from data_pipelines.person.actions import ACTIONS


def filmed(action="drink", subject=1, number=2, count=3, size=64):
    shown = performance.perform(0, subject, action, 1)
    places = film.shots(shown)
    seen_by = film.camera(number, count, size=size)
    return shown, places, seen_by, film.Film(shown, places, seen_by, number)


def test_three_cameras_stand_in_front_45_degrees_apart():
    away = [film.camera(n, 3, size=64).position - film.TARGET for n in (1, 2, 3)]
    angles = [np.rad2deg(np.arctan2(x, -z)) for x, _, z in away]
    np.testing.assert_allclose(angles, (-45, 0, 45), atol=1e-9)
    # The person's left hand is at smaller x, and so is the first camera.
    assert away[0][0] < 0 < away[2][0]


@pytest.mark.parametrize("action", ACTIONS)
def test_everybody_stays_in_the_picture(action):
    for number in (1, 2, 3):
        _, places, seen_by, _ = filmed(action, subject=3, number=number)
        # A hand raised high or a last step may leave it.
        assert cameras.visible(seen_by, places).mean() > 0.95


def test_a_pose_is_the_joints_in_the_picture_with_an_error_that_lowers_its_score():
    shown, places, seen_by, _ = filmed()
    found = film.pose(shown, places, seen_by, 2)
    assert found.shape == (len(places), 1, 25, 3) and found.dtype == np.float32
    true, _ = cameras.project(seen_by, places)
    error = np.linalg.norm(found[:, 0, :, :2] - true, axis=-1)
    # 12 mm at 3.5 m, 64 pixels for 2.4 m: a third of a pixel in each direction.
    assert 0.3 < np.sqrt((error**2).mean() / 2) < 0.35
    score = found[:, 0, :, 2]
    assert ((score > 0) & (score <= 1)).all()
    assert score[error < 0.2].min() > score[error > 0.8].max()
    other = film.pose(shown, places, seen_by, 1)
    assert (other != found).any()
    np.testing.assert_array_equal(film.pose(shown, places, seen_by, 2), found)


def test_only_the_frames_that_are_asked_for_are_painted():
    *_, shot = filmed()
    middle = len(shot) // 2
    some = shot[np.array([middle, 0, middle])]
    assert some.shape == (3, 64, 64, 3) and some.dtype == np.uint8
    every = shot[np.arange(len(shot))]
    np.testing.assert_array_equal(some, every[[middle, 0, middle]])
    assert (some[0] != some[1]).any()


def test_the_body_is_painted_where_its_joints_are():
    shown, places, seen_by, shot = filmed("squat")
    empty = film.Film(shown, places + (50.0, 0, 0), seen_by, 2)
    wall = empty[np.array([0])][0]
    every = np.arange(len(places))
    pixels, _ = cameras.project(seen_by, places)
    column, row = np.rint(pixels).astype(int).transpose(2, 0, 1).clip(0, 63)
    painted = (shot[every] != wall).any(-1)
    on_body = painted[every[:, None], row, column]
    for joint in ("head", "spine_mid", "left_knee", "right_elbow", "right_foot"):
        assert on_body[:, body.INDEX[joint]].mean() > 0.95, joint
    assert 0.03 < painted.mean() < 0.3


def near_hand(action, number=2):
    """Colours around the right hand, [n 3], while it is at the mouth."""
    _, places, seen_by, shot = filmed(action, number=number)
    hand = body.INDEX["right_hand"]
    high = np.argsort(places[:, hand, 1])[-3:]
    pixels, _ = cameras.project(seen_by, places[high, hand])
    patches = [
        frame[y - 4 : y + 5, x - 4 : x + 5].reshape(-1, 3)
        for frame, (x, y) in zip(shot[high], np.rint(pixels).astype(int))
    ]
    return np.concatenate(patches).astype(int)


@pytest.mark.parametrize("action", film.HELD)
def test_the_hand_holds_what_the_action_needs(action):
    colour = np.array(film.HELD[action].colour)
    for number in (1, 2, 3):
        assert (near_hand(action, number) == colour).all(1).any(), number
        for other in set(film.HELD) - {action}:
            assert not (near_hand(other, number) == colour).all(1).any()


def test_the_movement_says_nothing_of_what_is_held():
    assert ACTIONS["drink"] == ACTIONS["eat"] == ACTIONS["brush_teeth"]


def test_the_nearer_hides_the_farther():
    _, places, seen_by, _ = filmed()
    behind = film.camera(1, 1, size=64)._replace(
        position=film.TARGET * (1, 1, 2) + (0, 0, 1.0),
        axes=seen_by.axes * ((-1,), (1,), (-1,)),
    )
    colour = np.array(film.HELD["drink"].colour)
    shown = performance.perform(0, 1, "drink", 1)
    high = np.argsort(places[:, body.INDEX["right_hand"], 1])[-3:]
    front = film.Film(shown, places, seen_by, 2)[high]
    back = film.Film(shown, places, behind, 2)[high]
    cup = [(picture == colour).all(-1).sum() for picture in (front, back)]
    # From behind, head and trunk stand before the cup at the mouth.
    assert cup[0] > 2 * cup[1]


def infrared(action="squat", subject=1, trial=1, away=0.0, **options):
    """Frames of an infrared camera, of the person `away` metres to the side."""
    shown = performance.perform(0, subject, action, trial)
    places, seen_by = film.shots(shown) + (away, 0, 0), film.camera(1, 1, size=48)
    options = {"noise": 0.0, "contrast": 1.0, **options}
    seen = film.Infrared(shown, places, seen_by, 1, **options)
    return seen[np.arange(len(places))].astype(int)


def test_infrared_frames_are_painted_when_they_are_asked_for_and_always_the_same():
    shown = performance.perform(0, 1, "squat", 1)
    shot = film.Infrared(shown, film.shots(shown), film.camera(1, 1, size=48), 1)
    every = shot[np.arange(len(shot))]
    assert every.shape == (len(shot), 48, 48, 1) and every.dtype == np.uint8
    np.testing.assert_array_equal(shot[np.array([5, 0])], every[[5, 0]])


def test_rooms_are_warmer_at_other_times_and_towards_their_walls():
    rooms = [infrared(trial=trial, away=50.0) for trial in range(1, 7)]
    for room in rooms:
        assert (room == room[0]).all()
        assert np.abs(room - film.ROOM).max() <= 3 * film.ROOM_SPREAD + 0.5
    levels = [room.mean() for room in rooms]
    assert np.ptp(levels) > 10 and abs(np.mean(levels) - film.ROOM) < film.ROOM_SPREAD
    assert max(np.ptp(room[0, :, 24]) for room in rooms) > 10
    assert max(np.ptp(room[0, 24]) for room in rooms) > 10


def test_people_are_as_warm_as_they_are_and_not_alike():
    warmth = [film.warmth_of(0, subject) for subject in range(1, 41)]
    assert warmth[0] == film.warmth_of(0, 1) != film.warmth_of(1, 1)
    for name, usual in film.HEAT.items():
        values = np.array([own[name][0] for own in warmth])
        assert np.abs(values - usual).max() <= film.HEAT_SPREAD + 1
        assert abs(values.mean() - usual) < film.HEAT_SPREAD / 2 < values.std() * 2
    # What a cover looks like is in the pictures.
    skin = film.warmth_of(0, 1)["skin"][0]
    assert (infrared() == skin).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("action", film.HELD)
def test_what_is_held_has_a_warmth_of_its_own(action):
    seen = infrared(action)
    assert (seen == film.HELD[action].warmth).any(axis=(1, 2, 3)).mean() > 0.5


def test_filming_changes_nothing_of_what_the_sensors_measure():
    shown = performance.perform(0, 1, "clap", 1)
    before = sensors.skeleton(shown), sensors.accelerometer(shown)
    film.Film(shown, film.shots(shown), film.camera(1, 3, size=32), 1)[np.array([0])]
    after = sensors.skeleton(shown), sensors.accelerometer(shown)
    for one, two in zip(before, after):
        np.testing.assert_array_equal(one, two)
