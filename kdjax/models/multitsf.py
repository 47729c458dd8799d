"""MultiTSF: frames attend within a camera, then the cameras to each other."""

import functools

import flax.linen as nn

from kdjax.models import remat
from kdjax.models.layers import Outputs, on_rows
from kdjax.models.temporal import Temporal, masked_max, masked_mean
from kdjax.models.transformer import Layer, layer_norm
from kdjax.typing import Array, Bool, Float

ATTEND = ("views", "batch")


class Sensors(nn.Module):
    """Cameras attend to each other; frames and clips are judged.

    Attributes:
      num_classes: K.
      heads: of the attention.
      hidden: width between its dense layers.
      attend: see `Backbone`.
      dropout: rate at every place of the layer.
      dtype: of the layer.
      remat: what the layer keeps for the backward pass, see `kdjax.models.remat`.
    """

    num_classes: int
    heads: int = 4
    hidden: int = 256
    attend: str = "views"
    dropout: float = 0.1
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(
        self,
        tokens: Float[Array, "B V T D"],
        there: Bool[Array, "B V T"],
        *,
        train: bool,
    ) -> Outputs:
        """Judges frames by their own camera, and clips by all of them.

        Args:
          tokens: of every camera and frame.
          there: which of them are no padding.
          train: whether dropout is on.

        Returns:
          As `Backbone`.

        Raises:
          ValueError: where `attend` is unknown.
        """
        if self.attend not in ATTEND:
            raise ValueError(f"attend is {self.attend!r}: one of {ATTEND}")
        frame_head = nn.Dense(self.num_classes, name="frame")
        view_frame_logits = on_rows(frame_head, tokens)
        related = self._relate(tokens, there, train)
        pooled = masked_mean(masked_mean(related, there), there.any(axis=1))
        normalised = layer_norm(1e-5, "norm")(pooled)
        logits = nn.Dense(self.num_classes, name="sequence")(normalised)
        return {
            "view_frame_logits": view_frame_logits,
            "frame_logits": masked_max(view_frame_logits, there),
            "seq_logits": logits,
            "logits": logits,
            "features": pooled,
            "stages": (),
        }

    def _relate(self, tokens: Array, there: Array, train: bool) -> Array:
        """Tokens of the cameras after they have seen each other, ``[B V T D]``."""
        batch, views, frames, features = tokens.shape
        layer = Layer(
            self.heads,
            self.hidden,
            norm="after",
            activation="relu",
            epsilon=1e-5,
            weight_dropout=self.dropout,
            attention_dropout=self.dropout,
            hidden_dropout=self.dropout,
            dropout=self.dropout,
            dtype=self.dtype,
            name="layer",
        )
        relate = functools.partial(remat.run, layer, policy=self.remat, train=train)
        if self.attend == "views":
            tokens, there = tokens.swapaxes(1, 2), there.swapaxes(1, 2)
            return relate(tokens, there).swapaxes(1, 2)
        items = tokens.swapaxes(0, 1).reshape(views, batch * frames, features)
        there = there.swapaxes(0, 1).reshape(views, batch * frames)
        items = relate(items, there)
        return items.reshape(views, batch, frames, features).swapaxes(0, 1)


class Backbone(nn.Module):
    """A temporal transformer shared by the cameras, and a transformer over cameras.

    Attributes:
      num_classes: K.
      depth: layers of the temporal transformer.
      heads: of its attention.
      sensor_heads: of the attention over cameras.
      sensor_hidden: width between the dense layers there.
      attend: what the second transformer relates. The ``views`` of one frame, as the
        paper has it; or the frames of all clips of the ``batch``, camera by camera, as
        the published code does, where a clip's prediction depends on its batch.
      dropout: rate on what the temporal transformer reads and everywhere in the other.
      drop_path: of the last temporal layer.
      dtype: of the layers; skip connections, features and logits are float32.
      remat: what layers keep for the backward pass, see `kdjax.models.remat`.

    References:
      Nguyen, Kawanishi, John, Komamizu and Ide, *MultiSensor-Home: A Wide-area
      Multi-modal Multi-view Dataset for Action Recognition and Transformer-based Sensor
      Fusion*, FG 2025, arXiv:2504.02287; https://github.com/thanhhff/MultiTSF.
    """

    num_classes: int
    depth: int = 2
    heads: int = 12
    sensor_heads: int = 4
    sensor_hidden: int = 256
    attend: str = "views"
    dropout: float = 0.1
    drop_path: float = 0.1
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(
        self, av: Float[Array, "B V T D"], there: Bool[Array, "B V T"], *, train: bool
    ) -> Outputs:
        """Judges clips of several cameras.

        Args:
          av: features of every camera and frame.
          there: which of them are no padding.
          train: whether dropout is on.

        Returns:
          ``view_frame_logits [B V T K]``, ``frame_logits [B T K]`` (their maximum over
          cameras, 0 where there is none), ``seq_logits [B K]``, ``logits`` (the same),
          ``features [B D]`` (mean over cameras and frames of what the cameras know of
          each other) and ``stages`` (none).

        Raises:
          ValueError: where an option is unknown, or the width fits no heads.
        """
        layer = functools.partial(Layer, self.heads, epsilon=1e-5, dtype=self.dtype)
        _, tokens = Temporal(
            self.depth,
            layer,
            dropout=self.dropout,
            drop_path=self.drop_path,
            remat=self.remat,
            name="temporal",
        )(av, there, train=train)
        return Sensors(
            self.num_classes,
            heads=self.sensor_heads,
            hidden=self.sensor_hidden,
            attend=self.attend,
            dropout=self.dropout,
            dtype=self.dtype,
            remat=self.remat,
            name="sensors",
        )(tokens, there, train=train)
