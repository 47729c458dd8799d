"""Cameras of the home: how many see a person, and what walls hide from them."""

import functools

import numpy as np
import pytest

from data_pipelines.home import actors, cameras, plan, script
from data_pipelines.person import body

CLASSES = ("drink", "kick", "knock", "lamp")


@functools.cache
def people(overlap):
    """Joints of everybody in some recordings, [T 25 3]."""
    household = script.Household(0, CLASSES, overlap, 2)
    found = []
    for subject in range(1, 5):
        for number in range(3):
            written = script.write(household, subject, number)
            times = np.arange(written.frames) / 2.5
            found += [actors.joints(person, times) for person in written.people]
    return np.concatenate(found)


@pytest.mark.parametrize("count", [2, 5, 8])
@pytest.mark.parametrize(
    ("overlap", "least", "most"),
    [("all", 0.99, 1.0), ("half", 0.4, 0.6), ("few", 0.15, 0.3)],
)
def test_the_overlap_says_how_many_cameras_see_a_person(overlap, least, most, count):
    installed = cameras.install(overlap, count, size=48)
    seen = [cameras.detect(camera, people(overlap)) > 0 for camera in installed]
    share = np.mean(seen)
    assert least <= share <= most
    # No camera hangs in vain.
    assert np.mean(seen, axis=1).min() > 0


@pytest.mark.parametrize("overlap", cameras.OVERLAPS)
def test_cameras_hang_below_the_ceiling_in_rooms_with_people(overlap):
    installed = cameras.install(overlap, 8, size=32)
    assert len({tuple(camera.position) for camera in installed}) == 8
    for camera in installed:
        assert plan.room_of(camera.position) in cameras.OVERLAPS[overlap]
        assert 1.8 < camera.position[1] < plan.HEIGHT
        assert camera.size == (32, 32)
    # Fewer cameras are the first of more.
    for one, other in zip(cameras.install(overlap, 3, size=32), installed):
        np.testing.assert_array_equal(one.position, other.position)


def test_walls_hide():
    living, kitchen = cameras.install("half", 2, size=48)
    assert plan.room_of(living.position) == "living"
    inside, beyond = np.array([2.0, 1.0, 3.5]), np.array([5.5, 1.0, 3.5])
    assert cameras.sees(living, inside) and not cameras.sees(living, beyond)
    assert cameras.sees(kitchen, beyond) and not cameras.sees(kitchen, inside)


def test_a_detector_needs_the_middle_and_a_third_of_the_joints():
    (camera, _) = cameras.install("all", 2, size=48)
    hidden = np.array([5.5, 1.0, 3.5])
    joints = np.tile(np.array([1.9, 1.0, 3.6]), (3, 25, 1))
    some, middle = np.arange(25) % 3 > 0, body.INDEX["spine_mid"]
    joints[1, some] = hidden  # a third is seen, the middle is not
    joints[2, [j for j in range(25) if j != middle]] = hidden
    whole, no_middle, alone = cameras.detect(camera, joints)
    assert middle in np.flatnonzero(some)
    assert whole == np.float32(0.95) and no_middle == alone == 0
    joints[1, middle] = joints[0, middle]
    nine = cameras.detect(camera, joints)[1]
    assert nine == pytest.approx(0.5 + 0.45 * 10 / 25)
