"""MultiTrans: at every moment the cameras tell each other what they see."""

import functools

import flax.linen as nn
import jax.numpy as jnp

from kdjax.models import remat
from kdjax.models.layers import Outputs, on_rows
from kdjax.models.temporal import Temporal, masked_mean
from kdjax.models.transformer import Layer
from kdjax.typing import Array, Bool, Float

FUSIONS = ("mean", "concat")


class Backbone(nn.Module):
    """A transformer over the cameras at each frame, then one over frames.

    The authors published no code. What is theirs is that the features of all sensors
    exchange information by self-attention, moment by moment, and are concatenated or
    pooled afterwards. The rest is chosen here: sound is in the features already, cameras
    have a learned embedding, layers normalise before attention, and the temporal
    transformer is that of MultiTSF, so that both differ in how cameras meet.

    Attributes:
      num_classes: K.
      views: the most cameras that there may be.
      sensor_depth: layers over cameras.
      sensor_heads: of their attention.
      depth: layers over frames.
      heads: of their attention.
      fusion: how cameras become one: ``mean``, or ``concat``, with zeros where one is
        missing.
      dropout: rate on what the temporal transformer reads, and in the layers over
        cameras.
      drop_path: of the last temporal layer.
      dtype: of the layers; skip connections, features and logits are float32.
      remat: what layers keep for the backward pass, see `kdjax.models.remat`.

    References:
      Yasuda, Ohishi, Saito and Harada, *Multi-view and Multi-modal Event Detection
      Utilizing Transformer-based Multi-sensor Fusion*, ICASSP 2022, arXiv:2202.09124.
    """

    num_classes: int
    views: int = 8
    sensor_depth: int = 1
    sensor_heads: int = 4
    depth: int = 2
    heads: int = 12
    fusion: str = "mean"
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
          ``view_frame_logits [B V T K]``, ``frame_logits [B T K]`` of the cameras
          fused, ``seq_logits [B K]`` of their mean over time, ``logits`` (the same),
          ``features [B D]`` (mean over cameras and frames) and ``stages`` (none). With
          ``mean``, frames and cameras are judged by one classifier; frames that no
          camera has are judged as zeros.

        Raises:
          ValueError: where the fusion is unknown, or there are too many cameras.
        """
        if self.fusion not in FUSIONS:
            raise ValueError(f"fusion is {self.fusion!r}: one of {FUSIONS}")
        if av.shape[1] > self.views:
            raise ValueError(f"{av.shape[1]} cameras, but views is {self.views}")
        layer = functools.partial(Layer, self.heads, epsilon=1e-5, dtype=self.dtype)
        _, tokens = Temporal(
            self.depth,
            layer,
            dropout=self.dropout,
            drop_path=self.drop_path,
            remat=self.remat,
            name="temporal",
        )(self._relate(av, there, train), there, train=train)
        frame_head = nn.Dense(self.num_classes, name="frame")
        seen, mean = there.any(axis=1), masked_mean(tokens, there)
        fused, fused_head = mean, frame_head
        if self.fusion == "concat":
            fused = self._concatenate(tokens, there)
            fused_head = nn.Dense(self.num_classes, name="fused")
        sequence_head = nn.Dense(self.num_classes, name="sequence")
        logits = sequence_head(masked_mean(fused, seen))
        return {
            "view_frame_logits": on_rows(frame_head, tokens),
            "frame_logits": on_rows(fused_head, fused),
            "seq_logits": logits,
            "logits": logits,
            "features": masked_mean(mean, seen),
            "stages": (),
        }

    def _relate(self, av: Array, there: Array, train: bool) -> Array:
        """Cameras ``[B V T D]`` after they have seen each other at every frame."""
        shape = (self.views, av.shape[-1])
        table = self.param("views", nn.initializers.normal(0.02), shape)
        x = (av + table[None, : av.shape[1], None]).swapaxes(1, 2)
        for i in range(self.sensor_depth):
            layer = Layer(
                self.sensor_heads,
                4 * av.shape[-1],
                epsilon=1e-5,
                attention_dropout=self.dropout,
                hidden_dropout=self.dropout,
                dropout=self.dropout,
                dtype=self.dtype,
                name=f"sensors{i + 1}",
            )
            seen = there.swapaxes(1, 2)
            x = remat.run(layer, x, seen, policy=self.remat, train=train)
        return x.swapaxes(1, 2)

    def _concatenate(self, x: Array, there: Array) -> Array:
        """Cameras side by side, ``[B T D]`` with D times the most of them."""
        batch, views, frames, features = x.shape
        x = jnp.where(there[..., None], x, 0)
        x = jnp.pad(x, [(0, 0), (0, self.views - views), (0, 0), (0, 0)])
        return x.swapaxes(1, 2).reshape(batch, frames, self.views * features)
