"""Random checkpoints of transformers of two layers, under the names of each project."""

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.interop.variables import flatten

TINY = dict(width=6, depth=2, heads=2, hidden=5)
RNG = np.random.default_rng(0)


def like_of(encoder, *shape):
    x = jnp.zeros(shape)
    return jax.eval_shape(lambda: encoder.init(jax.random.key(0), x, train=False))


def drawn(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def hugging_face(*, channels=3, patch=2, count=9, prefixes=("cls",)):
    """Tensors of a model of two layers under the names of published files."""
    out = {
        "embeddings.cls_token": drawn(1, 1, 6),
        "embeddings.position_embeddings": drawn(1, len(prefixes) + count, 6),
        "embeddings.patch_embeddings.projection.weight": drawn(
            6, channels, patch, patch
        ),
        "embeddings.patch_embeddings.projection.bias": drawn(6),
        "layernorm.weight": drawn(6),
        "layernorm.bias": drawn(6),
    }
    if "distillation" in prefixes:
        out["embeddings.distillation_token"] = drawn(1, 1, 6)
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        for name in ("query", "key", "value"):
            out[f"{layer}.attention.attention.{name}.weight"] = drawn(6, 6)
            out[f"{layer}.attention.attention.{name}.bias"] = drawn(6)
        for name, shape in (
            ("attention.output.dense", (6, 6)),
            ("intermediate.dense", (5, 6)),
            ("output.dense", (6, 5)),
        ):
            out[f"{layer}.{name}.weight"] = drawn(*shape)
            out[f"{layer}.{name}.bias"] = drawn(shape[0])
        for name in ("layernorm_before", "layernorm_after"):
            out[f"{layer}.{name}.weight"] = drawn(6)
            out[f"{layer}.{name}.bias"] = drawn(6)
    return out


RENAMED = {
    "timm": {
        "embeddings.cls_token": "cls_token",
        "embeddings.distillation_token": "dist_token",
        "embeddings.position_embeddings": "pos_embed",
        "embeddings.patch_embeddings.projection": "patch_embed.proj",
        "encoder.layer": "blocks",
        "attention.output.dense": "attn.proj",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
        "layernorm_before": "norm1",
        "layernorm_after": "norm2",
        "layernorm": "norm",
    },
    "hf5": {
        "encoder.layer": "layers",
        "attention.attention.query": "attention.q_proj",
        "attention.attention.key": "attention.k_proj",
        "attention.attention.value": "attention.v_proj",
        "attention.output.dense": "attention.o_proj",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
    },
}


def renamed(tensors, project):
    """The same tensors under the names of timm, or of Hugging Face in memory."""
    out = {}
    for name, tensor in tensors.items():
        for old, new in RENAMED[project].items():
            name = name.replace(old, new)
        out[name] = tensor
    if project == "timm":
        for block in ("blocks.0", "blocks.1"):
            for leaf in ("weight", "bias"):
                parts = [
                    out.pop(f"{block}.attention.attention.{name}.{leaf}")
                    for name in ("query", "key", "value")
                ]
                out[f"{block}.attn.qkv.{leaf}"] = np.concatenate(parts)
    return out


def google(tensors):
    """The same in google-research's names and Flax's layout, with an axis of heads."""
    out = {
        "cls": tensors["embeddings.cls_token"],
        "embedding/bias": tensors["embeddings.patch_embeddings.projection.bias"],
        "embedding/kernel": tensors[
            "embeddings.patch_embeddings.projection.weight"
        ].transpose(2, 3, 1, 0),
        "Transformer/posembed_input/pos_embedding": tensors[
            "embeddings.position_embeddings"
        ],
        "Transformer/encoder_norm/scale": tensors["layernorm.weight"],
        "Transformer/encoder_norm/bias": tensors["layernorm.bias"],
    }
    for index in range(2):
        theirs = f"encoder.layer.{index}"
        block = f"Transformer/encoderblock_{index}"
        attention = f"{block}/MultiHeadDotProductAttention_1"
        for name in ("query", "key", "value"):
            source = f"{theirs}.attention.attention.{name}"
            kernel = tensors[f"{source}.weight"].T.reshape(6, 2, 3)
            out[f"{attention}/{name}/kernel"] = kernel
            out[f"{attention}/{name}/bias"] = tensors[f"{source}.bias"].reshape(2, 3)
        source = f"{theirs}.attention.output.dense"
        out[f"{attention}/out/kernel"] = tensors[f"{source}.weight"].T.reshape(2, 3, 6)
        out[f"{attention}/out/bias"] = tensors[f"{source}.bias"]
        for ours, name in (("Dense_0", "intermediate"), ("Dense_1", "output")):
            source = f"{theirs}.{name}.dense"
            out[f"{block}/MlpBlock_3/{ours}/kernel"] = tensors[f"{source}.weight"].T
            out[f"{block}/MlpBlock_3/{ours}/bias"] = tensors[f"{source}.bias"]
        for ours, name in (("LayerNorm_0", "before"), ("LayerNorm_2", "after")):
            source = f"{theirs}.layernorm_{name}"
            out[f"{block}/{ours}/scale"] = tensors[f"{source}.weight"]
            out[f"{block}/{ours}/bias"] = tensors[f"{source}.bias"]
    return out


def check_same(loaded, flat):
    loaded = flatten(loaded)
    assert set(loaded) == set(flat)
    for name, value in flat.items():
        np.testing.assert_array_equal(loaded[name], value, err_msg=name)
