"""What cameras around a performance see: pictures in colour or of warmth, and poses."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_pipelines.person import body, cameras, style
from data_pipelines.person.performance import Performance, joints
from data_pipelines.person.sensors import clock

RATE = (14.0, 16.0)  # frames a second
TARGET = np.array([0.0, 0.95, 2.8])  # metres in the world: where the person stands
DISTANCE = 3.5
SPAN = 2.4
"""Metres from a camera to its target, and metres in the picture there."""
NOISE = 0.012  # metres, of an estimated joint
DEEPEST = 12.0  # metres; what is nearer hides what is behind it


class Held(NamedTuple):
    """A thing in the right hand.

    Attributes:
      radius: in metres.
      length: in metres, half of it to the side of the thumb.
      colour: red, green, blue.
      warmth: as of `HEAT`.
    """

    radius: float
    length: float
    colour: tuple[int, int, int]
    warmth: int


HELD = {
    "drink": Held(0.06, 0.10, (70, 130, 235), 235),
    "eat": Held(0.08, 0.04, (240, 150, 40), 70),
    "brush_teeth": Held(0.03, 0.28, (90, 240, 110), 125),
}
"""Action -> what the hand holds, a hot drink or a cold meal; in others it is empty."""

HEAT = {"skin": 205, "shirt": 165, "trousers": 155, "shoes": 130}
"""What covers the body -> how bright an infrared camera sees it, of people's average."""
ROOM = 110
"""How bright it sees what is behind the person, on average over recordings."""
HEAT_SPREAD, ROOM_SPREAD = 30.0, 25.0
"""How far people differ from `HEAT` at most, each cover of theirs by itself; and how far a
room does from `ROOM`, by the hour, and towards its walls and its ceiling."""

# Parts of the body: where they begin and end, their radius in metres, what covers them.
_PARTS = (
    ("spine_base", "spine_shoulder", 0.13, "shirt"),
    ("left_shoulder", "right_shoulder", 0.08, "shirt"),
    ("left_hip", "right_hip", 0.09, "trousers"),
    ("head", "head", 0.12, "skin"),
    *(
        (f"{side}_{start}", f"{side}_{end}", radius, cover)
        for side in ("left", "right")
        for start, end, radius, cover in (
            ("shoulder", "elbow", 0.055, "shirt"),
            ("elbow", "wrist", 0.045, "skin"),
            ("wrist", "hand_tip", 0.04, "skin"),
            ("hip", "knee", 0.08, "trousers"),
            ("knee", "ankle", 0.06, "trousers"),
            ("ankle", "foot", 0.05, "shoes"),
        )
    ),
)
_SPACING = 0.04  # metres between the dots that a part is painted with


def camera(number: int, count: int, *, size: int) -> cameras.Camera:
    """One of the cameras that stand in an arc before the person.

    Args:
      number: from 1; the arc goes from the person's left to their right.
      count: how many there are; three stand 45 degrees apart, as in NTU RGB+D.
      size: width and height of the picture in pixels.

    Returns:
      The camera.
    """
    spread = 90.0 if count < 6 else 180.0
    angle = np.deg2rad(spread * ((number - 1) / (count - 1) - 0.5) if count > 1 else 0)
    away = DISTANCE * np.array([np.sin(angle), 0.1, -np.cos(angle)])
    focal = size * DISTANCE / SPAN
    return cameras.look_at(TARGET + away, TARGET, focal=focal, size=(size, size))


def shots(performance: Performance) -> np.ndarray:
    """The joints at each frame that the cameras take together.

    Args:
      performance: what is filmed.

    Returns:
      `[T 25 3]` metres in the world.
    """
    rng = style.stream(*performance.name, "film")
    return joints(performance, clock(rng, performance.duration, RATE))


def pose(
    performance: Performance, places: np.ndarray, seen_by: cameras.Camera, number: int
) -> np.ndarray:
    """What an estimator of poses finds in the pictures of one camera.

    Args:
      performance: that was filmed.
      places: `[T 25 3]` metres in the world, from `shots`.
      seen_by: the camera.
      number: of the camera; every one errs in its own way.

    Returns:
      `[T 1 25 3]` x and y in pixels and a score, float32; the score falls with the
      error.
    """
    rng = style.stream(*performance.name, "pose", number)
    pixels, depth = cameras.project(seen_by, places)
    error = rng.standard_normal(pixels.shape) * NOISE
    pixels = pixels + error * (seen_by.focal / depth)[..., None]
    score = np.exp(-((np.linalg.norm(error, axis=-1) / (4 * NOISE)) ** 2))
    found = np.concatenate([pixels, score[..., None]], axis=-1)
    return found[:, None].astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Film:
    """A video that is painted frame by frame when it is asked for.

    Attributes:
      performance: that was filmed.
      places: `[T 25 3]` metres in the world, from `shots`.
      seen_by: the camera.
      number: of the camera, behind whose scene there is a wall of its own.
    """

    performance: Performance
    places: np.ndarray
    seen_by: cameras.Camera
    number: int

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The frames at `indices` [N], uint8 [N H W 3]."""
        seed, subject, action, _ = self.performance.name
        thing = HELD[action].colour if action in HELD else None
        shown = _shown(self, self.places[indices], covers_of(seed, subject), thing)
        wall = _wall(seed, self.number, self.seen_by.size)
        return np.where(shown >= 0, shown, wall).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Infrared(Film):
    """The same scene as an infrared camera sees it: warmth, dim and on a coarse grid.

    Attributes:
      contrast: share of the difference to the room that the camera keeps.
      noise: standard deviation of the sensor's error, of 255; each frame has its own,
        the same whenever it is asked for.
    """

    contrast: float = 0.5
    noise: float = 6.0

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """The frames at `indices` [N], uint8 [N H W 1]."""
        seed, subject, action, trial = self.performance.name
        thing = (HELD[action].warmth,) * 3 if action in HELD else None
        heat = warmth_of(seed, subject)
        shown = _shown(self, self.places[indices], heat, thing)[..., :1]
        behind = _air(self)
        seen = ROOM + self.contrast * (np.where(shown >= 0, shown, behind) - ROOM)
        error = [
            style.stream(
                seed, "infrared", subject, action, trial, self.number, int(i)
            ).normal(0, self.noise, seen.shape[1:])
            for i in indices
        ]
        return np.clip(np.rint(seen + np.stack(error)), 0, 255).astype(np.uint8)


def _shown(
    film: Film,
    places: np.ndarray,
    covers: dict[str, Sequence[int]],
    thing: Sequence[int] | None,
) -> np.ndarray:
    """What hides the wall, [N H W 3], and -1 where nothing does."""
    points, radii, colours = dots(film.performance, places, covers, thing)
    pixels, depth = cameras.project(film.seen_by, points)
    nearness = np.rint((1 << 16) * (1 - depth / DEEPEST)).astype(np.int64)
    red, green, blue = colours.astype(np.int64).T
    # Nearness above colour in one number: the largest wins the pixel.
    paint = (nearness << 24) | (red << 16) | (green << 8) | blue
    reach = radii * film.seen_by.focal / depth
    canvas = painted(pixels, reach, paint, film.seen_by.size)
    shown = np.stack([canvas >> 16, canvas >> 8, canvas], axis=-1) & 255
    return np.where(canvas[..., None] > 0, shown, -1)


def painted(
    pixels: np.ndarray, reach: np.ndarray, paint: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Paint discs on black; where several lie over each other the largest paint wins.

    Args:
      pixels: `[N D 2]` x and y of their middles in every frame.
      reach: `[N D]` their radii in pixels.
      paint: `[N D]` positive numbers.
      size: width and height of a frame.

    Returns:
      `[N H W]` int64.
    """
    (width, height), most = size, int(np.ceil(reach.max()))
    y, x = np.mgrid[-most : most + 1, -most : most + 1].reshape(2, -1)
    columns = np.rint(pixels[..., 0]).astype(int)[..., None] + x
    rows = np.rint(pixels[..., 1]).astype(int)[..., None] + y
    # Half a pixel at least: what is thinner than a pixel still fills one.
    covered = x**2 + y**2 <= np.maximum(reach, 0.5)[..., None] ** 2
    covered &= (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    frame = np.arange(len(pixels))[:, None, None]
    where = (frame * height + rows) * width + columns
    canvas = np.zeros(len(pixels) * height * width, np.int64)
    values = np.broadcast_to(paint[..., None], where.shape)
    np.maximum.at(canvas, where[covered], values[covered])
    return canvas.reshape(len(pixels), height, width)


def dots(
    performance: Performance,
    places: np.ndarray,
    covers: dict[str, Sequence[int]],
    colour_of_thing: Sequence[int] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a body is painted with, and the thing in its hand.

    Args:
      performance: whose action says what the hand may hold.
      places: `[N 25 3]` metres in the world.
      covers: colours of skin and clothes, see `covers_of`.
      colour_of_thing: None where the hand is empty.

    Returns:
      Dots `[N D 3]` in the world, their radii `[D]` in metres and colours `[D 3]`.
    """
    action = performance.name[2]
    points, radii, colours = [], [], []

    def add(start, end, radius, colour, count):
        along = np.linspace(0, 1, count)[:, None]
        points.append(start[:, None] + along * (end - start)[:, None])
        radii.extend([radius] * count)
        colours.extend([colour] * count)

    for start, end, radius, cover in _PARTS:
        a, b = places[:, body.INDEX[start]], places[:, body.INDEX[end]]
        # A bone keeps its length, and so its number of dots in every frame.
        count = 1 + int(np.ceil(np.linalg.norm(b[0] - a[0]) / _SPACING))
        add(a, b, radius, covers[cover], count)
    if colour_of_thing is not None:
        thing = HELD[action]
        hand, thumb = (places[:, body.INDEX[f"right_{j}"]] for j in ("hand", "thumb"))
        way = (thumb - hand) / np.linalg.norm(thumb - hand, axis=-1, keepdims=True)
        half = thing.length / 2 * way
        count = 1 + int(np.ceil(thing.length / _SPACING))
        add(hand - half, hand + half, thing.radius, colour_of_thing, count)
    return np.concatenate(points, axis=1), np.array(radii), np.array(colours)


def covers_of(seed: int, subject: int) -> dict[str, np.ndarray]:
    """The colours of a subject.

    Args:
      seed: of the data set.
      subject: its number.

    Returns:
      "skin", "shoes", "shirt" and "trousers", three numbers up to 255 each.
    """
    rng = style.stream(seed, "clothes", subject)
    skin = np.array([236, 198, 168]) * rng.uniform(0.4, 1.0)
    clothes = {name: rng.integers(80, 220, 3) for name in ("shirt", "trousers")}
    return {"skin": skin.astype(int), "shoes": np.array([30, 30, 35]), **clothes}


def warmth_of(seed: int, subject: int) -> dict[str, tuple[int, int, int]]:
    """How warm somebody's covers are, in all of their performances.

    Args:
      seed: of the data set.
      subject: number of the person.

    Returns:
      The names of `HEAT`, and three times the same number up to 255.
    """
    rng = style.stream(seed, "warmth", subject)
    own = {
        name: usual + rng.uniform(-HEAT_SPREAD, HEAT_SPREAD)
        for name, usual in HEAT.items()
    }
    return {name: (int(np.clip(value, 0, 255)),) * 3 for name, value in own.items()}


def _air(film: Film) -> np.ndarray:
    """How warm the room is behind the person in one recording, [H W 1]."""
    seed, *performed = film.performance.name
    rng = style.stream(seed, "air", *performed, film.number)
    level, upwards, across = rng.uniform(-ROOM_SPREAD, ROOM_SPREAD, 3)
    width, height = film.seen_by.size
    rows = np.linspace(-1, 1, height)[:, None, None]
    columns = np.linspace(-1, 1, width)[:, None]
    return ROOM + level + upwards * rows + across * columns


def _wall(seed: int, number: int, size: tuple[int, int]) -> np.ndarray:
    """What stands behind the person in one camera's pictures, [H W 3].

    Darker than skin and clothes: where a wall may be as bright as an arm, a small network
    stays at chance.
    """
    rng = style.stream(seed, "wall", number)
    colour, slope = rng.uniform(20, 60, 3), rng.uniform(-15, 15, 3)
    height = np.linspace(-1, 1, size[1])[:, None, None]
    grain = rng.normal(0, 6, (size[1], size[0], 1))
    return np.clip(colour + slope * height + grain, 0, 255).astype(np.int64)
