"""The body: topology, senses of the angles, rigid bones, symmetry."""

import numpy as np
import pytest

from data_pipelines.person import body
from kdjax import skeletons

I = body.INDEX
NEUTRAL = np.zeros((1, len(body.TURNING), 3))


def pose(**angles):
    """Joints of a neutral stand but for some angles in degrees."""
    bent = NEUTRAL.copy()
    for joint, values in angles.items():
        bent[0, body.TURNING.index(joint)] = np.deg2rad(values)
    return body.forward_kinematics(body.bones(), bent)[0][:, 0]


def direction(joints, start, end):
    bone = joints[I[end]] - joints[I[start]]
    return bone / np.linalg.norm(bone)


def test_the_joints_are_those_of_the_kinect_v2_topology():
    assert body.JOINTS == skeletons.get("kinect_v2").joints


def test_every_joint_comes_after_its_parent():
    assert sorted(body.ORDER) == list(range(25))
    place = {j: i for i, j in enumerate(body.ORDER)}
    assert all(place[body.PARENTS[j]] < place[j] for j in body.ORDER[1:])


@pytest.mark.parametrize(
    ("angles", "start", "end", "expected"),
    [
        # The person looks along -z and has x to their right, y up.
        ({}, "right_shoulder", "right_wrist", (0, -1, 0)),
        ({"right_shoulder": (90, 0, 0)}, "right_shoulder", "right_wrist", (0, 0, -1)),
        ({"left_shoulder": (90, 0, 0)}, "left_shoulder", "left_wrist", (0, 0, -1)),
        ({"right_shoulder": (0, 90, 0)}, "right_shoulder", "right_wrist", (1, 0, 0)),
        ({"left_shoulder": (0, 90, 0)}, "left_shoulder", "left_wrist", (-1, 0, 0)),
        ({"right_elbow": (90, 0, 0)}, "right_elbow", "right_wrist", (0, 0, -1)),
        ({"left_knee": (90, 0, 0)}, "left_knee", "left_ankle", None),
        ({"spine_mid": (90, 0, 0)}, "spine_mid", "spine_shoulder", (0, 0, -1)),
        ({"spine_mid": (0, 90, 0)}, "spine_mid", "spine_shoulder", (1, 0, 0)),
    ],
)
def test_angles_turn_limbs_in_the_anatomical_sense(angles, start, end, expected):
    bone = direction(pose(**angles), start, end)
    if expected is None:  # the shin leans, at rest, by its offset: it points back
        assert bone[2] > 0.99
    else:
        np.testing.assert_allclose(bone, expected, atol=1e-12)


def test_inward_twist_brings_the_forearm_before_the_body_and_the_shoulder_forward():
    for side, inward in (("right", -1), ("left", 1)):
        arm = {f"{side}_elbow": (90, 0, 0), f"{side}_shoulder": (0, 0, 90)}
        bone = direction(pose(**arm), f"{side}_elbow", f"{side}_wrist")
        np.testing.assert_allclose(bone, (inward, 0, 0), atol=1e-12)
    turned = pose(spine_mid=(0, 0, 30))
    assert turned[I["right_shoulder"], 2] < turned[I["left_shoulder"], 2]


def test_the_same_angles_on_the_other_side_are_the_mirrored_body():
    rng = np.random.default_rng(0)
    angles = rng.uniform(-1, 1, (4, len(body.TURNING), 3))
    mirrored = angles.copy()
    for i, name in enumerate(body.TURNING):
        if name.startswith("left"):
            other = body.TURNING.index(name.replace("left", "right"))
            mirrored[:, [i, other]] = angles[:, [other, i]]
        elif not name.startswith("right"):
            mirrored[:, i, 1:] *= -1  # leaning and turning to the other side
    flip = [body.JOINTS.index(_other(name)) for name in body.JOINTS]
    one, _ = body.forward_kinematics(body.bones(), angles)
    two, _ = body.forward_kinematics(body.bones(), mirrored)
    np.testing.assert_allclose(two, one[flip] * (-1, 1, 1), atol=1e-12)


def _other(name):
    sides = {"left": "right", "right": "left"}
    side, _, part = name.partition("_")
    return f"{sides[side]}_{part}" if side in sides else name


def test_frames_are_rotations_that_carry_the_bones():
    rng = np.random.default_rng(1)
    angles = rng.uniform(-2, 2, (5, len(body.TURNING), 3))
    offsets = body.bones(height=1.6, arms=1.05)
    positions, frames = body.forward_kinematics(offsets, angles)
    for j in body.ORDER[1:]:
        np.testing.assert_allclose(
            frames[j] @ frames[j].transpose(0, 2, 1),
            np.tile(np.eye(3), (5, 1, 1)),
            atol=1e-12,
        )
        np.testing.assert_allclose(np.linalg.det(frames[j]), 1.0, atol=1e-12)
        bone = positions[j] - positions[body.PARENTS[j]]
        np.testing.assert_allclose(frames[j] @ offsets[j], bone, atol=1e-12)


def test_the_order_of_the_turns_is_twist_then_abduction_then_flexion():
    # Products of the elementary matrices, written out.
    x, z, y = 0.3, -0.7, 1.1
    rx = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    rz = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    ry = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    product = np.array(rx) @ np.array(rz) @ np.array(ry)
    np.testing.assert_allclose(body.rotations(np.array([x, z, y])), product, atol=1e-15)


def test_feet_keep_level_whatever_the_leg_does():
    joints = pose(left_hip=(70, 0, 0), left_knee=(40, 0, 0), right_ankle=(30, 0, 0))
    level = direction(pose(), "left_ankle", "left_foot")
    foot = direction(joints, "left_ankle", "left_foot")
    np.testing.assert_allclose(foot, level, atol=1e-12)
    assert direction(joints, "right_ankle", "right_foot")[1] > level[1] + 0.3


def test_bones_scale_with_the_build():
    average, tall = body.bones(), body.bones(height=1.75 * 1.1)
    np.testing.assert_allclose(tall, 1.1 * average)
    # Thigh (0.01, -0.43) and shin (-0.41, 0.02) of the table in metres.
    assert body.leg_length(average) == pytest.approx(
        np.hypot(0.01, 0.43) + np.hypot(0.41, 0.02)
    )
    assert body.leg_length(body.bones(legs=1.2)) == pytest.approx(
        1.2 * body.leg_length(average)
    )
    broad = body.standing(body.bones(width=1.5))
    span = broad[I["right_shoulder"], 0] - broad[I["left_shoulder"], 0]
    assert span == pytest.approx(2 * 1.5 * 0.17)
    reach = pose()[I["right_hand_tip"], 1] - pose()[I["right_shoulder"], 1]
    assert reach == pytest.approx(-(0.29 + 0.25 + 0.08 + 0.09))


def test_a_standing_body_is_the_neutral_pose_with_its_feet_on_the_floor():
    joints = body.standing(body.bones())
    np.testing.assert_allclose(joints - joints[0], pose(), atol=1e-12)
    feet = joints[[I["left_foot"], I["right_foot"]], 1]
    np.testing.assert_allclose(feet, body.SOLE, atol=1e-12)
    assert joints[:, 1].min() == pytest.approx(body.SOLE)
    # The middle of the head of a person of 1.75 m.
    assert 1.6 < joints[I["head"], 1] < 1.7
