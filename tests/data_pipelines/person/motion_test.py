"""Curves against a numerical convolution; weight on the feet."""

import numpy as np

from data_pipelines.person import body, motion

LEFT, RIGHT = body.INDEX["left_ankle"], body.INDEX["right_ankle"]


def curve(rng, *, keys=7, width=3, softness=0.05):
    times = np.cumsum(rng.uniform(0.1, 0.6, keys))
    return motion.Curve(times, rng.normal(size=(keys, width)), softness)


def bent(**angles):
    pose = np.zeros((1, len(body.TURNING), 3))
    for joint, degrees in angles.items():
        pose[0, body.TURNING.index(joint), 0] = np.deg2rad(degrees)
    return body.forward_kinematics(body.bones(), pose)[0]


def test_a_curve_is_the_broken_line_convolved_with_a_logistic_density():
    path = curve(np.random.default_rng(0))
    x = np.linspace(-40, 40, 80001) * path.softness
    density = 0.25 / path.softness / np.cosh(x / path.softness / 2) ** 2
    for time in (0.3, 0.9, 1.7):
        line = [np.interp(time - x, path.times, v) for v in path.values.T]
        expected = np.trapezoid(np.array(line) * density, x)
        value = motion.evaluate(path, np.array([time]))[0]
        np.testing.assert_allclose(value, expected, atol=1e-8)


def test_a_curve_rests_outside_its_keys_and_never_overshoots():
    path = curve(np.random.default_rng(1))
    values = motion.evaluate(path, np.linspace(-5, 10, 2000))
    np.testing.assert_allclose(values[0], path.values[0], atol=1e-9)
    np.testing.assert_allclose(values[-1], path.values[-1], atol=1e-9)
    assert (values <= path.values.max(axis=0) + 1e-9).all()
    assert (values >= path.values.min(axis=0) - 1e-9).all()


def test_a_pose_that_is_held_longer_than_its_corners_is_reached():
    held = motion.Curve(
        np.array([0.0, 0.5, 2.5, 3.0]), np.array([[0.0], [1], [1], [0]]), 0.04
    )
    # The nearest corner is 25 softnesses away: e^-25 is left of it.
    np.testing.assert_allclose(motion.evaluate(held, np.array([1.5])), 1.0, atol=1e-9)


def test_evaluation_is_finite_however_far_away():
    path = curve(np.random.default_rng(2))
    assert np.isfinite(motion.evaluate(path, np.array([-1e6, 1e6]))).all()


def test_a_body_at_rest_stands_where_it_is_with_even_weight():
    base, weights = motion.stand(body.bones(), bent())
    np.testing.assert_allclose(
        base[0], (0, body.standing(body.bones())[0, 1], 0), atol=1e-12
    )
    np.testing.assert_allclose(weights, [[0.5, 0.5]])


def test_the_weight_is_on_the_lower_foot_which_stays_in_place():
    raised = bent(left_hip=70, left_knee=60, right_hip=10)
    base, weights = motion.stand(body.bones(), raised)
    np.testing.assert_allclose(weights, [[0, 1]], atol=1e-5)
    place = body.standing(body.bones())[RIGHT]
    # Ankle and toe of one foot, not all four contacts: log 2 softnesses lower.
    height = place[1] - motion._SOFTNESS * np.log(2)
    np.testing.assert_allclose(
        (base + raised[RIGHT])[0], (place[0], height, place[2]), atol=1e-6
    )


def test_shifting_the_weight_is_smooth():
    hips = np.linspace(-8, 8, 801)
    poses = np.concatenate([bent(left_hip=h, right_hip=-h) for h in hips], axis=1)
    base, weights = motion.stand(body.bones(), poses)
    assert np.abs(np.diff(weights[:, 0])).max() < 0.02
    assert np.abs(np.diff(base, axis=0)).max() < 1e-3
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_a_body_is_carried_along_the_way_of_its_curve():
    values = np.zeros((2, motion.DOFS))
    values[1, motion.ANGLES :] = 0.5, -2.0
    path = motion.Curve(np.array([0.0, 1.0]), values, 0.05)
    joints, _ = motion.move(body.bones(), path, np.array([-2.0, 3.0]))
    np.testing.assert_allclose(joints[:, 0], body.standing(body.bones()), atol=1e-9)
    np.testing.assert_allclose(
        joints[:, 1] - joints[:, 0], np.tile((0.5, 0, -2.0), (25, 1)), atol=1e-9
    )
