"""Performances: rigid, on the floor, smooth, audible at the right moments."""

import itertools

import numpy as np
import pytest

from data_pipelines.person import body, performance
from data_pipelines.person.actions import ACTIONS

I = body.INDEX
KINDS = {"clap", "knock", "footfall", "creak"}


def shown(action, *, subject=1, trial=1, step=0.01):
    one = performance.perform(0, subject, action, trial)
    times = np.arange(0, one.duration, step)
    return one, times, performance.joints(one, times)


def lengths(joints):
    children = np.array(body.ORDER[1:])
    parents = np.array(body.PARENTS)[children]
    return np.linalg.norm(joints[:, children] - joints[:, parents], axis=-1)


def distance(joints, one, two):
    return np.linalg.norm(joints[:, I[one]] - joints[:, I[two]], axis=-1)


def test_the_same_arguments_give_the_same_performance():
    times = np.linspace(0, 3, 20)
    joints = performance.joints(performance.perform(3, 2, "clap", 1), times)
    again = performance.joints(performance.perform(3, 2, "clap", 1), times)
    np.testing.assert_array_equal(joints, again)
    for other in (
        (4, 2, "clap", 1),
        (3, 3, "clap", 1),
        (3, 2, "knock", 1),
        (3, 2, "clap", 2),
    ):
        moved = performance.joints(performance.perform(*other), times)
        assert np.abs(moved - joints).max() > 0.01


def test_an_unknown_action_is_refused():
    with pytest.raises(KeyError, match="swim"):
        performance.perform(0, 1, "swim", 1)


def test_it_can_be_evaluated_at_any_times():
    one, times, joints = shown("punch_right")
    chosen = np.array([7, 3, 90])
    np.testing.assert_allclose(
        performance.joints(one, times[chosen]), joints[chosen], atol=1e-12
    )


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_length_and_feet_the_floor(action):
    one, _, joints = shown(action, subject=2)
    rest = lengths(body.standing(one.subject.offsets)[None])
    np.testing.assert_allclose(
        lengths(joints), np.tile(rest, (len(joints), 1)), atol=1e-9
    )
    feet = joints[:, [I["left_foot"], I["right_foot"]], 1]
    # Softly shared weight lets one foot sink by log 4 softnesses, 2.1 cm, at most.
    assert feet.min(axis=1).max() < body.SOLE + 0.005
    assert feet.min() > body.SOLE - 0.022


@pytest.mark.parametrize("action", ACTIONS)
def test_movement_is_smooth_and_begins_and_ends_at_rest(action):
    one, times, joints = shown(action, subject=3, step=0.002)
    velocity = np.diff(joints, axis=0) / 0.002
    speed = np.linalg.norm(velocity, axis=-1).max(axis=1)
    assert speed[0] < 0.05 and speed[-1] < 0.05
    assert speed.max() > 0.5
    # A second derivative at half the step that agrees shows that there is no corner.
    for t in times[100:-100:50]:
        near = [_acceleration(one, t, h) for h in (1e-3, 5e-4)]
        np.testing.assert_allclose(near[0], near[1], atol=0.15)
    assert np.abs(np.diff(velocity, axis=0) / 0.002).max() < 25 * 9.81


def _acceleration(one, time, step):
    before, now, after = performance.joints(one, time + step * np.array([-1.0, 0, 1]))
    return (before - 2 * now + after) / step**2


def test_a_person_faces_the_kinect_at_some_metres():
    for action in ACTIONS:
        _, _, joints = shown(action, subject=4, step=0.1)
        across = joints[:, I["right_shoulder"]] - joints[:, I["left_shoulder"]]
        assert (across[:, 0] > 0.15).all()
        assert 1.5 < joints[:, 0, 2].min() and joints[:, 0, 2].max() < 4.2


def test_walking_comes_nearer_and_stays_around_the_place_of_the_subject():
    one, _, joints = shown("walk", subject=6)
    way = joints[-1, 0] - joints[0, 0]
    # 1.02 or 1.70 leg lengths of 0.7 to 1 m, by this subject's amplitude.
    assert -2.2 < way[2] < -0.5
    middle = (joints[-1, 0] + joints[0, 0]) / 2
    np.testing.assert_allclose(middle[[0, 2]], one.subject.place[[0, 2]], atol=0.15)


def test_the_planted_foot_of_a_kick_stays_where_it_is():
    _, _, joints = shown("kick_right", subject=5)
    planted = joints[:, I["left_ankle"]]
    assert np.ptp(planted[:, [0, 2]], axis=0).max() < 0.1
    assert np.ptp(joints[:, I["right_ankle"], 1]) > 0.25


def test_a_track_is_the_joint_and_the_bone_that_ends_in_it():
    one, times, joints = shown("throw_right", subject=7)
    positions, frames = performance.track(one, times, joint="right_wrist")
    np.testing.assert_allclose(positions, joints[:, I["right_wrist"]], atol=1e-12)
    bone = joints[:, I["right_wrist"]] - joints[:, I["right_elbow"]]
    bone /= np.linalg.norm(bone, axis=-1, keepdims=True)
    np.testing.assert_allclose(frames[:, :, 1], -bone, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(frames), 1.0)


@pytest.mark.parametrize("action", ACTIONS)
def test_events_lie_in_order_within_the_performance(action):
    one = performance.perform(0, 8, action, 1)
    heard = performance.events(one)
    times = [time for time, _, _ in heard]
    assert times == sorted(times)
    assert all(0 < time < one.duration for time in times)
    assert all(kind in KINDS and joint in I for _, kind, joint in heard)


@pytest.mark.parametrize("subject", range(1, 11))
def test_claps_are_heard_when_the_hands_meet(subject):
    one, times, joints = shown("clap", subject=subject)
    claps = [time for time, kind, _ in performance.events(one) if kind == "clap"]
    assert 4 <= len(claps) <= 6
    apart = distance(joints, "left_hand", "right_hand")
    for clap in claps:
        near = np.abs(times - clap) < 0.1
        # Between hand joints of touching palms there are some centimetres.
        assert apart[near].min() < 0.1
        assert abs(times[near][apart[near].argmin()] - clap) < 0.04
    assert apart[(times > claps[0]) & (times < claps[-1])].max() > 0.2


def test_knocks_are_heard_when_the_hand_is_farthest_forward():
    one, times, joints = shown("knock", subject=2)
    depth = joints[:, I["right_hand"], 2]
    knocks = performance.events(one)
    assert {kind for _, kind, _ in knocks} == {"knock"} and len(knocks) >= 3
    for time, _, _ in knocks:
        near = np.abs(times - time) < 0.1
        assert abs(times[near][depth[near].argmin()] - time) < 0.05


def test_footfalls_alternate_and_find_the_foot_on_the_floor():
    one = performance.perform(0, 3, "walk", 1)
    steps = performance.events(one)
    sides = [joint for _, _, joint in steps]
    assert len(steps) >= 4 and {kind for _, kind, _ in steps} == {"footfall"}
    assert all(first != second for first, second in itertools.pairwise(sides))
    rest = body.standing(one.subject.offsets)
    for time, _, joint in steps:
        now, before = performance.joints(one, np.array([time, time - 0.15]))[
            :, I[joint], 1
        ]
        assert abs(now - rest[I[joint], 1]) < 0.04
        assert before > now + 0.01 or joint == sides[-1]


def test_the_seat_creaks_when_the_person_has_sat_down():
    one, times, joints = shown("sit_down", subject=4)
    [(time, kind, joint)] = performance.events(one)
    assert (kind, joint) == ("creak", "spine_base")
    height = joints[:, 0, 1]
    at = height[np.abs(times - time).argmin()]
    assert at - height.min() < 0.25 * np.ptp(height)


@pytest.mark.parametrize("subject", range(1, 7))
def test_what_the_wrist_confuses_other_joints_tell_apart(subject):
    def height(action, joint):
        return np.ptp(shown(action, subject=subject)[2][:, I[joint], 1])

    assert height("wave_both", "left_wrist") > 3 * height("wave_right", "left_wrist")
    assert height("kick_left", "left_ankle") > 3 * height("kick_right", "left_ankle")
    # The shins lean in a squat and are upright on a seat.
    assert _lean("squat", subject) > _lean("sit_down", subject) + np.deg2rad(15)


def _lean(action, subject):
    _, _, joints = shown(action, subject=subject)
    lowest = joints[joints[:, 0, 1].argmin()]
    shin = lowest[I["left_knee"]] - lowest[I["left_ankle"]]
    return np.arctan2(-shin[2], shin[1])
