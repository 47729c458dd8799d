"""What the microphones of the home record."""

from typing import NamedTuple

import numpy as np

from data_pipelines import grid
from data_pipelines.home import actors, plan
from data_pipelines.home.script import Script
from data_pipelines.person import body, style
from data_pipelines.sound import RATE

NOISE = 0.002
"""Standard deviation of every microphone's own noise."""
THROUGH = 0.2
"""Share of a sound that passes through a wall."""
NEAREST = 0.5
"""Metres within which a sound grows no louder."""
SPEED = 343.0
"""Metres a second, of sound."""


class Sound(NamedTuple):
    """A tone that glides through pitches, mixed with noise, that dies away.

    Attributes:
      seconds: its length.
      pitches: Hz of the tone, at equal steps of time.
      noise: share of noise, 0..1.
      decay: seconds in which it falls to a third.
      loudness: greatest amplitude at 1 m.
    """

    seconds: float
    pitches: tuple[float, ...]
    noise: float
    decay: float
    loudness: float


SOUNDS = {
    "footfall": Sound(0.10, (110, 60), 0.30, 0.025, 0.12),
    "clap": Sound(0.08, (1200, 900), 0.95, 0.012, 0.60),
    "knock": Sound(0.12, (330, 260), 0.25, 0.025, 0.50),
    "creak": Sound(0.35, (350, 620, 400), 0.20, 0.200, 0.30),
    "wipe": Sound(0.22, (900, 1500), 0.90, 0.150, 0.25),
    "crunch": Sound(0.12, (2200, 1500), 0.85, 0.030, 0.30),
    "gulp": Sound(0.14, (520, 240), 0.05, 0.080, 0.25),
    "click": Sound(0.03, (3200, 2600), 0.30, 0.005, 0.50),
    "tune": Sound(1.60, (440, 660, 550, 880, 660), 0.05, 2.000, 0.30),
}
"""Name -> sound; each time it is a little different in pitch and loudness."""
_ATTACK = 0.002  # seconds


def synthesise(sound: Sound, rng: np.random.Generator) -> np.ndarray:
    """One sound at 1 m.

    Args:
      sound: which.
      rng: draws its noise, and by how much it is off in pitch and loudness.

    Returns:
      `[n]` samples at `RATE`.
    """
    times = np.arange(int(sound.seconds * RATE)) / RATE
    steps = np.linspace(0, sound.seconds, len(sound.pitches))
    pitch = np.interp(times, steps, sound.pitches) * np.exp(rng.normal(0, 0.08))
    tone = np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    noise = np.clip(rng.normal(0, 0.4, len(times)), -1, 1)
    envelope = np.minimum(times / _ATTACK, 1) * np.exp(-times / sound.decay)
    # The end is faded out, where what has not died away would click.
    envelope *= np.minimum((times[-1] - times) / _ATTACK, 1)
    loudness = sound.loudness * np.exp(rng.normal(0, 0.15))
    return loudness * envelope * (sound.noise * noise + (1 - sound.noise) * tone)


class Heard(NamedTuple):
    """A sound at its time and place.

    Attributes:
      seconds: when it begins.
      kind: a name in `SOUNDS`.
      place: `[3]` metres in the world.
      wave: `[n]` samples at 1 m.
    """

    seconds: float
    kind: str
    place: np.ndarray
    wave: np.ndarray


def events(script: Script) -> list[Heard]:
    """All sounds of a recording, where and when they are made.

    Args:
      script: of the recording.

    Returns:
      The sounds, person by person.
    """
    found = []
    for i, person in enumerate(script.people):
        made = actors.events(person)
        rng = style.stream(*script.name, "sounds", i)
        times = np.array([time for time, *_ in made])
        places = actors.joints(person, times)
        for (time, kind, joint), joints in zip(made, places):
            wave = synthesise(SOUNDS[kind], rng)
            found.append(Heard(time, kind, joints[body.INDEX[joint]], wave))
    return found


def record(
    script: Script, heard: list[Heard], place: np.ndarray, number: int
) -> np.ndarray:
    r"""What one microphone records.

    Each sound comes late by its way and is weaker with distance and behind walls:

    .. math:: g = 0.2^{walls} / \max(d, 0.5)

    Args:
      script: of the recording.
      heard: its sounds, from `events`.
      place: `[3]` metres in the world, where the microphone hangs.
      number: of the microphone; each has its own noise.

    Returns:
      float32 `[L / 2.5 * 16000]` samples in [-1, 1].
    """
    length = round(script.frames / grid.RATE * RATE)
    rng = style.stream(*script.name, "microphone", number)
    wave = rng.standard_normal(length, np.float32) * np.float32(NOISE)
    for sound in heard:
        distance = np.linalg.norm(sound.place - place)
        walls = plan.walls_between(sound.place, place)
        gain = THROUGH**walls / max(distance, NEAREST)
        start = round((sound.seconds + distance / SPEED) * RATE)
        # A walk may go on after the recording.
        piece = sound.wave[: max(0, length - start)]
        wave[start : start + len(piece)] += (gain * piece).astype(np.float32)
    return np.clip(wave, -1, 1)
