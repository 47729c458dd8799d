"""From the poses of a batch to the heatmaps that a network reads, on the device."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from kdjax import heatmaps, poses, skeletons
from kdjax.typing import Array, Batch, Float, PRNGKeyArray

KEY = "heatmaps"
"""Where the maps stand in a batch."""

LIMBS = "limbs"
KINDS = ("joints", LIMBS)


def draw_maps(
    joints: Float[Array, "*B T M J 3"],
    *,
    size: tuple[int, int],
    topology: str,
    kind: str = "joints",
    sigma: float = 0.6,
    dtype: str = "float32",
) -> Float[Array, "*B T H W L"]:
    """Heatmaps of joints, or of the limbs of a topology.

    Args:
      joints: in pixels of the maps.
      size: height and width of the maps.
      topology: see `kdjax.skeletons`.
      kind: ``joints`` or ``limbs``.
      sigma: width of the Gaussians in pixels.
      dtype: of the maps.

    Returns:
      One channel a joint or limb.

    Raises:
      ValueError: where the kind is another, or the joints are not the topology's.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, not one of {KINDS}")
    body = skeletons.get(topology)
    if joints.shape[-2] != len(body.joints):
        raise ValueError(
            f"the poses have {joints.shape[-2]} joints, {topology} has "
            f"{len(body.joints)}"
        )
    options = dict(size=size, sigma=sigma, dtype=dtype)
    if kind == LIMBS:
        return heatmaps.limb_heatmaps(joints, limbs=body.limbs, **options)
    return heatmaps.joint_heatmaps(joints, **options)


def _of_main_view(batch: Batch, frame: tuple[int, int]) -> tuple[Array, Array]:
    """The main view's poses, cropped to the person, and the size of their frames."""
    joints = batch["joints"][:, -1]
    size = jnp.broadcast_to(jnp.array(frame), (len(joints), 2))
    return poses.compact(joints, size)


def augmented(
    key: PRNGKeyArray,
    batch: Batch,
    *,
    frame: tuple[int, int],
    size: tuple[int, int],
    topology: str,
    short: int = 64,
    area: tuple[float, float] = (0.56, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    flip: float = 0.5,
    **options,
) -> Batch:
    """Maps of the main view for training: crop, scale and mirror at random, then draw.

    Args:
      key: random key.
      batch: holds ``joints [B V T M J 3]``.
      frame: height and width of the picture that they are in.
      size: of the maps.
      topology: of the joints.
      short: short side in pixels after the crop to the person.
      area: see `kdjax.poses.random_resized_crop`.
      aspect: the same.
      flip: share of the clips that are mirrored.
      **options: of `draw_maps`.

    Returns:
      The batch with ``heatmaps [B T H W L]`` added.

    References:
      The training pipeline of Duan et al., *Revisiting Skeleton-based Action
      Recognition*, CVPR 2022, arXiv:2104.13586.
    """
    crop_key, flip_key = jax.random.split(key)
    joints, box = _of_main_view(batch, frame)
    joints, box = poses.resize_short(joints, box, short=short)
    joints, box = poses.random_resized_crop(
        crop_key, joints, box, area=area, aspect=aspect
    )
    joints, box = poses.resize(joints, box, to=size)
    pairs = skeletons.get(topology).flip
    joints = poses.random_flip(flip_key, joints, box, pairs=pairs, probability=flip)
    return {**batch, KEY: draw_maps(joints, size=size, topology=topology, **options)}


def plain(
    batch: Batch,
    *,
    frame: tuple[int, int],
    size: tuple[int, int],
    topology: str,
    **options,
) -> Batch:
    """Maps of the main view for inference: crop to the person, scale, draw.

    Args:
      batch: holds ``joints [B V T M J 3]``.
      frame: height and width of the picture that they are in.
      size: of the maps.
      topology: of the joints.
      **options: of `draw_maps`.

    Returns:
      The batch with ``heatmaps [B T H W L]`` added.
    """
    joints, box = _of_main_view(batch, frame)
    joints, _ = poses.resize(joints, box, to=size)
    return {**batch, KEY: draw_maps(joints, size=size, topology=topology, **options)}


def double(batch: Batch, *, topology: str, kind: str = "joints") -> Batch:
    """Adds the mirror image of every clip of maps, as another clip.

    Args:
      batch: holds ``heatmaps [B clips T H W L]``.
      topology: of the joints.
      kind: ``joints`` or ``limbs``.

    Returns:
      The batch with ``[B 2*clips T H W L]``.
    """
    body = skeletons.get(topology)
    pairs: Sequence = body.flip
    if kind == LIMBS:
        pairs = skeletons.limb_pairs(body.limbs, body.flip)
    mirrored = heatmaps.mirror_heatmaps(batch[KEY], pairs=pairs)
    return {**batch, KEY: jnp.concatenate([batch[KEY], mirrored], axis=1)}
