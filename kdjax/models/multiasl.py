"""MultiASL: a class activation sequence, of which each class selects its frames."""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from kdjax.models.layers import Outputs, on_rows
from kdjax.models.temporal import Temporal, masked_max, masked_mean
from kdjax.models.transformer import Layer
from kdjax.typing import Array, Bool, Float

FUSIONS = ("max", "mean", "sum", "concat")


class Selection(NamedTuple):
    """The frames that stand for each class.

    Attributes:
      score: what frames are ranked by, ``[B T K]``.
      indices: of the selected frames, best first, ``[B k K]``.
      logits: mean of the activation over them, ``[B K]``.
    """

    score: Array
    indices: Array
    logits: Array


def select(
    cas: Float[Array, "B T K"],
    flow: Float[Array, "B T"],
    rgb: Float[Array, "B T"],
    there: Bool[Array, "B T"],
    *,
    ratio: int = 8,
) -> Selection:
    r"""Each class's own frames: those of high activation and actionness.

    .. math:: s_{t,k} = (\mathrm{softmax}_k(a_t) + f_t + r_t) / 3

    Args:
      cas: class activation sequence :math:`a`, logits.
      flow: actionness of the temporal branch, in [0, 1].
      rgb: actionness of the branch before it, in [0, 1].
      there: which frames are no padding; the others are never selected.
      ratio: one frame in so many is selected, at least one.

    Returns:
      The selection. A clip with padding selects as many frames as it would without;
      its further ``indices`` repeat the best frame. Gradients flow through the logits,
      into ``cas`` alone.

    References:
      Nguyen, Kawanishi, Komamizu and Ide, *Action Selection Learning for Multi-label
      Multi-view Action Recognition*, ACM MM Asia 2024, arXiv:2410.03302.
    """
    most = max(cas.shape[1] // ratio, 1)
    actionness = (flow + rgb)[..., None]
    score = jax.lax.stop_gradient((jax.nn.softmax(cas) + actionness) / 3)
    ranked = jnp.where(there[..., None], score, -1.0).swapaxes(1, 2)
    indices = jax.lax.top_k(ranked, most)[1].swapaxes(1, 2)
    count = jnp.clip(there.sum(axis=1, keepdims=True) // ratio, 1, most)
    kept = (jnp.arange(most)[None] < count)[..., None]
    indices = jnp.where(kept, indices, indices[:, :1])
    logits = jnp.where(kept, jnp.take_along_axis(cas, indices, axis=1), 0)
    return Selection(score, indices, logits.sum(axis=1) / count)


class Backbone(nn.Module):
    """A temporal transformer shared by the cameras, actionness, and selected frames.

    Attributes:
      num_classes: K.
      depth: layers of the temporal transformer, which knows no positions.
      heads: of its attention.
      head_dim: width of each.
      dropout: rate in its layers.
      fusion: of the cameras' class tokens: ``max``, ``mean``, ``sum`` or ``concat``,
        which fixes how many cameras there are.
      ratio: see `select`.
      dtype: of the layers; skip connections, features and logits are float32.
      remat: what layers keep for the backward pass, see `kdjax.models.remat`.

    References:
      Nguyen, Kawanishi, Komamizu and Ide, *Action Selection Learning for Multi-label
      Multi-view Action Recognition*, ACM MM Asia 2024, arXiv:2410.03302;
      https://github.com/thanhhff/MultiASL.
    """

    num_classes: int
    depth: int = 1
    heads: int = 4
    head_dim: int = 128
    dropout: float = 0.1
    fusion: str = "max"
    ratio: int = 8
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
          ``cas [B T K]``, the activation of the cameras' maximum, and the same as
          ``frame_logits``; ``view_frame_logits [B V T K]``, that of every camera;
          ``actionness_flow`` and ``actionness_rgb [B T]``, in [0, 1]; ``score
          [B T K]`` and ``selected [B k K]``, see `Selection`; ``logits [B K]``, the
          activation of the selected frames; ``seq_logits [B K]`` of the class tokens; ``features
          [B D]``, the tokens' mean over cameras and frames; ``stages`` (none). Frames
          that no camera has are judged as if they were zeros.

        Raises:
          ValueError: where the fusion is unknown.
        """
        if self.fusion not in FUSIONS:
            raise ValueError(f"fusion is {self.fusion!r}: one of {FUSIONS}")
        classes, tokens = self._temporal()(av, there, train=train)
        seen = there.any(axis=1)
        cas_head = nn.Dense(self.num_classes, name="cas")
        both = jnp.concatenate([av, tokens], axis=-1)
        rgb, flow = masked_max(av, there), masked_max(tokens, there)
        cas = on_rows(cas_head, jnp.concatenate([rgb, flow], axis=-1))
        rgb = jax.nn.sigmoid(nn.Dense(1, name="actionness_rgb")(rgb)[..., 0])
        flow = jax.nn.sigmoid(nn.Dense(1, name="actionness_flow")(flow)[..., 0])
        selection = select(cas, flow, rgb, seen, ratio=self.ratio)
        clips = self._fuse(classes, there.any(axis=2))
        return {
            "cas": cas,
            "frame_logits": cas,
            "view_frame_logits": on_rows(cas_head, both),
            "actionness_flow": flow,
            "actionness_rgb": rgb,
            "score": selection.score,
            "selected": selection.indices,
            "logits": selection.logits,
            "seq_logits": nn.Dense(self.num_classes, name="sequence")(clips),
            "features": masked_mean(masked_mean(tokens, there), seen),
            "stages": (),
        }

    def _temporal(self) -> Temporal:
        """The transformer over the frames of one camera."""
        layer = functools.partial(
            Layer,
            self.heads,
            head_dim=self.head_dim,
            qkv_bias=False,
            epsilon=1e-5,
            attention_dropout=self.dropout,
            hidden_dropout=self.dropout,
            dropout=self.dropout,
            dtype=self.dtype,
        )
        return Temporal(
            self.depth,
            layer,
            positions=False,
            token_init=nn.initializers.normal(1.0),
            epsilon=1e-5,
            remat=self.remat,
            name="temporal",
        )

    def _fuse(self, x: Array, there: Array) -> Array:
        """One vector a clip from the class tokens ``[B V D]`` of its cameras."""
        if self.fusion == "max":
            return masked_max(x, there)
        if self.fusion == "mean":
            return masked_mean(x, there)
        x = jnp.where(there[..., None], x, 0)
        return x.sum(axis=1) if self.fusion == "sum" else x.reshape(len(x), -1)
