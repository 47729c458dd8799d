"""What the networks over several cameras share: frames in time, and what is padding."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from kdjax.maxima import largest
from kdjax.models import remat
from kdjax.models.transformer import layer_norm, sinusoids
from kdjax.typing import Array, Bool, Float


def masked_mean(
    x: Float[Array, "B N *T D"], there: Bool[Array, "B N *T"]
) -> Float[Array, "B *T D"]:
    """Mean over the second axis of what is there.

    Args:
      x: views of a clip, or frames.
      there: which of them are no padding.

    Returns:
      The mean; zero where nothing is there.
    """
    total = jnp.where(there[..., None], x, 0).sum(axis=1)
    return total / jnp.maximum(there.sum(axis=1), 1)[..., None]


def masked_max(
    x: Float[Array, "B N *T D"], there: Bool[Array, "B N *T"]
) -> Float[Array, "B *T D"]:
    """Maximum over the second axis of what is there.

    Args:
      x: views of a clip, or frames.
      there: which of them are no padding.

    Returns:
      The maximum; zero where nothing is there.
    """
    lowest = jnp.finfo(x.dtype).min
    most = largest(jnp.where(there[..., None], x, lowest), axis=1)
    return jnp.where(there.any(axis=1)[..., None], most, 0)


class Temporal(nn.Module):
    """A transformer over the frames of one camera, with a class token in front.

    Attributes:
      depth: layers.
      layer: makes one from its ``hidden`` width, ``drop_path`` and ``name``, such as a
        partial `kdjax.models.transformer.Layer`; the width is four times that of the
        tokens.
      positions: whether sines and cosines of the position are added, the class token's
        being the first.
      token_init: of the class token.
      dropout: rate on what the first layer reads.
      drop_path: of the last layer; it grows linearly from 0 at the first.
      epsilon: of the last normalisation.
      remat: what layers keep for the backward pass, see `kdjax.models.remat`.
    """

    depth: int
    layer: Callable[..., nn.Module]
    positions: bool = True
    token_init: Callable[..., Any] = nn.initializers.zeros
    dropout: float = 0.0
    drop_path: float = 0.0
    epsilon: float = 1e-6
    remat: str = ""

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*B T D"],
        there: Bool[Array, "*B T"],
        *,
        train: bool,
    ) -> tuple[Float[Array, "*B D"], Float[Array, "*B T D"]]:
        """Relates frames to each other.

        Args:
          x: one vector a frame.
          there: which frames are no padding; the others are read by none.
          train: whether dropout is on.

        Returns:
          The class token and one token a frame.
        """
        *lead, frames, features = x.shape
        x, there = x.reshape(-1, frames, features), there.reshape(-1, frames)
        token = self.param("token", self.token_init, (features,))
        first = jnp.broadcast_to(token, (len(x), 1, features))
        x = jnp.concatenate([first, x], axis=1)
        there = jnp.concatenate([jnp.ones((len(x), 1), bool), there], axis=1)
        if self.positions:
            x = x + jnp.asarray(sinusoids(1 + frames, features))[None]
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        for i, rate in enumerate(np.linspace(0.0, self.drop_path, self.depth)):
            layer = self.layer(
                hidden=4 * features, drop_path=float(rate), name=f"layer{i + 1}"
            )
            x = remat.run(layer, x, there, policy=self.remat, train=train)
        x = layer_norm(self.epsilon, "norm")(x)
        x = x.reshape(*lead, 1 + frames, features)
        return x[..., 0, :], x[..., 1:, :]
