"""Vision transformer: an image as a sequence of patches."""

import flax.linen as nn
import jax.numpy as jnp

from kdjax.models import remat
from kdjax.models.patches import Embedding
from kdjax.models.transformer import Layer, layer_norm
from kdjax.typing import Array, Float

SMALL_32 = dict(patch=32, width=384, depth=12, heads=6, hidden=1536)
"""ViT-S/32, 22.5 million parameters without a classifier at 224x224 pixels."""

BASE_16 = dict(patch=16, width=768, depth=12, heads=12, hidden=3072)
"""ViT-B/16, 85.8 million."""


class Trunk(nn.Module):
    """What becomes of patches: tokens with positions, through transformer layers.

    Attributes:
      width: D, of a token.
      depth: number of layers.
      heads: of the attention.
      hidden: width inside a layer's dense part.
      epsilon: of the normalisations, 1e-6 in timm and 1e-12 in Hugging Face's models.
      dropout: rate after the positions and after every dense layer and attention.
      drop_path: probability with which an example skips a part of the last layer; it
        grows linearly from 0 at the first.
      dtype: of the computation; parameters, skip connections and tokens are float32.
      remat: what layers keep for the backward pass, see `kdjax.models.remat`.
    """

    width: int = 384
    depth: int = 12
    heads: int = 6
    hidden: int = 1536
    epsilon: float = 1e-6
    dropout: float = 0.0
    drop_path: float = 0.0
    dtype: str = "float32"
    remat: str = ""

    @nn.nowrap
    def prefixes(self) -> tuple[str, ...]:
        """Names of the learned tokens that stand before the patches'."""
        return ("cls",)

    @nn.compact
    def relate(
        self,
        x: Float[Array, "*B H W C"],
        patch: int,
        strides: tuple[int, int],
        *,
        turned: bool = False,
        train: bool,
    ) -> Float[Array, "*B N D"]:
        """Tokens of pictures after the last normalisation.

        Args:
          x: pictures.
          patch: pixels along a patch's side.
          strides: pixels from patch to patch, down and across.
          turned: whether tokens go column by column, and not row by row.
          train: whether dropout is on.

        Returns:
          The prefix tokens, then the patches'. Where ``intermediates`` are collected,
          the attention's weights of every layer are among them.
        """
        lead = x.shape[:-3]
        embed = Embedding(self.width, patch, strides, dtype=self.dtype, name="embed")
        x = embed(x.reshape(-1, *x.shape[-3:]))
        x = x.swapaxes(1, 2) if turned else x
        x = x + self._learned("positions", *x.shape[1:])[None]
        x = x.reshape(len(x), -1, self.width)
        names = self.prefixes()
        prefix = jnp.stack([self._learned(name, self.width) for name in names])
        prefix = prefix + self._learned("prefix_positions", len(names), self.width)
        prefix = jnp.broadcast_to(prefix, (len(x), *prefix.shape))
        x = jnp.concatenate([prefix, x], axis=1)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        for index in range(self.depth):
            layer = Layer(
                self.heads,
                self.hidden,
                epsilon=self.epsilon,
                attention_dropout=self.dropout,
                hidden_dropout=self.dropout,
                dropout=self.dropout,
                drop_path=self.drop_path * index / max(self.depth - 1, 1),
                dtype=self.dtype,
                name=f"layer{index + 1}",
            )
            x = remat.run(layer, x, policy=self.remat, train=train)
        x = layer_norm(self.epsilon, "norm")(x)
        return x.reshape(*lead, *x.shape[1:])

    def _learned(self, name: str, *shape: int) -> Array:
        return self.param(name, nn.initializers.truncated_normal(0.02), shape)

    @nn.nowrap
    def pool(self, tokens: Float[Array, "*B N D"]) -> Float[Array, "*B D"]:
        """The mean of the prefix tokens."""
        return tokens[..., : len(self.prefixes()), :].mean(axis=-2)


class Encoder(Trunk):
    """ViT without a classifier, for images of one size.

    Attributes:
      patch: pixels along a patch's side.

    References:
      Dosovitskiy et al., *An Image is Worth 16x16 Words: Transformers for Image
      Recognition at Scale*, ICLR 2021, arXiv:2010.11929.
      Steiner et al., *How to train your ViT? Data, Augmentation, and Regularization in
      Vision Transformers*, TMLR 2022, arXiv:2106.10270.
    """

    patch: int = 32

    def tokens(
        self, x: Float[Array, "*B H W C"], *, train: bool
    ) -> Float[Array, "*B N D"]:
        """The class token and those of the patches, row by row, normalised.

        Args:
          x: images, normalised as the weights want it.
          train: whether dropout is on.

        Returns:
          1 + H W / patch^2 tokens.

        Raises:
          ValueError: where a side does not divide into patches.
        """
        height, width = x.shape[-3:-1]
        if height % self.patch or width % self.patch or not height * width:
            raise ValueError(
                f"an image of {height}x{width} pixels has no whole patches of {self.patch}"
            )
        return self.relate(x, self.patch, (self.patch, self.patch), train=train)

    def __call__(
        self, x: Float[Array, "*B H W C"], *, train: bool
    ) -> Float[Array, "*B D"]:
        """One vector an image: its class token, normalised.

        Args:
          x: images, normalised as the weights want it.
          train: whether dropout is on.

        Returns:
          Features.

        Raises:
          ValueError: where a side does not divide into patches.
        """
        return self.pool(self.tokens(x, train=train))
