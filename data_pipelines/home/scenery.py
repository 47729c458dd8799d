"""What stands still before a camera of the home: floor, ceiling, walls, furniture."""

import functools

import numpy as np

from data_pipelines.home import plan
from data_pipelines.person import style
from data_pipelines.person.cameras import Camera
from data_pipelines.person.film import DEEPEST

TILE = 0.5
"""Metres, of the tiles on the floor."""
_GRAIN = 5.0  # of 255, the roughness of all surfaces
_PARALLEL = 1e-9


def paint(depth: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Nearness above colour in one number: of two, the larger hides the other.

    Args:
      depth: `[*B]` in metres.
      colours: `[*B 3]` red, green, blue of 0..255, integers.

    Returns:
      `[*B]` positive integers.
    """
    nearness = np.clip(np.rint((1 << 16) * (1 - depth / DEEPEST)), 1, None)
    red, green, blue = np.moveaxis(colours.astype(np.int64), -1, 0)
    return (nearness.astype(np.int64) << 24) | (red << 16) | (green << 8) | blue


def colours(paints: np.ndarray) -> np.ndarray:
    """The colours `[*B 3]` of what `paint` gave, integers of 0..255."""
    return np.stack([paints >> 16, paints >> 8, paints], axis=-1) & 255


def behind(seed: int, number: int, camera: Camera) -> np.ndarray:
    """What a camera sees of the empty home.

    Args:
      seed: of the data set, which colours the surfaces.
      number: of the camera, whose picture has a grain of its own.
      camera: which looks.

    Returns:
      `[H W]` as of `paint`.
    """
    flat = (*camera.position, *camera.axes.ravel())
    return _behind(seed, number, tuple(map(float, flat)), camera.focal, camera.size)


@functools.lru_cache(maxsize=64)
def _behind(
    seed: int,
    number: int,
    flat: tuple[float, ...],
    focal: float,
    size: tuple[int, int],
) -> np.ndarray:
    position, axes = np.array(flat[:3]), np.reshape(flat[3:], (3, 3))
    rays = _rays(Camera(position, axes, focal, size))
    surfaces = [
        *_levels(seed, position, rays),
        *_walls(seed, position, rays),
        *_boxes(seed, position, rays),
    ]
    depth = np.stack([far for far, _ in surfaces])
    nearest = depth.argmin(axis=0)[None]
    colour = np.stack([colour for _, colour in surfaces])
    colour = np.take_along_axis(colour, nearest[..., None], axis=0)[0]
    grain = style.stream(seed, "grain", number).normal(0, _GRAIN, (*rays.shape[:2], 1))
    depth = np.take_along_axis(depth, nearest, axis=0)[0]
    painted = paint(depth, np.clip(colour + grain, 0, 255))
    painted.flags.writeable = False
    return painted


def _rays(camera: Camera) -> np.ndarray:
    """Directions `[H W 3]` of the pixels, 1 long along the camera's own."""
    width, height = camera.size
    across = (np.arange(width) - (width - 1) / 2) / camera.focal
    down = (np.arange(height) - (height - 1) / 2) / camera.focal
    plane = np.stack([*np.meshgrid(across, down), np.ones((height, width))], axis=-1)
    rays = plane @ camera.axes
    # Nothing is divided by zero, and nothing near enough to matter is moved.
    return np.where(np.abs(rays) < _PARALLEL, _PARALLEL, rays)


def _tint(seed: int, *name: int | str) -> np.ndarray:
    """The colour [3] of a surface, pale and of little saturation."""
    rng = style.stream(seed, "surface", *name)
    return rng.uniform(90, 190) + rng.uniform(-25, 25, 3)


def _levels(seed: int, position: np.ndarray, rays: np.ndarray):
    """Depth [H W] and colour [H W 3] of the floor and the ceiling."""
    for name, level in (("floor", 0.0), ("ceiling", plan.HEIGHT)):
        depth = (level - position[1]) / rays[..., 1]
        depth = np.where(depth > 0, depth, np.inf)
        tint = np.broadcast_to(_tint(seed, name), rays.shape)
        if name == "floor":
            reach = np.where(np.isfinite(depth), depth, 0)[..., None]
            tiles = np.floor((position + reach * rays)[..., ::2] / TILE).sum(-1) % 2
            tint = tint + 14 * (tiles[..., None] - 0.5)
        yield depth, tint


def _walls(seed: int, position: np.ndarray, rays: np.ndarray):
    """Depth [H W] and colour [H W 3] of each wall, which is darker below."""
    origin, along = position[::2], rays[..., ::2]
    for i, (x0, z0, x1, z1) in enumerate(plan.WALLS):
        way, off = np.array([x1 - x0, z1 - z0]), np.array([x0, z0]) - origin
        across = along[..., 0] * way[1] - along[..., 1] * way[0]
        depth = (off[0] * way[1] - off[1] * way[0]) / across
        share = (off[0] * along[..., 1] - off[1] * along[..., 0]) / across
        hit = (depth > 0) & (share >= 0) & (share <= 1)
        height = position[1] + np.where(hit, depth, 0) * rays[..., 1]
        tint = _tint(seed, "wall", i) + 12 * (height[..., None] / plan.HEIGHT - 0.5)
        yield np.where(hit, depth, np.inf), tint


def _boxes(seed: int, position: np.ndarray, rays: np.ndarray):
    """Depth [H W] and colour [H W 3] of each piece of furniture."""
    for i, (x0, z0, x1, z1, height) in enumerate(plan.FURNITURE):
        sides = np.array([[x0, 0.0, z0], [x1, height, z1]])
        crossed = (sides[:, None, None] - position) / rays
        enter, leave = crossed.min(axis=0), crossed.max(axis=0).min(axis=-1)
        depth = enter.max(axis=-1)
        # The top is bright, the two kinds of sides differ.
        shade = np.array([0.75, 1.15, 0.9])[enter.argmax(axis=-1)]
        tint = 0.8 * _tint(seed, "furniture", i) * shade[..., None]
        hit = (depth > 0) & (depth < leave)
        yield np.where(hit, depth, np.inf), tint
