"""The actions, as key poses; a new action is one more entry of `ACTIONS`.

A pose names the joints that leave the neutral stand and gives their anatomical angles
in degrees: flexion (forward, up), abduction (away from the body, for the trunk: lean to
the right) and inward twist (for the trunk: right shoulder forward). `step_left` and
`step_right` move a foot's place forward by so many leg lengths.

A sensor on the right wrist can hardly tell apart wave_right and wave_both, kick_left
and kick_right, squat and sit_down. The skeleton shows the difference.

To drink, to eat and to brush one's teeth are the same movement here: only a picture
shows what the hand holds (`data_pipelines.person.film`).
"""

from typing import NamedTuple

Pose = dict[str, tuple[float, ...] | float]


class Key(NamedTuple):
    """A pose to be reached some time after the previous one.

    Attributes:
      seconds: time since the previous key, at tempo 1.
      pose: what differs from the neutral stand.
      cue: the sound made there, as (kind, joint), or None.
    """

    seconds: float
    pose: Pose
    cue: tuple[str, str] | None = None


class Action(NamedTuple):
    """Neutral stand, `before`, `cycle` some times over, `after`, neutral stand.

    Attributes:
      before: keys that lead into the cycle.
      cycle: the keys that repeat.
      after: keys that lead out of it.
      repeats: least and greatest number of cycles.
      settle: seconds back to the neutral stand.
    """

    before: tuple[Key, ...] = ()
    cycle: tuple[Key, ...] = ()
    after: tuple[Key, ...] = ()
    repeats: tuple[int, int] = (1, 1)
    settle: float = 0.7


def _wave(angle: float, *sides: str) -> Pose:
    arms = {f"{side}_shoulder": (15, 75, -85) for side in sides}
    # One arm alone takes the trunk along and is quicker: hints for a wrist sensor.
    trunk = {"spine_mid": (0, -8, -12)} if len(sides) == 1 else {}
    return arms | {f"{side}_elbow": (angle,) for side in sides} | trunk


def _kick(side: str, other: str) -> tuple[Key, ...]:
    # The arms spread for balance, the other side's a little forward with the leg.
    def pose(hip: float, knee: float, foot: float, arm: float) -> Pose:
        return {
            f"{side}_hip": (hip,),
            f"{side}_knee": (knee,),
            f"{side}_ankle": (foot,),
            f"{other}_hip": (-3,),
            f"{other}_shoulder": (8 + arm, 18),
            f"{side}_shoulder": (8 - arm, 18),
            "left_elbow": (25,),
            "right_elbow": (25,),
            "spine_mid": (-0.1 * hip,),
        }

    back, high = pose(-25, 75, -50, -5), pose(85, 10, 50, 5)
    return Key(0.5, back), Key(0.32, high), Key(0.4, pose(15, 55, -10, 0))


def _stride(side: str, other: str, *, steps: tuple[float, float]) -> tuple[Key, ...]:
    """One leg swings past the other, then lands on its heel."""
    elbows = {"left_elbow": (20,), "right_elbow": (20,)}
    swing = {
        f"{side}_hip": (22,),
        f"{side}_knee": (55,),
        f"{side}_ankle": (-8,),
        f"{other}_hip": (2,),
        f"{other}_knee": (6,),
        f"step_{side}": steps[0],
    }
    land = {
        f"{side}_hip": (21,),
        f"{side}_knee": (4,),
        f"{side}_ankle": (10,),
        f"{other}_hip": (-19,),
        f"{other}_knee": (8,),
        f"{other}_ankle": (-22,),
        f"{side}_shoulder": (-20,),
        f"{other}_shoulder": (24,),
        f"step_{side}": steps[1],
    }
    cue = ("footfall", f"{side}_ankle")
    return Key(0.28, elbows | swing), Key(0.28, elbows | land, cue)


def _lower(hips: float, knees: float, lean: float, *, reach: float) -> Pose:
    pose = {"spine_base": (lean,), "spine_mid": (0.3 * lean,)}
    for side in ("left", "right"):
        pose |= {
            f"{side}_hip": (hips,),
            f"{side}_knee": (knees,),
            f"{side}_shoulder": (reach,),
            f"{side}_elbow": (25,),
        }
    return pose


def _hands(abduction: float, twist: float) -> Pose:
    pose = {}
    for side in ("left", "right"):
        pose[f"{side}_shoulder"] = (50, abduction, twist)
        pose[f"{side}_elbow"] = (60,)
    return pose


_RAISED = {
    "right_shoulder": (65, 0, 5),
    "right_elbow": (85,),
    "right_wrist": (-15,),
    "spine_mid": (5,),
}
_KNOCK = _RAISED | {"right_elbow": (50,), "right_wrist": (15,)}
_GUARD = {
    "right_shoulder": (25, 10, 10),
    "right_elbow": (125,),
    "left_shoulder": (30, 10, 10),
    "left_elbow": (115,),
}
_PUNCH = _GUARD | {
    "right_shoulder": (88, 5, 20),
    "right_elbow": (8,),
    "spine_mid": (5, 0, 25),
    "spine_base": (0, 0, 10),
}
_COCK = {
    "right_shoulder": (0, 80, -100),
    "right_elbow": (100,),
    "spine_mid": (-8, 0, -25),
    "left_shoulder": (30, 15),
}
_RELEASE = {
    "right_shoulder": (110, 15, -20),
    "right_elbow": (20,),
    "spine_mid": (12, 0, 25),
    "left_shoulder": (-15, 15),
}
_FOLLOW = {
    "right_shoulder": (35, -15, 20),
    "right_elbow": (20,),
    "spine_mid": (22, 0, 32),
    "left_shoulder": (-20, 15),
}
_HELD = {"right_shoulder": (22, 8, 15), "right_elbow": (85,)}
_AT_MOUTH = {
    "right_shoulder": (48, 12, 48),
    "right_elbow": (138,),
    "right_wrist": (12,),
    "neck": (6,),
}
_TO_MOUTH = Action(
    before=(Key(0.5, _HELD),),
    cycle=(
        Key(0.45, _AT_MOUTH),
        Key(0.35, _AT_MOUTH | {"right_wrist": (25,)}),
        Key(0.4, _HELD),
    ),
    repeats=(1, 3),
)
_OVERHEAD = {"left_shoulder": (10, 145), "left_elbow": (8,), "spine_mid": (0, 5)}

ACTIONS = {
    "wave_right": Action(
        before=(Key(0.6, _wave(95, "right")),),
        cycle=(Key(0.23, _wave(45, "right")), Key(0.23, _wave(115, "right"))),
        repeats=(3, 5),
    ),
    "wave_both": Action(
        before=(Key(0.6, _wave(95, "right", "left")),),
        cycle=(
            Key(0.26, _wave(45, "right", "left")),
            Key(0.26, _wave(115, "right", "left")),
        ),
        repeats=(3, 5),
    ),
    "raise_left": Action(
        cycle=(Key(0.9, _OVERHEAD), Key(0.4, _OVERHEAD), Key(0.8, {})),
        settle=0.2,
    ),
    "clap": Action(
        before=(Key(0.5, _hands(22, 10)),),
        cycle=(
            Key(0.17, _hands(-5, 40), ("clap", "right_hand")),
            Key(0.2, _hands(22, 10)),
        ),
        repeats=(4, 6),
    ),
    "knock": Action(
        before=(Key(0.6, _RAISED),),
        cycle=(Key(0.14, _KNOCK, ("knock", "right_hand")), Key(0.18, _RAISED)),
        repeats=(3, 5),
    ),
    "punch_right": Action(
        before=(Key(0.5, _GUARD),),
        cycle=(
            Key(0.18, _PUNCH),
            Key(0.1, _PUNCH),
            Key(0.25, _GUARD),
            Key(0.15, _GUARD),
        ),
        repeats=(2, 3),
    ),
    "throw_right": Action(
        before=(Key(0.7, _COCK), Key(0.15, _COCK)),
        cycle=(Key(0.25, _RELEASE), Key(0.22, _FOLLOW)),
        settle=0.9,
    ),
    "kick_left": Action(cycle=_kick("left", "right"), repeats=(1, 2)),
    "kick_right": Action(cycle=_kick("right", "left"), repeats=(1, 2)),
    "squat": Action(
        before=(Key(0.5, _lower(60, 55, 22, reach=40)),),
        cycle=(
            Key(0.45, _lower(105, 112, 28, reach=62)),
            Key(0.45, _lower(105, 112, 26, reach=62)),
        ),
        after=(Key(0.45, _lower(60, 55, 22, reach=40)),),
    ),
    "sit_down": Action(
        before=(Key(0.5, _lower(60, 42, 28, reach=44)),),
        cycle=(
            Key(0.45, _lower(92, 88, 8, reach=42), ("creak", "spine_base")),
            Key(0.45, _lower(90, 88, 4, reach=38)),
        ),
        after=(Key(0.45, _lower(60, 42, 28, reach=44)),),
    ),
    "walk": Action(
        before=_stride("right", "left", steps=(0.17, 0.17)),
        cycle=_stride("left", "right", steps=(0.34, 0.34))
        + _stride("right", "left", steps=(0.34, 0.34)),
        after=(
            Key(0.28, _stride("left", "right", steps=(0.17, 0.17))[0].pose),
            Key(0.28, {"step_left": 0.17}, ("footfall", "left_ankle")),
        ),
        repeats=(1, 2),
        settle=0.4,
    ),
    **dict.fromkeys(("drink", "eat", "brush_teeth"), _TO_MOUTH),
}
