"""The audio encoder of MultiTSF's public code: dense layers on a flat spectrogram."""

import flax.linen as nn

from kdjax.models import remat
from kdjax.models.layers import on_rows
from kdjax.typing import Array, Float


class Encoder(nn.Module):
    """Dense layers with ReLUs between them.

    Each frame has its own spectrogram, all of whose values the first layer reads: at
    1024 rows of 128 bins it has 67 million weights.

    Attributes:
      widths: of the hidden layers.
      width: D, of the output.
      dtype: of the computation; parameters and the output are float32.
      remat: what layers keep for the backward pass, see `kdjax.models.remat`.

    References:
      Nguyen, Kawanishi, John, Komamizu and Ide, *MultiTSF: Transformer-based Sensor
      Fusion for Human-Centric Multi-view and Multi-modal Action Recognition*, 2025,
      arXiv:2504.02279; https://github.com/thanhhff/MultiTSF.
    """

    widths: tuple[int, ...] = (512, 256, 128)
    width: int = 384
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(
        self, x: Float[Array, "*B F Q"], *, train: bool
    ) -> Float[Array, "*B D"]:
        """One vector a spectrogram.

        Args:
          x: log-mel spectrograms, normalised as `data_pipelines.fbank` gives them.
          train: changes nothing; every audio encoder takes it.

        Returns:
          Features.
        """
        x = x.reshape(*x.shape[:-2], -1)
        for index, width in enumerate(self.widths):
            options = dict(width=width, name=f"fc{index + 1}")
            x = remat.run(self, x, policy=self.remat, method="_layer", **options)
        output = nn.Dense(self.width, dtype=self.dtype, name="output")
        return on_rows(output, x).astype("float32")

    def _layer(self, x: Array, *, width: int, name: str) -> Float[Array, "*B D"]:
        """A dense layer and its ReLU."""
        return nn.relu(on_rows(nn.Dense(width, dtype=self.dtype, name=name), x))
