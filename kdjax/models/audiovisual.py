"""Pictures and sound of several cameras: encoders, attention between them, a backbone."""

import importlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from kdjax.models.layers import Outputs, on_rows
from kdjax.models.transformer import Attention, sinusoids
from kdjax.typing import Array, Bool, Float

SOUNDS = {
    "audio": ("rgb", "audio", "audible", "present"),
    "pseudo": ("rgb", "present"),
    "none": ("rgb", "present"),
}
"""Where sound comes from, and the streams that the network then reads, in order."""

FUSIONS = ("attention", "concat")
IDENTITY = "identity"

Choice = str | Mapping[str, Any] | tuple[tuple[str, Any], ...]
"""A name, or a name and options."""


def options_of(choice: Choice) -> dict[str, Any]:
    """The options of a part, its name among them.

    Args:
      choice: a name, or a mapping (or its items) with a ``name``.

    Returns:
      A dict with the key ``name``.

    Raises:
      ValueError: where there is no name.
    """
    options = {"name": choice} if isinstance(choice, str) else dict(choice)
    if "name" not in options:
        raise ValueError(f"{options} does not name a module of kdjax.models")
    return options


def build(choice: Choice, kind: str, **fixed: Any) -> nn.Module:
    """A part by its import path.

    Args:
      choice: ``name``, a module of `kdjax.models`, and the class's fields.
      kind: the class in that module.
      **fixed: further fields, which the choice may override.

    Returns:
      The module, called `fixed`'s ``name`` among the variables.

    Raises:
      ValueError: where there is no such module, class or field.
    """
    options = options_of(choice)
    path = f"kdjax.models.{options.pop('name')}"
    try:
        part = getattr(importlib.import_module(path), kind)
        return part(**{**fixed, **options})
    except (ModuleNotFoundError, AttributeError, TypeError) as error:
        raise ValueError(f"{path}.{kind} with {options}: {error}") from error


class CrossModal(nn.Module):
    r"""Each frame of a camera looks for what belongs to it in the camera's sound.

    .. math:: F^{attn} = \mathrm{Attention}(F^V + P, F^A + P, F^A + P)

    with sines and cosines :math:`P` of the frame's position.

    Attributes:
      heads: of the attention.
      dropout: rate on its weights.
      dtype: of its products.

    References:
      Nguyen, Kawanishi, John, Komamizu and Ide, *View-aware Cross-modal Distillation for
      Multi-view Action Recognition*, WACV 2026, arXiv:2511.12870, equation 2.
    """

    heads: int = 4
    dropout: float = 0.1
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        visual: Float[Array, "B V T D"],
        audio: Float[Array, "B V T D"],
        heard: Bool[Array, "B V T"],
        *,
        train: bool,
    ) -> Float[Array, "B V T D"]:
        """Looks for sound.

        Args:
          visual: features of frames.
          audio: features of the sound during each.
          heard: where there is sound; what is elsewhere is not looked at.
          train: whether dropout is on.

        Returns:
          What was found; zero for a camera without any sound.
        """
        table = jnp.asarray(sinusoids(*visual.shape[-2:]))[None, None]
        attend = Attention(
            self.heads, dropout=self.dropout, dtype=self.dtype, name="attention"
        )
        found = attend(visual + table, audio + table, heard, train=train)
        found = jnp.where(heard.any(axis=-1)[..., None, None], found, 0)
        return found.astype(jnp.float32)


class Adapter(nn.Module):
    """Two dense layers with a ReLU between them, which guess the sound from pictures.

    Attributes:
      dtype: of the computation.
    """

    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """Guesses.

        Args:
          x: features of frames.

        Returns:
          Features in the place of those of their sound.
        """
        features = x.shape[-1]
        x = on_rows(nn.Dense(features, dtype=self.dtype, name="dense1"), x)
        x = on_rows(nn.Dense(features, dtype=self.dtype, name="dense2"), nn.relu(x))
        return x.astype(jnp.float32)


class Model(nn.Module):
    r"""The network of ViCoKD: a teacher that hears, or a student that does not.

    .. math:: F^{AV} = F^V + F^{attn}

    Attributes:
      num_classes: K.
      backbone: a module of `kdjax.models` with a ``Backbone``, such as "multitsf",
        "multiasl" or "multitrans", or a mapping of its ``name`` and fields.
      visual: encoder of single pictures, the same way: a module with an ``Encoder``, or
        "identity", where features ``[B V T D]`` are given instead of pictures.
      audio: encoder of the sound during a frame, the same way.
      sound: where the features of sound come from: ``audio``, a stream; ``pseudo``, two
        dense layers that read the visual features; or ``none``, and
        :math:`F^{AV} = F^V`.
      fusion: ``attention`` as above, or ``concat``, both features side by side as in the
        published code of MultiTSF.
      heads: of the attention between modalities.
      dropout: rate on its weights.
      human: whether the visual features of frames are judged by whether a person is in
        the picture, as in MultiTSF.
      dtype: of the layers; features and logits are float32.
      remat: what the layers of the parts keep for the backward pass, see
        `kdjax.models.remat`.

    References:
      Nguyen, Kawanishi, John, Komamizu and Ide, *View-aware Cross-modal Distillation for
      Multi-view Action Recognition*, WACV 2026, arXiv:2511.12870, equations 1 to 3.
    """

    num_classes: int
    backbone: Choice = "multitsf"
    visual: Choice = "vit"
    audio: Choice = "spectrogram"
    sound: str = "audio"
    fusion: str = "attention"
    heads: int = 4
    dropout: float = 0.1
    human: bool = False
    dtype: str = "float32"
    remat: str = ""

    def __post_init__(self):
        # Mappings cannot be hashed, and jax.jit hashes what it is to call.
        for field in ("backbone", "visual", "audio"):
            options = tuple(sorted(options_of(getattr(self, field)).items()))
            object.__setattr__(self, field, options)
        super().__post_init__()

    @nn.compact
    def __call__(self, *streams: Array, train: bool) -> Outputs:
        """Judges clips of several cameras.

        Args:
          *streams: in the order of `SOUNDS`: ``rgb [B V T H W C]``, pictures normalised
            as the encoder wants them; ``audio [B V T F Q]``, a spectrogram a frame;
            ``audible [B V T]``, 1 where there is one; ``present [B V T]``, 0 for cameras
            and frames that are padding.
          train: whether dropout is on.

        Returns:
          What the backbone gives, and ``visual``, ``audio`` (or the guess at it) and
          ``attn [B V T D]``, ``av`` (concatenated, twice as wide and without ``attn``),
          ``human_logits [B V T]``; those that the options leave out are missing.

        Raises:
          ValueError: where an option is unknown, or the streams are not as many or not
            of one batch of cameras and frames.
        """
        named = self._named(streams)
        there = named["present"] > 0
        visual = self._encode("visual", named["rgb"], train)
        out = {"visual": visual, "av": visual}
        if self.sound != "none":
            heard, audio = there, None
            if self.sound == "audio":
                heard = there & (named["audible"] > 0)
                audio = self._encode("audio", named["audio"], train)
            out |= self._fuse(visual, audio, heard, train)
        if self.human:
            human = nn.Dense(1, name="human")
            out["human_logits"] = on_rows(human, visual)[..., 0]
        backbone = build(
            self.backbone,
            "Backbone",
            num_classes=self.num_classes,
            dtype=self.dtype,
            remat=self.remat,
            name="backbone",
        )
        return {**backbone(out["av"], there, train=train), **out}

    def _named(self, streams: tuple[Array, ...]) -> dict[str, Array]:
        """Streams by name."""
        for name, value, known in (
            ("sound", self.sound, tuple(SOUNDS)),
            ("fusion", self.fusion, FUSIONS),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}: one of {known}")
        names = SOUNDS[self.sound]
        if len(streams) != len(names):
            raise ValueError(
                f"with sound={self.sound!r} the network reads {names}, "
                f"not {len(streams)} streams"
            )
        if len({stream.shape[:3] for stream in streams}) > 1 or streams[0].ndim < 4:
            shapes = {name: x.shape for name, x in zip(names, streams)}
            raise ValueError(f"streams are [B V T ...] of equal B, V and T: {shapes}")
        return dict(zip(names, streams))

    def _encode(self, name: str, x: Array, train: bool) -> Array:
        """Features ``[B V T D]`` of every frame of every camera, as one batch."""
        choice = dict(getattr(self, name))
        if choice["name"] == IDENTITY:
            return x.astype(jnp.float32)
        both = dict(dtype=self.dtype, remat=self.remat)
        encoder = build(choice, "Encoder", name=name, **both)
        return encoder(x, train=train).astype(jnp.float32)

    def _fuse(
        self, visual: Array, audio: Array | None, heard: Array, train: bool
    ) -> dict[str, Array]:
        """Features of sound, and both modalities' together."""
        if audio is None:
            audio = Adapter(dtype=self.dtype, name="adapter")(visual)
        if self.fusion == "concat":
            known = jnp.where(heard[..., None], audio, 0)
            return {"audio": audio, "av": jnp.concatenate([visual, known], axis=-1)}
        if audio.shape[-1] != visual.shape[-1]:
            audio = on_rows(nn.Dense(visual.shape[-1], name="project"), audio)
        attend = CrossModal(self.heads, self.dropout, dtype=self.dtype, name="cross")
        attn = attend(visual, audio, heard, train=train)
        return {"audio": audio, "attn": attn, "av": visual + attn}
