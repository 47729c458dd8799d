"""What happens in a recording: the same every time, in order, with fitting labels."""

import itertools

import numpy as np
import pytest

from data_pipelines.home import actors, cameras, plan, script

CLASSES = ("drink", "eat", "kick", "knock", "lamp", "radio", "wave", "wipe")


def household(**options):
    return script.Household(
        **({"seed": 0, "classes": CLASSES, "overlap": "half", "persons": 2} | options)
    )


def flat(written):
    return [
        (person.subject, piece.start, piece.activity, *piece.performance.place)
        for person in written.people
        for piece in person.pieces
    ]


def test_a_script_is_a_function_of_its_name():
    one = script.write(household(), 1, 0)
    script.write.cache_clear()
    assert flat(script.write(household(), 1, 0)) == flat(one)
    others = (
        script.write(household(seed=1), 1, 0),
        script.write(household(), 2, 0),
        script.write(household(), 1, 1),
    )
    for other in others:
        assert flat(other) != flat(one)


@pytest.mark.parametrize("overlap", cameras.OVERLAPS)
def test_things_are_done_one_after_the_other_within_the_recording(overlap):
    rooms, counts = set(), []
    for number in range(8):
        written = script.write(household(overlap=overlap), 3, number)
        seconds = written.frames / 2.5
        assert 25 <= written.frames <= 30
        for person in written.people:
            for one, other in itertools.pairwise(person.pieces):
                assert other.start == pytest.approx(actors.end(one) + actors.TURN)
            times = np.arange(written.frames) / 2.5
            base = actors.joints(person, times)[:, 0]
            rooms |= {plan.room_of(place) for place in base}
        found = script.annotated(written)
        counts.append(len(found))
        assert found == sorted(found, key=lambda trick: trick.start)
        for name, start, end in found:
            assert name in CLASSES and 0 <= start < end < seconds + 0.4
    assert set(cameras.OVERLAPS[overlap]) <= rooms
    assert overlap != "all" or rooms == {"living"}
    assert 1 <= min(counts) and 1.3 < np.mean(counts) < 4


def test_labels_are_what_is_annotated():
    written = script.write(household(), 1, 2)
    names = {trick.label for trick in script.annotated(written)}
    labels = script.occurring(written, CLASSES)
    assert {CLASSES[label] for label in labels} == names
    assert labels == tuple(sorted(labels))
    backwards = script.occurring(written, CLASSES[::-1])
    assert {CLASSES[::-1][label] for label in backwards} == names


def test_every_class_occurs_about_as_often():
    counts = np.zeros(len(CLASSES))
    for subject in range(1, 9):
        for number in range(5):
            written = script.write(household(overlap="all"), subject, number)
            counts[list(script.occurring(written, CLASSES))] += 1
    assert counts.min() > 0.4 * counts.mean() and counts.max() < 2 * counts.mean()


def test_subjects_share_no_people():
    seen = {}
    for subject in (1, 2, script.SUBJECTS):
        for number in range(6):
            for person in script.write(household(), subject, number).people:
                assert seen.setdefault(person.subject, subject) == subject
    # The subject, and one who lives with them.
    assert len(seen) == 6


def test_one_person_is_alone():
    alone = household(persons=1)
    assert {len(script.write(alone, 1, number).people) for number in range(6)} == {1}
    both = {len(script.write(household(), 1, number).people) for number in range(8)}
    assert both == {1, 2}
