"""Pictures of the home with the people in it."""

import dataclasses
from typing import NamedTuple

import numpy as np

from data_pipelines.home import actors, plan, scenery
from data_pipelines.home import cameras as views
from data_pipelines.home.activities import ACTIVITIES
from data_pipelines.home.script import Script
from data_pipelines.person import body, cameras, film, style

NOISE = 4.0
"""Standard deviation of a picture's error, of 255."""
LAMP = 1.3
"""By how much a lamp brightens the pictures of its room."""
_EXPOSURE = 0.08  # standard deviation, in logarithms, between recordings
_NEAR = 0.3  # metres from a camera, within which nothing is painted
_ASIDE = -10000.0  # pixels: far outside the picture


class Seen(NamedTuple):
    """A person at the times of the frames.

    Attributes:
      actor: the person.
      places: `[T 25 3]` metres in the world.
      holds: of each frame, the activity for which they hold something, or None.
    """

    actor: actors.Actor
    places: np.ndarray
    holds: list[str | None]


def shots(script: Script, times: np.ndarray) -> tuple[Seen, ...]:
    """The people of a recording at each frame that the cameras take together.

    Args:
      script: of the recording.
      times: `[T]` seconds.

    Returns:
      Every person.
    """
    return tuple(
        Seen(person, actors.joints(person, times), actors.holding(person, times))
        for person in script.people
    )


@dataclasses.dataclass(frozen=True)
class Film:
    """A video of one camera that is painted frame by frame when it is asked for.

    Attributes:
      script: of the recording.
      times: `[T]` seconds of the frames.
      people: at those times.
      camera: which looks.
      number: of the camera.
    """

    script: Script
    times: np.ndarray
    people: tuple[Seen, ...]
    camera: cameras.Camera
    number: int

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The frames at `indices` [N], uint8 [N H W 3]."""
        chosen = np.arange(len(self))[np.asarray(indices)]
        frames, where = np.unique(chosen, return_inverse=True)
        seed = self.script.name[0]
        empty = scenery.behind(seed, self.number, self.camera)
        canvas = np.repeat(empty[None], len(frames), axis=0)
        for person in self.people:
            _add(canvas, person, frames, self.camera, seed)
        shown = scenery.colours(canvas) * self._light(frames)[:, None, None, None]
        shown += np.stack([self._error(time) for time in self.times[frames]])
        return np.clip(np.rint(shown), 0, 255).astype(np.uint8)[where]

    def detections(self) -> np.ndarray:
        """The confidence `[T]` that somebody is in the picture, 0 for nobody."""
        found = [views.detect(self.camera, person.places) for person in self.people]
        return np.max(found, axis=0)

    def _light(self, frames: np.ndarray) -> np.ndarray:
        """By what each frame's brightness is multiplied."""
        exposure = style.stream(*self.script.name, "exposure").normal(0, _EXPOSURE)
        here, shines = plan.room_of(self.camera.position), np.zeros(len(frames), bool)
        for person in self.people:
            for time, place in actors.lights(person.actor):
                if plan.room_of(place) == here:
                    shines |= self.times[frames] >= time
        return np.exp(exposure) * np.where(shines, LAMP, 1.0)

    def _error(self, time: float) -> np.ndarray:
        # By time, so that a film of more frames a second agrees with one of less.
        rng = style.stream(*self.script.name, "film", self.number, round(1000 * time))
        width, height = self.camera.size
        return rng.standard_normal((height, width, 3), np.float32) * NOISE


def _add(
    canvas: np.ndarray,
    person: Seen,
    frames: np.ndarray,
    camera: cameras.Camera,
    seed: int,
) -> None:
    """Paint a person onto `canvas` [N H W], where nothing nearer hides them."""
    clear = views.sees(camera, person.places[frames]).any(axis=-1)
    holds = np.array([person.holds[i] or "" for i in frames])
    if clear.any():
        places = person.places[frames[clear]]
        shown = person.actor.pieces[0].performance
        covers = film.covers_of(seed, person.actor.subject)
        dots = film.dots(shown, places, covers, None)
        canvas[clear] = np.maximum(canvas[clear], _painted(camera, *dots))
    for activity in set(holds[clear]) - {""}:
        held = clear & (holds == activity)
        dots = _dots(person.places[frames[held]], ACTIVITIES[activity].thing)
        canvas[held] = np.maximum(canvas[held], _painted(camera, *dots))


def _painted(
    camera: cameras.Camera, dots: np.ndarray, radii: np.ndarray, colours: np.ndarray
) -> np.ndarray:
    """Dots `[N D 3]` as a camera sees them, `[N H W]`, 0 where there are none."""
    pixels, depth = cameras.project(camera, dots)
    before = depth > _NEAR
    pixels = np.where(before[..., None], pixels, _ASIDE)
    reach = np.where(before, radii * camera.focal / np.maximum(depth, _NEAR), 0.0)
    return film.painted(pixels, reach, scenery.paint(depth, colours), camera.size)


def _dots(places: np.ndarray, thing: film.Held):
    """Dots `[N D 3]` of what the right hand holds, their radii and colours."""
    hand, thumb = (
        places[:, body.INDEX[f"right_{joint}"]] for joint in ("hand", "thumb")
    )
    way = (thumb - hand) / np.linalg.norm(thumb - hand, axis=-1, keepdims=True)
    along = np.linspace(-0.5, 0.5, 1 + int(np.ceil(thing.length / thing.radius)))
    dots = hand[:, None] + thing.length * along[:, None] * way[:, None]
    colours = np.broadcast_to(np.array(thing.colour), (len(along), 3))
    return dots, np.full(len(along), thing.radius), colours
