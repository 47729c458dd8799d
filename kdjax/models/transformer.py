"""Attention, and the layer that every transformer here is made of.

One layer serves images, spectrograms, sequences and sets of cameras; what their papers
and codes do otherwise, normalisation above all, is an option of it.
"""

import functools

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from kdjax.models.attention import attend, weights_of
from kdjax.models.layers import on_rows
from kdjax.typing import Array, Bool, Float

NORMS = ("before", "after")
gelu = functools.partial(nn.gelu, approximate=False)
ACTIVATIONS = {"gelu": gelu, "relu": nn.relu}


def sinusoids(length: int, features: int) -> np.ndarray:
    r"""Fixed encodings of positions, sines and cosines interleaved.

    .. math:: p_{t, 2i} = \sin(t / 10000^{2i / D}), \quad
              p_{t, 2i + 1} = \cos(t / 10000^{2i / D})

    Args:
      length: T, the number of positions.
      features: D, even.

    Returns:
      Float32 ``[T D]``.

    Raises:
      ValueError: where D is odd.

    References:
      Vaswani et al., *Attention Is All You Need*, NeurIPS 2017, arXiv:1706.03762.
    """
    if features % 2:
        raise ValueError(f"sines and cosines need an even width, not {features}")
    rate = 10000.0 ** (-np.arange(0, features, 2) / features)
    angle = np.arange(length)[:, None] * rate
    return np.stack([np.sin(angle), np.cos(angle)], -1).reshape(length, -1).astype("f4")


def layer_norm(epsilon: float, name: str) -> nn.LayerNorm:
    """Normalisation over features, with the variance as the mean squared deviation.

    Flax's own way, from the mean of squares, cancels where the mean is large.

    Args:
      epsilon: added to the variance.
      name: of the layer.

    Returns:
      The layer.
    """
    return nn.LayerNorm(epsilon=epsilon, use_fast_variance=False, name=name)


class Attention(nn.Module):
    r"""Multi-head attention.

    .. math:: \mathrm{softmax}(Q K^T / \sqrt{d}) V

    Projections of queries, keys and values are separate: a fused one costs a pass over
    its gradient to split it.

    Attributes:
      heads: how many.
      head_dim: width d of each; None shares the queries' width among them.
      qkv_bias: whether those three projections have a bias; the last one has.
      dropout: rate on the weights.
      dtype: of the products; weights are normalised in float32.
    """

    heads: int
    head_dim: int | None = None
    qkv_bias: bool = True
    dropout: float = 0.0
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        queries: Float[Array, "*B Q D"],
        keys: Float[Array, "*B S E"],
        mask: Bool[Array, "*B S"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "*B Q D"]:
        """What each query finds among the keys, which are the values too.

        Args:
          queries: as many as there are answers.
          keys: what is looked at.
          mask: which keys are there; a query that finds none gets a mean of all.
          train: whether dropout is on.

        Returns:
          One vector a query. Where ``intermediates`` are collected, ``weights
          [*B heads Q S]`` are among them.

        Raises:
          ValueError: where the width does not divide by the heads.
        """
        *lead, count, features = queries.shape
        if self.head_dim is None and features % self.heads:
            raise ValueError(f"a width of {features} does not divide by {self.heads}")
        width = self.head_dim or features // self.heads

        def project(name: str, x: Array) -> Array:
            dense = nn.Dense(
                self.heads * width,
                use_bias=self.qkv_bias,
                kernel_init=nn.initializers.xavier_uniform(),
                dtype=self.dtype,
                name=name,
            )
            return on_rows(dense, x).reshape(-1, x.shape[-2], self.heads, width)

        q, k = project("query", queries), project("key", keys)
        v = project("value", keys)
        if mask is not None:
            mask = mask.reshape(-1, 1, 1, mask.shape[-1])
        if (train and self.dropout) or self.is_mutable_collection("intermediates"):
            out = self._explicit(q, k, v, mask, lead, train)
        else:
            out = attend(q, k, v, mask)
        out = out.reshape(*lead, count, self.heads * width)
        return on_rows(nn.Dense(features, dtype=self.dtype, name="out"), out)

    def _explicit(
        self, q: Array, k: Array, v: Array, mask: Array | None, lead: list, train: bool
    ) -> Array:
        """The same with the weights at hand, which the fused kernel never shows."""
        scores = jnp.einsum("bqhd,bshd->bhqs", q, k, preferred_element_type=jnp.float32)
        weights = weights_of(scores, q.shape[-1], mask)
        self.sow("intermediates", "weights", weights.reshape(*lead, *weights.shape[1:]))
        weights = nn.Dropout(self.dropout, deterministic=not train)(weights)
        return jnp.einsum("bhqs,bshd->bqhd", weights.astype(v.dtype), v)


class Layer(nn.Module):
    r"""Self-attention and a network of two dense layers, each with a skip connection.

    With normalisation *before* them, as in ViT, :math:`x + f(\mathrm{LN}(x))`; with it
    *after* them, as at first, :math:`\mathrm{LN}(x + f(x))`.

    Attributes:
      heads: of the attention.
      hidden: width between the dense layers.
      norm: "before" or "after".
      activation: "gelu", the exact one, or "relu".
      epsilon: of the normalisations.
      head_dim: see `Attention`.
      qkv_bias: see `Attention`.
      weight_dropout: rate on the attention's weights.
      attention_dropout: rate on what the attention gives.
      hidden_dropout: rate on what lies between the dense layers.
      dropout: rate on what these give.
      drop_path: probability with which an example skips either of the two; the others'
        are scaled up.
      dtype: of the computation; the skip connection is float32.

    References:
      Vaswani et al., *Attention Is All You Need*, NeurIPS 2017, arXiv:1706.03762.
      Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021, arXiv:2010.11929.
      Huang et al., *Deep Networks with Stochastic Depth*, ECCV 2016, arXiv:1603.09382.
    """

    heads: int
    hidden: int
    norm: str = "before"
    activation: str = "gelu"
    epsilon: float = 1e-6
    head_dim: int | None = None
    qkv_bias: bool = True
    weight_dropout: float = 0.0
    attention_dropout: float = 0.0
    hidden_dropout: float = 0.0
    dropout: float = 0.0
    drop_path: float = 0.0
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*B T D"],
        mask: Bool[Array, "*B T"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "*B T D"]:
        """Relates tokens to each other.

        Args:
          x: tokens.
          mask: which of them are there.
          train: whether dropout is on.

        Returns:
          As many tokens.

        Raises:
          ValueError: where an option is unknown.
        """
        if self.norm not in NORMS or self.activation not in ACTIVATIONS:
            raise ValueError(
                f"norm is {self.norm!r}, activation {self.activation!r}: one of {NORMS} "
                f"and of {tuple(ACTIVATIONS)}"
            )
        shape, features = x.shape, x.shape[-1]

        def drop(x: Array, rate: float, across: tuple[int, ...] = ()) -> Array:
            return nn.Dropout(rate, broadcast_dims=across, deterministic=not train)(x)

        def attention(x: Array) -> Array:
            attend = Attention(
                self.heads,
                head_dim=self.head_dim,
                qkv_bias=self.qkv_bias,
                dropout=self.weight_dropout,
                dtype=self.dtype,
                name="attention",
            )
            x = x.reshape(shape)
            return drop(attend(x, x, mask, train=train), self.attention_dropout)

        def dense(x: Array) -> Array:
            x = nn.Dense(self.hidden, dtype=self.dtype, name="dense1")(x)
            x = drop(ACTIVATIONS[self.activation](x), self.hidden_dropout)
            x = nn.Dense(features, dtype=self.dtype, name="dense2")(x)
            return drop(x, self.dropout)

        # One axis for all tokens: a TPU pads the axis before the last to whole tiles, and
        # where products ask for rows and the rest for sequences it copies back and forth.
        x = x.reshape(-1, features)
        for function, name in ((attention, "norm1"), (dense, "norm2")):
            normalise = layer_norm(self.epsilon, name)
            y = function(normalise(x) if self.norm == "before" else x)
            # One draw an example: it skips the function for all of its tokens.
            y = drop(y.reshape(shape), self.drop_path, across=(-2, -1))
            x = x + y.reshape(x.shape)
            x = x if self.norm == "before" else normalise(x)
        return x.reshape(shape)
