"""Audio spectrogram transformer: ViT on overlapping patches of a spectrogram."""

import flax.linen as nn

from kdjax.models.vit import Trunk
from kdjax.typing import Array, Float

TINY = dict(width=192, depth=12, heads=3, hidden=768)
"""As DeiT-Ti, 5.4 million parameters on 64 rows of 128 bins."""

BASE = dict(width=768, depth=12, heads=12, hidden=3072)
"""The published size, 85.3 million."""


class Encoder(Trunk):
    """AST without a classifier, for spectrograms of one size.

    The published model reads ten seconds in 1024 rows. A sound of one video frame fills
    38 rows: 64 are enough, and 62 tokens a frame instead of 1214.

    Attributes:
      patch: rows and bins of a patch.
      strides: rows, then bins, between neighbouring patches.

    References:
      Gong, Chung and Glass, *AST: Audio Spectrogram Transformer*, Interspeech 2021,
      arXiv:2104.01778.
    """

    width: int = 192
    heads: int = 3
    hidden: int = 768
    patch: int = 16
    strides: tuple[int, int] = (10, 10)

    @nn.nowrap
    def prefixes(self) -> tuple[str, ...]:
        """A token of the class and one of the distillation, as in DeiT."""
        return ("cls", "distillation")

    def tokens(
        self, x: Float[Array, "*B F Q"], *, train: bool
    ) -> Float[Array, "*B N D"]:
        """The two prefix tokens and those of the patches, normalised.

        Args:
          x: log-mel spectrograms, normalised as `data_pipelines.fbank` gives them.
          train: whether dropout is on.

        Returns:
          Tokens; among the patches' frequency is the slow axis and time the fast one.

        Raises:
          ValueError: where there is no whole patch.
        """
        return self.relate(
            x[..., None], self.patch, self.strides, turned=True, train=train
        )

    def __call__(
        self, x: Float[Array, "*B F Q"], *, train: bool
    ) -> Float[Array, "*B D"]:
        """One vector a spectrogram: the mean of both prefix tokens, normalised.

        Args:
          x: log-mel spectrograms, normalised as `data_pipelines.fbank` gives them.
          train: whether dropout is on.

        Returns:
          Features.

        Raises:
          ValueError: where there is no whole patch.
        """
        return self.pool(self.tokens(x, train=train))
