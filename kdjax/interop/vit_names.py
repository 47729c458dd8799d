"""How Hugging Face, timm and google-research name the tensors of a ViT."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from kdjax.interop.accounting import LEAVES


class Style(NamedTuple):
    """How a project names the tensors of an encoder.

    Attributes:
      layer: of a layer, with its number from 0.
      names: of our modules outside of layers and inside of one.
      resize: of its positions, as the project itself does it.
      leaves: of a module's arrays.
      dot: between parts of a name.
      fused: queries, keys and values are one tensor, in this order.
      flax: kernels are in Flax's layout, those of the attention with an axis of heads.
    """

    layer: str
    names: Mapping[str, str]
    resize: str
    leaves: Mapping[str, str] = LEAVES
    dot: str = "."
    fused: bool = False
    flax: bool = False


HUGGING_FACE = Style(
    "encoder.layer.{}",
    {
        "cls": "embeddings.cls_token",
        "distillation": "embeddings.distillation_token",
        "positions": "embeddings.position_embeddings",
        "embed": "embeddings.patch_embeddings.projection",
        "norm": "layernorm",
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "attention/query": "attention.attention.query",
        "attention/key": "attention.attention.key",
        "attention/value": "attention.attention.value",
        "attention/out": "attention.output.dense",
        "dense1": "intermediate.dense",
        "dense2": "output.dense",
    },
    resize="bicubic",
)
HUGGING_FACE_5 = HUGGING_FACE._replace(
    layer="layers.{}",
    names={
        **HUGGING_FACE.names,
        "attention/query": "attention.q_proj",
        "attention/key": "attention.k_proj",
        "attention/value": "attention.v_proj",
        "attention/out": "attention.o_proj",
        "dense1": "mlp.fc1",
        "dense2": "mlp.fc2",
    },
)
"""In memory since transformers 5; published files keep the older names."""

TIMM = Style(
    "blocks.{}",
    {
        "cls": "cls_token",
        "distillation": "dist_token",
        "positions": "pos_embed",
        "embed": "patch_embed.proj",
        "norm": "norm",
        "norm1": "norm1",
        "norm2": "norm2",
        "attention/query": "attn.qkv",
        "attention/key": "attn.qkv",
        "attention/value": "attn.qkv",
        "attention/out": "attn.proj",
        "dense1": "mlp.fc1",
        "dense2": "mlp.fc2",
    },
    resize="bicubic_antialias",
    fused=True,
)
_ATTENTION = "MultiHeadDotProductAttention_1"
GOOGLE = Style(
    "Transformer/encoderblock_{}",
    {
        "cls": "cls",
        "positions": "Transformer/posembed_input/pos_embedding",
        "embed": "embedding",
        "norm": "Transformer/encoder_norm",
        "norm1": "LayerNorm_0",
        "norm2": "LayerNorm_2",
        **{
            f"attention/{name}": f"{_ATTENTION}/{name}"
            for name in ("query", "key", "value", "out")
        },
        "dense1": "MlpBlock_3/Dense_0",
        "dense2": "MlpBlock_3/Dense_1",
    },
    resize="corners",
    leaves={"kernel": "kernel", "scale": "scale", "bias": "bias"},
    dot="/",
    flax=True,
)
STYLES = (HUGGING_FACE, HUGGING_FACE_5, TIMM, GOOGLE)


def style_of(tensors: Mapping[str, np.ndarray]) -> Style:
    """Whose names a checkpoint has.

    Args:
      tensors: without prefixes of wrappers.

    Returns:
      The first style that names one of the tensors of a first layer.

    Raises:
      ValueError: where none does.
    """
    for style in STYLES:
        for name in ("attention/query", "attention/out"):
            first = style.layer.format(0) + style.dot + style.names[name]
            if any(tensor.startswith(first + style.dot) for tensor in tensors):
                return style
    raise ValueError(
        "the checkpoint's names are those of no ViT of Hugging Face, timm or "
        f"google-research: {sorted(tensors)[:5]}"
    )
