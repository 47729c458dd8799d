"""Weights of Hugging Face's and the original AST for `kdjax.models.spectrogram`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kdjax.interop import positions, vit
from kdjax.interop.accounting import read
from kdjax.typing import PyTree

FREQUENCIES = 12
"""Patches along 128 bins, of 16 at a distance of 10."""


def load(
    source: str | Path | Mapping[str, np.ndarray],
    like: PyTree,
    *,
    grid: vit.Grid = None,
) -> PyTree:
    """Variables of `kdjax.models.spectrogram.Encoder` from a published checkpoint.

    Classifiers are left behind. Where the model reads fewer rows or bins than the
    checkpoint, the positions in the middle are kept, where it reads more, they are
    interpolated. DeiT's weights, on which AST was first trained, are taken too, the
    kernels of its three colours summed.

    Args:
      source: a ``.pth``, ``.safetensors`` or ``.npz`` file, or tensors by name; of a
        model with a token of the distillation.
      like: variables of the encoder that is to be filled, for names and shapes.
      grid: patches of the checkpoint along frequency and time, -1 for as many as there
        are. None means 12 along frequency where it reads spectrograms, and a square
        where it reads pictures of three colours.

    Returns:
      Variables in the structure of ``like``. Hugging Face's model normalises with an
      epsilon of 1e-12, the original one with 1e-6.

    Raises:
      ValueError: where tensors are missing, unexpected, of a wrong shape or not finite,
        naming all of them.

    References:
      https://github.com/YuanGongND/ast, https://github.com/huggingface/transformers.
    """
    tensors = read(source)
    colours = any(t.ndim == 4 and t.shape[1] == 3 for t in tensors.values())
    return vit.load_encoder(
        tensors,
        like,
        grid=grid or (None if colours else (FREQUENCIES, -1)),
        to=positions.cut_or_stretch,
        # Patches are cut with time first, AST's convolution has frequency first.
        swap=True,
    )
