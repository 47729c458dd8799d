"""The videos of PKU-MMD phase 1: their names, classes and protocols."""

import pathlib
import re
from typing import NamedTuple

from data_pipelines.errors import DataError
from data_pipelines.twins import MODALITIES
from data_pipelines.views import Place

ACTIONS = """bow brushing_hair brushing_teeth check_time cheer_up clapping
cross_hands_in_front drink_water drop eat_meal_snack falling
giving_something_to_other_person hand_waving handshaking hopping hugging_other_person
jump_up kicking_other_person kicking_something make_a_phone_call
pat_on_back_of_other_person pickup playing_with_phone point_finger_at_the_other_person
pointing_to_something_with_finger punching_other_person pushing_other_person put_on_a_hat
put_something_inside_pocket reading rub_two_hands_together salute sitting_down
standing_up take_off_a_hat take_off_glasses take_off_jacket take_out_something_from_pocket
taking_a_selfie tear_up_paper throw touch_back touch_chest touch_head touch_neck
typing_on_a_keyboard use_a_fan wear_jacket wear_on_glasses wipe_face writing"""
CLASSES = tuple(ACTIONS.split())
"""In the order of the labels, which count from 1 in the files."""
CAMERAS = "LMR"
"""Left, middle and right, in the order of their numbers."""
NAME = re.compile(rf"(\d{{4}})-([{CAMERAS}])")
WINDOW = re.compile(rf"({NAME.pattern})_w(\d+)_(\d+)")
SHOWN = re.compile(r"(.+)_(rgb|ir)")
TEST_VIDEOS = range(291, 335)
"""Numbers of the videos whose subjects test, the same for all three cameras."""
SIZES = {"csub": (944, 132), "cview": (717, 359)}
"""Training and test videos of each protocol."""


class Name(NamedTuple):
    """What the name of a video says."""

    number: int
    camera: str


def parse(name: str) -> Name:
    """The number and the camera in the name of a video.

    Args:
      name: as 0002-M.

    Returns:
      (2, "M").

    Raises:
      DataError: if it is no such name.
    """
    match = NAME.fullmatch(name)
    if not match:
        raise DataError(f"{name}: not the name of a video of PKU-MMD phase 1")
    return Name(int(match[1]), match[2])


def place(key: str) -> Place:
    """The camera of an example: cameras have labels of their own, and are not paired.

    Args:
      key: that begins with the name of a video.

    Returns:
      The key itself as the performance, and 0, 1 or 2 for L, M or R.
    """
    return Place(key, CAMERAS.index(parse(key[:6]).camera))


def video_number(name: str) -> int:
    """A number for a video that needs no list of all videos.

    Args:
      name: as 0002-M.

    Returns:
      Three times its number, and 0, 1 or 2 for L, M or R.

    Raises:
      DataError: if it is no such name.
    """
    number, camera = parse(name)
    return len(CAMERAS) * number + CAMERAS.index(camera)


def shown(path: pathlib.Path) -> tuple[str, str]:
    """What a video file shows.

    Args:
      path: in the official folder `RGB_VIDEO` or `IR_VIDEO`, or of a name that ends in
        `_rgb` or `_ir` before `.avi`.

    Returns:
      Name of the recording, and "rgb" or "ir".

    Raises:
      DataError: if neither folder nor name says it.
    """
    folders = {f"{name.upper()}_VIDEO": name for name in MODALITIES}
    if match := SHOWN.fullmatch(path.stem):
        return match[1], match[2]
    if path.parent.name in folders:
        return path.stem, folders[path.parent.name]
    raise DataError(
        f"{path}: colour or infrared? Put it into a folder RGB_VIDEO or IR_VIDEO, or "
        "name it ..._rgb.avi or ..._ir.avi"
    )


def window_key(name: str, start: int, stop: int) -> str:
    """The key of a window of a video.

    Args:
      name: of the video.
      start: first frame.
      stop: the frame after the last.

    Returns:
      As 0002-M_w000064_000128.
    """
    return f"{name}_w{start:06}_{stop:06}"


def parse_window(key: str) -> tuple[str, int, int]:
    """What the key of a window says.

    Args:
      key: from `window_key`.

    Returns:
      Name of the video, first frame, and the frame after the last.

    Raises:
      DataError: if it is no such key, or there is no frame in the window.
    """
    match = WINDOW.fullmatch(key)
    if not match or int(match[4]) >= int(match[5]):
        raise DataError(f"{key}: not the key of a window of a video of PKU-MMD")
    return match[1], int(match[4]), int(match[5])


def check_protocol(protocol: str) -> None:
    """Refuse an unknown protocol.

    Args:
      protocol: to look up in `SIZES`.

    Raises:
      DataError: if it is none.
    """
    if protocol not in SIZES:
        raise DataError(f"pku_mmd has the protocols {sorted(SIZES)}, not {protocol!r}")


def by_rule(name: str, protocol: str) -> str:
    """The side of a video where there is no split file.

    Args:
      name: of the video.
      protocol: "cview" trains on cameras M and R; "csub" tests on `TEST_VIDEOS`.

    Returns:
      "train" or "test".
    """
    number, camera = parse(name)
    tests = camera == "L" if protocol == "cview" else number in TEST_VIDEOS
    return "test" if tests else "train"
