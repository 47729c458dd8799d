"""The recordings of NTU RGB+D 60 and 120: their names, classes and protocols."""

import dataclasses
import functools
import itertools
import pathlib
import re
from collections.abc import Iterable, Iterator

from data_pipelines.errors import DataError
from data_pipelines.views import Place

ACTIONS = """drink_water eat_meal brush_teeth brush_hair drop pick_up throw sit_down
stand_up clap read write tear_up_paper put_on_jacket take_off_jacket put_on_shoe
take_off_shoe put_on_glasses take_off_glasses put_on_hat take_off_hat cheer_up hand_wave
kick_something reach_into_pocket hop jump_up phone_call play_with_phone type_on_keyboard
point_to_something take_selfie check_time rub_hands nod_head shake_head wipe_face salute
put_palms_together cross_hands_in_front sneeze_cough stagger fall_down headache
chest_pain back_pain neck_pain nausea fan_self punch_other kick_other push_other
pat_back point_finger_at_other hug_other give_object touch_other_s_pocket shake_hands
walk_towards walk_apart put_on_headphone take_off_headphone shoot_at_basket bounce_ball
tennis_bat_swing juggle_table_tennis_balls hush flick_hair thumb_up thumb_down ok_sign
victory_sign staple_book count_money cut_nails cut_paper snap_fingers open_bottle sniff
squat_down toss_coin fold_paper ball_up_paper play_magic_cube apply_cream_on_face
apply_cream_on_hand put_on_bag take_off_bag put_object_into_bag take_object_out_of_bag
open_box move_heavy_objects shake_fist throw_up_hat hands_up cross_arms arm_circles
arm_swings run_on_the_spot butt_kicks cross_toe_touch side_kick yawn stretch blow_nose
hit_other_with_object wield_knife knock_over_other grab_other_s_stuff shoot_with_gun
step_on_foot high_five cheers_and_drink carry_object_together take_photo_of_other
follow_other whisper exchange_things support_somebody rock_paper_scissors"""
CLASSES = tuple(ACTIONS.split())
# fmt: off
SUBJECTS = {
    1: (1, 2, 3, 4, 5, 6, 7, 8),
    2: (3, 7, 8, 9, 10, 11, 12, 13, 14),
    3: (1, 2, 7, 8, 15, 16, 17, 18, 19),
    4: (3, 7, 8, 20),
    5: (4, 10, 13, 15, 16, 17, 18, 21),
    6: (1, 7, 8, 15, 16, 17, 19, 22, 23, 24),
    7: (1, 7, 8, 15, 16, 17, 18, 19, 25, 26, 27, 28),
    8: (1, 7, 8, 15, 19, 25, 29, 30, 31, 32, 33, 34, 35, 36),
    9: (7, 8, 15, 16, 17, 19, 25),
    10: (7, 8, 13, 15, 16, 17, 18, 19, 21, 25),
    11: (1, 2, 7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 38),
    12: (7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 37),
    13: (7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 37),
    14: (7, 8, 15, 17, 19, 25, 27, 37, 39),
    15: (7, 8, 15, 16, 17, 19, 25, 37),
    16: (7, 8, 19, 21, 25, 39, 40),
    17: (3, 7, 8, 9, 15, 16, 17, 20),
    18: (8, 41, 42, 43, 44, 45),
    19: (8, 41, 42, 46, 47, 48, 49, 50, 51),
    20: (8, 41, 43, 44, 52, 53, 54),
    21: (55, 56, 57, 58, 59, 60),
    22: (61, 62, 63, 64, 65, 66, 67),
    23: (55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68),
    24: (57, 60, 61, 62, 63, 64, 67),
    25: (55, 56, 58, 59, 65, 66, 68),
    26: (8, 41, 44, 49, 50, 51, 69, 70, 71, 72, 74, 75, 76, 77),
    27: (6, 8, 11, 41, 43, 44, 78, 79, 80, 81, 82, 83, 84, 85, 86),
    28: (8, 41, 42, 43, 46, 48, 70, 73, 87),
    29: (6, 8, 41, 43, 44, 48, 49, 51, 67, 74, 75, 80, 88, 89, 90),
    30: (8, 11, 41, 43, 44, 48, 67, 75, 76, 81, 85, 88, 91, 92, 93, 94, 95, 96),
    31: (6, 8, 41, 42, 43, 44, 51, 67, 82, 85, 96, 97, 98, 99, 100, 101),
    32: (8, 41, 43, 44, 67, 102, 103, 104, 105, 106),
}
"""Who was recorded in each setup; setups 1 to 17 are NTU RGB+D 60."""
TRAIN_SUBJECTS_60 = (
    1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38
)
TRAIN_SUBJECTS = (
    *TRAIN_SUBJECTS_60,
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84,
    85, 86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103,
)
# fmt: on
SIZES = {
    "ntu60_csub": (40_091, 16_487),
    "ntu60_cview": (37_646, 18_932),
    "ntu120_csub": (63_026, 50_919),
    "ntu120_cset": (54_468, 59_477),
}
"""Training and test recordings of each protocol."""
NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")


@dataclasses.dataclass(frozen=True)
class Name:
    """What the name of a recording says: numbers from 1."""

    setup: int
    camera: int
    subject: int
    replication: int
    action: int

    def __str__(self) -> str:
        return (
            f"S{self.setup:03}C{self.camera:03}P{self.subject:03}"
            f"R{self.replication:03}A{self.action:03}"
        )


def parse(name: str) -> Name:
    """The numbers in the name of a recording.

    Args:
      name: as S001C002P003R002A013.

    Returns:
      The numbers.

    Raises:
      DataError: if it is no such name, or there is no such recording.
    """
    match = NAME.fullmatch(name)
    if not match:
        raise DataError(f"{name}: not the name of a recording of NTU RGB+D")
    found = Name(*map(int, match.groups()))
    setup = found.setup
    if (
        found.subject not in SUBJECTS.get(setup, ())
        or found.camera not in (1, 2, 3)
        or found.replication not in (1, 2)
        or found.action not in _actions(setup)
    ):
        raise DataError(f"{name}: NTU RGB+D has no such recording")
    return found


def _actions(setup: int) -> range:
    return range(1, 61) if setup <= 17 else range(61, 121)


def every_name(setups: Iterable[int] = SUBJECTS) -> Iterator[str]:
    """The names of all recordings, those without a skeleton too.

    Args:
      setups: to go through; 1 to 17 are the 56,880 of NTU RGB+D 60, all the 114,480.

    Yields:
      Names.
    """
    for s in setups:
        for p, c, r, a in itertools.product(
            SUBJECTS[s], (1, 2, 3), (1, 2), _actions(s)
        ):
            yield str(Name(s, c, p, r, a))


@functools.cache
def missing() -> frozenset[str]:
    """The names of recordings whose skeletons are missing or incomplete."""
    path = pathlib.Path(__file__).with_name("ntu_missing_skeletons.txt")
    return frozenset(path.read_text().split())


def check_protocol(protocol: str) -> None:
    """Refuse an unknown protocol.

    Args:
      protocol: to look up in `SIZES`.

    Raises:
      DataError: if it is none.
    """
    if protocol not in SIZES:
        raise DataError(f"ntu has the protocols {sorted(SIZES)}, not {protocol!r}")


def split(names: Iterable[str], protocol: str) -> tuple[list[str], list[str]]:
    """The training and the test recordings of a protocol.

    Args:
      names: of recordings that there are; those of other setups and those without a
        skeleton are passed over.
      protocol: "ntu60_csub" and "ntu120_csub" go by subject, "ntu60_cview" trains on
        cameras 2 and 3, "ntu120_cset" on setups with even numbers.

    Returns:
      Names to train on and to test on, in the order given.

    Raises:
      DataError: on an unknown protocol or name.
    """
    check_protocol(protocol)
    sides: tuple[list[str], list[str]] = [], []
    for name in names:
        numbers = parse(name)
        if name in missing() or (protocol.startswith("ntu60") and numbers.setup > 17):
            continue
        sides[0 if trains(numbers, protocol) else 1].append(name)
    return sides


def trains(name: Name, protocol: str) -> bool:
    """Whether a recording is one to train on.

    Args:
      name: of the recording.
      protocol: see `split`.

    Returns:
      Its side.
    """
    if protocol == "ntu60_cview":
        return name.camera in (2, 3)
    if protocol == "ntu120_cset":
        return name.setup % 2 == 0
    return name.subject in TRAIN_SUBJECTS


def place(key: str) -> Place:
    """The performance and the camera of a recording.

    Args:
      key: as S001C002P003R002A013.

    Returns:
      ("S001P003R002A013", 2).
    """
    return Place(key[:4] + key[8:], int(key[5:8]))
