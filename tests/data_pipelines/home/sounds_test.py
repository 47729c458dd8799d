"""What microphones record: sounds at their times, weaker with distance and walls."""

import numpy as np
import pytest

from data_pipelines.home import activities, actors, cameras, plan, script, sounds

RATE = 16000
HOUSEHOLD = script.Household(0, ("knock", "radio", "wave"), "half", 1)


def empty(frames=10):
    return script.Script((0, "test", 1, 0), (), frames)


def click(place, seconds=1.0):
    wave = np.zeros(200)
    wave[0] = 1.0
    return sounds.Heard(seconds, "click", np.array(place, float), wave)


@pytest.mark.parametrize("name", sounds.SOUNDS)
def test_a_sound_is_as_long_and_loud_as_it_should_be(name):
    sound = sounds.SOUNDS[name]
    waves = [sounds.synthesise(sound, np.random.default_rng(i)) for i in (0, 0, 1)]
    np.testing.assert_array_equal(waves[0], waves[1])
    assert (waves[0] != waves[2]).any()
    assert len(waves[0]) == int(sound.seconds * RATE)
    # Loudness varies by 15 %; what dies away quickly does not reach its greatest.
    assert 0.2 * sound.loudness < np.abs(waves[0]).max() < 1.6 * sound.loudness
    assert waves[0][0] == waves[0][-1] == 0


def test_a_tone_has_its_pitch():
    wave = sounds.synthesise(sounds.SOUNDS["knock"], np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(wave, RATE))
    assert 200 < spectrum.argmax() < 400


def test_every_activity_makes_a_sound_that_exists():
    kinds = {activity.sound for activity in activities.ACTIVITIES.values()}
    assert kinds - {None} < set(sounds.SOUNDS)
    assert "footfall" in sounds.SOUNDS


@pytest.mark.parametrize(
    ("place", "walls"),
    [((1.0, 1.0, 3.0), 0), ((3.0, 1.0, 5.0), 0), ((6.0, 1.0, 4.0), 1)],
)
def test_a_sound_comes_late_and_weak_as_distance_and_walls_make_it(place, walls):
    microphone = np.array([1.0, 2.2, 3.4])
    with_, without = (
        sounds.record(empty(), heard, microphone, 1) for heard in ([click(place)], [])
    )
    (late,) = np.flatnonzero(with_ != without)
    distance = np.sqrt(np.sum((microphone - place) ** 2))
    assert late == pytest.approx((1.0 + distance / 343) * RATE, abs=1)
    gain = (with_ - without)[late]
    assert gain == pytest.approx(0.2**walls / max(distance, 0.5), rel=1e-5)


def test_what_goes_on_after_the_recording_is_cut():
    microphone = np.array([1.0, 2.2, 3.4])
    late = [click((1, 1, 3), seconds) for seconds in (3.999, 4.2, 9.0)]
    wave = sounds.record(empty(), late, microphone, 1)
    assert wave.shape == (10 * 6400,) and wave.dtype == np.float32


def test_microphones_have_noise_of_their_own():
    place = np.array([1.0, 2.2, 3.4])
    one, again, other = (sounds.record(empty(), [], place, n) for n in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.std(one) == pytest.approx(sounds.NOISE, rel=0.05)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def loudest(wave, seconds):
    """The greatest amplitude within 0.1 s."""
    start = round(seconds * RATE)
    return np.abs(wave[start : start + RATE // 10]).max(initial=0)


def test_knocks_are_loudest_on_the_microphone_of_their_room():
    installed = cameras.install("half", 2, size=32)
    right = []
    for number in range(6):
        written = script.write(HOUSEHOLD, 1, number)
        heard = sounds.events(written)
        waves = [
            sounds.record(written, heard, camera.position, i)
            for i, camera in enumerate(installed)
        ]
        # Footfalls and music do not stand beside a knock of the same person.
        for sound in heard:
            if sound.kind == "knock":
                here = [loudest(wave, sound.seconds) for wave in waves]
                rooms = [plan.room_of(camera.position) for camera in installed]
                right.append(rooms[np.argmax(here)] == plan.room_of(sound.place))
                assert max(here) > 10 * sounds.NOISE
    assert len(right) > 5 and np.mean(right) == 1


def test_sounds_come_from_where_the_joint_is():
    written = script.write(HOUSEHOLD, 2, 1)
    (person,) = written.people
    made = actors.events(person)
    heard = sounds.events(written)
    assert [(sound.seconds, sound.kind) for sound in heard] == [m[:2] for m in made]
    assert any(sound.kind == "footfall" and sound.place[1] < 0.3 for sound in heard)
    for sound in heard:
        if sound.kind in ("knock", "tune"):
            assert sound.place[1] > 0.8
