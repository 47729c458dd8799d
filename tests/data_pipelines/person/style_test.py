"""Subjects and random streams."""

import numpy as np

from data_pipelines.person import style


def test_a_stream_is_a_function_of_its_name():
    draw = style.stream(3, "trial", 1, "wave").random(4)
    np.testing.assert_array_equal(draw, style.stream(3, "trial", 1, "wave").random(4))
    for other in (
        style.stream(4, "trial", 1, "wave"),
        style.stream(3, "habit", 1, "wave"),
        style.stream(3, "trial", 2, "wave"),
        style.stream(3, "trial", 1, "clap"),
        style.stream(3, "trial", 11, "ave"),
    ):
        assert not np.isclose(draw, other.random(4)).any()


def test_subjects_differ_and_come_back_the_same():
    people = [style.subject(0, number) for number in range(1, 41)]
    again = style.subject(0, 7)
    for first, second in zip(people[6], again):
        np.testing.assert_array_equal(first, second)
    for trait in ("tempo", "amplitude", "softness", "heading"):
        assert len({getattr(person, trait) for person in people}) == 40
    assert style.subject(1, 7).tempo != again.tempo


def test_subjects_are_people():
    for number in range(1, 41):
        person = style.subject(0, number)
        height = np.abs(person.offsets[[1, 20, 2, 3, 12, 13, 14, 15], 1]).sum()
        # From toe to the middle of the head of statures from 1.52 to 1.93 m.
        assert 1.35 < height < 1.9
        # Kinect sees a person whole between 1.8 and 3.5 m.
        assert 2.2 < person.place[2] < 3.4 and person.place[1] == 0
        assert np.abs(person.posture).max() < 45
