"""The 25-joint Kinect v2 body: bones, and joint angles to positions.

Frames are right-handed, y up. A person's own frame has x to their right and looks along
-z; the world frame has its origin on the floor under the Kinect, which looks along +z:
a person with heading 0 faces it, their left hand at smaller x.
"""

import numpy as np

JOINTS = (
    *("spine_base", "spine_mid", "neck", "head"),
    *("left_shoulder", "left_elbow", "left_wrist", "left_hand"),
    *("right_shoulder", "right_elbow", "right_wrist", "right_hand"),
    *("left_hip", "left_knee", "left_ankle", "left_foot"),
    *("right_hip", "right_knee", "right_ankle", "right_foot"),
    *("spine_shoulder", "left_hand_tip", "left_thumb", "right_hand_tip", "right_thumb"),
)
INDEX = {name: j for j, name in enumerate(JOINTS)}
PARENTS = (-1, 0, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18)
PARENTS += (1, 7, 6, 11, 10)
# Parents first: spine_shoulder (20) comes late in Kinect's order, the neck early.
ORDER = (0, 1, 20, *range(2, 20), *range(21, 25))

# Joints that turn, in the order of the angle array, and the sense in which flexion,
# abduction and inward twist turn about x, z and y. Anatomical angles have the same sign
# on both sides, so that a mirrored action is the same numbers under the other names.
TURNING = ("spine_base", "spine_mid", "neck")
TURNING += tuple(
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)
_TRUNK_SENSE = (-1, -1, 1)
_SENSES = dict.fromkeys(("base", "mid", "neck"), _TRUNK_SENSE) | {"knee": (-1, 1, 1)}


def _senses() -> np.ndarray:
    rows = [_SENSES.get(name.split("_")[-1], (1, 1, 1)) for name in TURNING]
    mirror = [(1, -1, -1) if name.startswith("left") else (1, 1, 1) for name in TURNING]
    return np.array(rows, float) * np.array(mirror, float)


SENSES = _senses()
_TURN = {INDEX[name]: i for i, name in enumerate(TURNING)}
# The feet keep level by themselves: an ankle's angle is absolute, not the shin's.
_LEVEL = {INDEX["left_ankle"], INDEX["right_ankle"]}

# Bone vectors from the parent in metres, standing with hanging arms, of an adult of
# average proportions and a stature of 1.75 m. Only the right side is written.
_TRUNK = {
    "spine_mid": (0.0, 0.21, 0.0),
    "spine_shoulder": (0.0, 0.24, 0.0),
    "neck": (0.0, 0.08, 0.0),
    "head": (0.0, 0.16, -0.02),
}
_SIDE = {
    "shoulder": (0.17, -0.05, 0.0),
    "elbow": (0.0, -0.29, 0.0),
    "wrist": (0.0, -0.25, 0.0),
    "hand": (0.0, -0.08, 0.0),
    "hand_tip": (0.0, -0.09, 0.0),
    "thumb": (-0.02, -0.07, -0.05),
    "hip": (0.09, -0.05, 0.0),
    "knee": (0.01, -0.43, 0.0),
    "ankle": (0.0, -0.41, 0.02),
    "foot": (0.03, -0.05, -0.13),
}
SOLE = 0.02  # metres from the foot joint down to the floor
STATURE = 1.75


def bones(
    *, height: float = STATURE, arms: float = 1.0, legs: float = 1.0, width: float = 1.0
) -> np.ndarray:
    """Bone vectors of one body, each from a joint's parent to the joint, at rest.

    Args:
      height: stature in metres; all bones scale with it.
      arms: factor on the length of the arms.
      legs: factor on the length of the legs.
      width: factor on the breadth of shoulders and hips.

    Returns:
      Offsets `[25 3]` in metres; the root's is zero.
    """
    offsets = np.zeros((25, 3))
    for name, vector in _TRUNK.items():
        offsets[INDEX[name]] = vector
    broad = (width, 1.0, 1.0)
    factors = {
        "shoulder": broad,
        "hip": broad,
        "knee": legs,
        "ankle": legs,
        "foot": 1.0,
    }
    for name, vector in _SIDE.items():
        scaled = np.multiply(factors.get(name, arms), vector)
        offsets[INDEX[f"right_{name}"]] = scaled
        offsets[INDEX[f"left_{name}"]] = scaled * (-1, 1, 1)
    return offsets * (height / STATURE)


def standing(offsets: np.ndarray) -> np.ndarray:
    """Joints `[25 3]` of a body that stands upright on the floor, in metres."""
    joints = np.zeros((len(JOINTS), 3))
    for j in ORDER[1:]:
        joints[j] = joints[PARENTS[j]] + offsets[j]
    joints[:, 1] += SOLE - joints[INDEX["left_foot"], 1]
    return joints


def leg_length(offsets: np.ndarray) -> float:
    """Metres from hip to ankle of a straight leg."""
    thigh, shin = offsets[INDEX["left_knee"]], offsets[INDEX["left_ankle"]]
    return float(np.linalg.norm(thigh) + np.linalg.norm(shin))


def rotations(angles: np.ndarray) -> np.ndarray:
    """Rotation matrices `Rx(flexion) Rz(abduction) Ry(twist)`.

    Args:
      angles: `[*B 3]` (flexion, abduction, twist) in radians.

    Returns:
      Matrices `[*B 3 3]`.
    """
    (cx, cz, cy), (sx, sz, sy) = (
        np.moveaxis(f(angles), -1, 0) for f in (np.cos, np.sin)
    )
    matrix = np.empty((*angles.shape[:-1], 3, 3))
    matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 2] = cz * cy, -sz, cz * sy
    matrix[..., 1, 0] = cx * sz * cy + sx * sy
    matrix[..., 1, 1] = cx * cz
    matrix[..., 1, 2] = cx * sz * sy - sx * cy
    matrix[..., 2, 0] = sx * sz * cy - cx * sy
    matrix[..., 2, 1] = sx * cz
    matrix[..., 2, 2] = sx * sz * sy + cx * cy
    return matrix


def forward_kinematics(
    offsets: np.ndarray, angles: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Joint positions and bone frames of a body whose spine base stays at the origin.

    Args:
      offsets: `[25 3]` bone vectors in metres, from `bones`.
      angles: `[T 15 3]` anatomical angles in radians, in the order of `TURNING`.

    Returns:
      Positions `[25 T 3]` in metres and, for each joint, the rotation `[T 3 3]` of
      the bone that ends in it (the wrist's is the forearm's).
    """
    local = rotations((angles * SENSES).transpose(1, 0, 2))
    upright = np.broadcast_to(np.eye(3), local.shape[1:])
    positions = np.zeros((len(JOINTS), len(angles), 3))
    frames, turned = [upright] * len(JOINTS), {-1: upright}
    for j in ORDER:
        parent = PARENTS[j]
        frames[j] = turned[parent]
        positions[j] = turned[parent] @ offsets[j]
        if parent >= 0:
            positions[j] += positions[parent]
        base = upright if j in _LEVEL else frames[j]
        turned[j] = base @ local[_TURN[j]] if j in _TURN else base
    return positions, frames
