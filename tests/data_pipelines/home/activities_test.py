"""The activities: movements and sounds that exist, and nothing that two classes share."""

import itertools

import pytest

from data_pipelines.home import sounds
from data_pipelines.home.activities import ACTIVITIES
from data_pipelines.person import body
from data_pipelines.person.actions import ACTIONS


@pytest.mark.parametrize("name", ACTIVITIES)
def test_an_activity_is_made_of_what_there_is(name):
    activity = ACTIVITIES[name]
    keys = ACTIONS[activity.movement]
    assert activity.sound is None or activity.sound in sounds.SOUNDS
    assert activity.joint in body.JOINTS
    assert all(0 < moment < 1 for moment in activity.moments)
    # Without moments of its own the movement must say when it is heard.
    cues = [key.cue for key in (*keys.before, *keys.cycle, *keys.after) if key.cue]
    assert activity.sound is None or activity.moments or cues


def test_two_activities_of_one_movement_differ_in_sound_and_to_the_eye():
    pairs = [
        (one, other)
        for one, other in itertools.combinations(ACTIVITIES, 2)
        if ACTIONS[ACTIVITIES[one].movement] == ACTIONS[ACTIVITIES[other].movement]
    ]
    assert pairs == [("drink", "eat"), ("knock", "wipe"), ("lamp", "radio")]
    for one, other in pairs:
        a, b = ACTIVITIES[one], ACTIVITIES[other]
        assert a.sound != b.sound
        assert (a.thing, a.light) != (b.thing, b.light)
