"""What people do in the home: a movement, a sound, a thing in the hand, light.

Pairs share a movement: to drink and to eat, to knock and to wipe, to switch on the lamp
and the radio. The thing in the hand, the light or the sound tells them apart, and to
knock and to wipe differ in pictures by a small cloth alone.
"""

from typing import NamedTuple

from data_pipelines.person import film


class Activity(NamedTuple):
    """One class.

    Attributes:
      movement: a name in `person.actions.ACTIONS`.
      sound: a name in `sounds.SOUNDS`, or None.
      joint: where the sound comes from.
      moments: when it is heard, as shares of the activity; none: whenever the movement
        itself makes a sound.
      thing: in the right hand, or None.
      light: whether the lamp of the room shines from the first moment on.
    """

    movement: str
    sound: str | None = None
    joint: str = "right_hand"
    moments: tuple[float, ...] = ()
    thing: film.Held | None = None
    light: bool = False


# Larger than before the cameras of `person.film`: here these are farther away.
_CUP = film.HELD["drink"]._replace(radius=0.10, length=0.16)
_BREAD = film.HELD["eat"]._replace(radius=0.12, length=0.06)
_CLOTH = film.Held(0.09, 0.12, (225, 225, 205), film.HEAT["shirt"])
_TO_MOUTH = {"joint": "head", "movement": "drink"}
_SWITCH = {"joint": "left_hand", "movement": "raise_left", "moments": (0.5,)}

ACTIVITIES = {
    "clap": Activity("clap", "clap"),
    "drink": Activity(
        sound="gulp",
        moments=(0.35, 0.5, 0.65),
        thing=_CUP,
        **_TO_MOUTH,
    ),
    "eat": Activity(
        sound="crunch",
        moments=(0.3, 0.38, 0.46, 0.54, 0.62),
        thing=_BREAD,
        **_TO_MOUTH,
    ),
    "kick": Activity("kick_right"),
    "knock": Activity("knock", "knock"),
    "lamp": Activity(sound="click", light=True, **_SWITCH),
    "radio": Activity(sound="tune", **_SWITCH),
    "sit_down": Activity("sit_down", "creak", "spine_base"),
    "wave": Activity("wave_right"),
    "wipe": Activity("knock", "wipe", thing=_CLOTH),
}
"""Class -> what is done."""
