"""A stacked LSTM over sensor sequences."""

import flax.linen as nn

from kdjax.models import remat
from kdjax.models.layers import Head, Outputs, concatenate
from kdjax.typing import Array, Float


class Model(nn.Module):
    """LSTM layers, the mean over time, then the classifier.

    Attributes:
      num_classes: K.
      units: width of each layer.
      layers: number of layers.
      hidden: width d0 of fc0, see `Head`.
      dropout: rate between layers and on what the last layer reads.
      dtype: of the gates; parameters, cells, features and logits are float32.
      remat: what layers keep for the backward pass, see `kdjax.models.remat`.

    References:
      Hochreiter and Schmidhuber, *Long Short-Term Memory*, Neural Computation 9(8),
      1997, https://doi.org/10.1162/neco.1997.9.8.1735.
    """

    num_classes: int
    units: int = 128
    layers: int = 2
    hidden: int | None = 256
    dropout: float = 0.0
    dtype: str = "float32"
    remat: str = ""

    @nn.compact
    def __call__(self, *streams: Float[Array, "B T ..."], train: bool) -> Outputs:
        """Classifies sequences.

        Args:
          *streams: arrays ``[B T ...]``; see `concatenate`.
          train: whether dropout is on.

        Returns:
          ``logits``, ``features``, ``hidden`` and as ``stages`` every layer's output
          sequence ``[B T C]``.
        """
        x = concatenate(streams)
        stages = []
        for i in range(1, self.layers + 1):
            if stages:
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
            cell = nn.OptimizedLSTMCell(self.units, dtype=self.dtype, name=f"lstm{i}")
            x = remat.run(nn.RNN(cell), x, policy=self.remat)
            stages.append(x)
        head = Head(self.num_classes, self.hidden, self.dropout, name="head")
        return head(x.mean(axis=1), stages, train=train)
