"""The accelerometer against derivatives of the joints; clocks; noise."""

import numpy as np
import pytest

from data_pipelines.person import body, performance, sensors
from data_pipelines.person.actions import ACTIONS

UP = np.array([0.0, 1.0, 0.0])


def perform(action, subject=1, trial=1):
    return performance.perform(0, subject, action, trial)


def acceleration(one, times, joint, step=1e-3):
    """Second derivative of fourth order by small steps, `[T 3]` m/s^2."""
    taps = np.array([-1, 16, -30, 16, -1]) / 12 / step**2
    around = (times[:, None] + step * np.arange(-2, 3)).ravel()
    places = performance.track(one, around, joint=joint)[0].reshape(len(times), 5, 3)
    return np.einsum("k,tkx->tx", taps, places)


@pytest.mark.parametrize(
    ("action", "joint"),
    [
        ("throw_right", "right_wrist"),
        ("walk", "right_wrist"),
        ("walk", "left_ankle"),
        ("kick_left", "left_ankle"),
    ],
)
def test_the_force_is_the_second_derivative_under_the_sensors_window(action, joint):
    one, period = perform(action), 0.02
    times = np.arange(0.1, one.duration - 0.1, period)
    # The triangle of the docstring, by the midpoint rule.
    shifts = (np.arange(40) + 0.5) / 20 - 1
    weights = (1 - np.abs(shifts)) / 20
    fine = (times[:, None] + period * shifts).ravel()
    mean = acceleration(one, fine, joint).reshape(len(times), 40, 3)
    mean = np.einsum("k,tkx->tx", weights, mean)
    _, frames = performance.track(one, times, joint=joint)
    expected = np.einsum("tji,tj->ti", frames, mean + 9.80665 * UP) / 9.80665
    force = sensors.specific_force(one, times, joint=joint)
    # The midpoint rule with 40 points leaves 1/4800 of the curvature's share.
    np.testing.assert_allclose(force, expected, atol=5e-3)
    assert np.abs(force - force[0]).max() > 0.2


def test_the_force_is_close_to_the_momentary_acceleration():
    one = perform("clap")
    times = np.arange(0.1, one.duration - 0.1, 0.02)
    momentary = acceleration(one, times, "right_wrist") + 9.80665 * UP
    _, frames = performance.track(one, times, joint="right_wrist")
    expected = np.einsum("tji,tj->ti", frames, momentary) / 9.80665
    force = sensors.specific_force(one, times, joint="right_wrist")
    # A window of 20 ms dampens what a clap of 3 Hz is made of by a few per cent.
    assert np.abs(force - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize("action", ACTIONS)
def test_gravity_at_rest_is_one_g(action):
    one = perform(action, subject=2)
    ideal = sensors.specific_force(one, np.arange(0, 0.2, 0.02), joint="right_wrist")
    np.testing.assert_allclose(np.linalg.norm(ideal, axis=1), 1.0, atol=0.01)
    _, frames = performance.track(one, np.zeros(1), joint="right_wrist")
    # Up in the world, in the forearm's own axes.
    np.testing.assert_allclose(ideal[0], frames[0].T @ UP, atol=0.01)
    assert ideal[0, 1] > 0.7
    reading = sensors.accelerometer(one, noise=0.0)
    np.testing.assert_allclose(np.linalg.norm(reading[:5], axis=1), 1.0, atol=0.02)


def test_the_strap_is_askew_and_slips_but_changes_no_length():
    one = perform("wave_right", subject=3)
    still = sensors.accelerometer(one, noise=0.0, drift=0.0)
    slipped = sensors.accelerometer(one, noise=0.0, drift=0.2)
    norms = [np.linalg.norm(reading, axis=1) for reading in (still, slipped)]
    np.testing.assert_allclose(*norms, atol=1e-5)
    assert np.abs(still - slipped).max() > 0.05
    other = sensors.accelerometer(
        one._replace(subject=one.subject._replace(mounting=np.zeros(3))),
        noise=0.0,
        drift=0.0,
    )
    askew = body.rotations(one.subject.mounting)
    np.testing.assert_allclose(still, other @ askew, atol=1e-5)


def test_noise_has_its_standard_deviation_and_readings_are_clipped():
    one = perform("throw_right", subject=4)
    quiet = sensors.accelerometer(one, noise=0.0, limit=100.0)
    noisy = sensors.accelerometer(one, noise=0.05, limit=100.0)
    # The standard error of the deviation of 400 normal numbers is 4 %.
    assert np.std(noisy - quiet) == pytest.approx(0.05, rel=0.15)
    clipped = sensors.accelerometer(one, noise=0.0, limit=1.5)
    assert np.abs(quiet).max() > 2
    np.testing.assert_array_equal(clipped, np.clip(quiet, -1.5, 1.5))


def test_a_sensor_feels_the_limb_that_wears_it():
    one = perform("raise_left", subject=5)
    right, left = (
        sensors.accelerometer(one, joint=joint)
        for joint in ("right_wrist", "left_wrist")
    )
    assert np.ptp(left, axis=0).max() > 3 * np.ptp(right, axis=0).max()


def test_the_modalities_share_no_clock_but_both_span_the_trial():
    shapes = []
    for number, action in enumerate(ACTIONS, start=1):
        one = perform(action, subject=number)
        clip, signal = sensors.skeleton(one), sensors.accelerometer(one)
        assert clip.shape[1:] == (1, 25, 3) and signal.shape[1:] == (3,)
        assert clip.dtype == signal.dtype == np.float32
        shapes.append((len(clip), len(signal)))
        for frames, (slow, fast) in (
            (len(clip), sensors.SKELETON_RATE),
            (len(signal), sensors.INERTIAL_RATE),
        ):
            # Up to three hundredths of the trial are missing at either end.
            assert 0.94 * one.duration * slow <= frames <= one.duration * fast + 1
    ratios = [signal / clip for clip, signal in shapes]
    # 49 / 20.5 and 51 / 18, six per cent either way for the ends.
    assert 2.2 < min(ratios) and max(ratios) < 3.1
    assert len({round(ratio, 3) for ratio in ratios}) > 6


def test_the_kinect_sees_the_joints_from_where_it_stands():
    one = perform("wave_both", subject=6)
    clean = sensors.skeleton(one, noise=0.0)[:, 0]
    # The person stands still at first, whenever the first frame is.
    seen = performance.joints(one, np.zeros(1))[0] - sensors.KINECT
    np.testing.assert_allclose(clean[0], seen, atol=0.01)
    assert -1.05 < clean[:, body.INDEX["left_foot"], 1].min() < -0.9
    residual = sensors.skeleton(one, noise=0.008)[:, 0] - clean
    deviation = residual.std(axis=(0, 2))
    assert 0.002 < deviation[0] < 0.008
    assert deviation[body.INDEX["right_hand_tip"]] > 2 * deviation[0]
    assert deviation.max() < 0.02


def test_recordings_are_functions_of_the_performance():
    one = perform("knock", subject=7)
    for record in (sensors.skeleton, sensors.accelerometer):
        np.testing.assert_array_equal(record(one), record(one))
        other = record(perform("knock", subject=7, trial=2))
        assert other.shape != record(one).shape or (other != record(one)).any()
