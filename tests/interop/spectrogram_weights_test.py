"""Weights of AST, Hugging Face's and the original ones, and of DeiT."""

import numpy as np
import pytest

from kdjax.interop import positions
from kdjax.interop import spectrogram as weights
from kdjax.interop.variables import flatten
from kdjax.models import spectrogram
from tests.interop.vit_files import (
    TINY,
    check_same,
    drawn,
    hugging_face,
    like_of,
    renamed,
)


# AST: 36 rows and 128 bins have 12 patches of frequency and 3 of time.
@pytest.fixture(scope="module")
def sound():
    prefixes = ("cls", "distillation")
    return hugging_face(channels=1, patch=16, count=36, prefixes=prefixes)


def ast_like(rows):
    return like_of(spectrogram.Encoder(**TINY), 1, rows, 128)


def test_both_asts_load_to_the_same(sound):
    like = ast_like(36)
    flat = flatten(weights.load(sound, like))
    prefix = "audio_spectrogram_transformer."
    classifier = {f"{prefix}{name}": tensor for name, tensor in sound.items()}
    extra = {"classifier.layernorm.bias": drawn(6), "classifier.dense.weight": drawn(4)}
    check_same(weights.load(classifier | extra, like), flat)
    original = {f"module.v.{n}": t for n, t in renamed(sound, "timm").items()}
    extra = {"module.v.head_dist.bias": drawn(4), "module.mlp_head.1.weight": drawn(4)}
    check_same(weights.load(original | extra, like), flat)


def test_asts_patches_are_turned_and_its_positions_are_not(sound):
    flat = flatten(weights.load(sound, ast_like(36)))
    kernel = sound["embeddings.patch_embeddings.projection.weight"]
    # Its convolution has frequency first; our patches have time first: row 3, bin 5.
    np.testing.assert_array_equal(
        flat["params/embed/kernel"][3 * 16 + 5], kernel[:, 0, 5, 3]
    )
    table = sound["embeddings.position_embeddings"][0]
    np.testing.assert_array_equal(flat["params/prefix_positions"], table[:2])
    np.testing.assert_array_equal(flat["params/positions"], table[2:].reshape(12, 3, 6))
    np.testing.assert_array_equal(
        flat["params/distillation"], sound["embeddings.distillation_token"][0, 0]
    )


@pytest.mark.parametrize(("rows", "columns"), [(16, 1), (26, 2), (64, 5)])
def test_asts_positions_are_cut_or_stretched_along_time(sound, rows, columns):
    flat = flatten(weights.load(sound, ast_like(rows)))
    grid = sound["embeddings.position_embeddings"][0, 2:].reshape(12, 3, 6)
    want = positions.cut_or_stretch(grid, (12, columns))
    assert want.shape == (12, columns, 6)
    np.testing.assert_allclose(flat["params/positions"], want, atol=1e-6)


def test_deits_colours_are_summed_and_its_square_is_cut(sound):
    prefixes = ("cls", "distillation")
    deit = hugging_face(channels=3, patch=16, count=14 * 14, prefixes=prefixes)
    deit = renamed(deit, "timm") | {"head.weight": drawn(4), "head_dist.bias": drawn(4)}
    flat = flatten(weights.load(deit, ast_like(64)))
    kernel = deit["patch_embed.proj.weight"].sum(axis=1)
    np.testing.assert_allclose(
        flat["params/embed/kernel"],
        kernel.transpose(2, 1, 0).reshape(256, 6),
        rtol=1e-6,
    )
    grid = deit["pos_embed"][0, 2:].reshape(14, 14, 6)
    np.testing.assert_allclose(flat["params/positions"], grid[1:13, 5:10], atol=1e-6)


def test_a_spectrogram_needs_the_token_of_the_distillation():
    with pytest.raises(
        ValueError, match=r"missing \['embeddings.distillation_token'\]"
    ):
        weights.load(hugging_face(channels=1, patch=16, count=37), ast_like(36))
