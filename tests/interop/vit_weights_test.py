"""Weights of vision transformers under the names of four projects."""

import numpy as np
import pytest

from kdjax.interop import positions, vit_names
from kdjax.interop import vit as weights
from kdjax.interop.variables import flatten
from kdjax.models import vit
from tests.interop.vit_files import (
    TINY,
    check_same,
    drawn,
    google,
    hugging_face,
    like_of,
    renamed,
)


@pytest.fixture(scope="module")
def like():
    return like_of(vit.Encoder(patch=2, **TINY), 1, 6, 6, 3)


@pytest.fixture(scope="module")
def tensors():
    return hugging_face()


@pytest.fixture(scope="module")
def flat(tensors, like):
    return flatten(weights.load(tensors, like))


def test_tensors_land_in_their_places(tensors, flat):
    table = tensors["embeddings.position_embeddings"][0]
    np.testing.assert_array_equal(flat["params/prefix_positions"], table[:1])
    np.testing.assert_array_equal(flat["params/positions"], table[1:].reshape(3, 3, 6))
    kernel = tensors["embeddings.patch_embeddings.projection.weight"]
    # Row 1, column 0, channel 2 of a patch of 2x2 pixels.
    np.testing.assert_array_equal(
        flat["params/embed/kernel"][1 * 6 + 0 * 3 + 2], kernel[:, 2, 1, 0]
    )
    np.testing.assert_array_equal(
        flat["params/layer2/attention/value/kernel"],
        tensors["encoder.layer.1.attention.attention.value.weight"].T,
    )
    np.testing.assert_array_equal(
        flat["params/layer1/norm2/scale"],
        tensors["encoder.layer.0.layernorm_after.weight"],
    )


@pytest.mark.parametrize("project", ["timm", "hf5", "google"])
def test_all_projects_names_load_to_the_same(tensors, like, flat, project):
    theirs = google(tensors) if project == "google" else renamed(tensors, project)
    assert (
        weights.style_of(theirs)
        == {
            "timm": weights.TIMM,
            "hf5": vit_names.HUGGING_FACE_5,
            "google": weights.GOOGLE,
        }[project]
    )
    check_same(weights.load(theirs, like), flat)


def test_classifiers_poolers_and_wrappers_are_left_behind(tensors, like, flat):
    classifier = {f"vit.{name}": tensor for name, tensor in tensors.items()}
    extra = {"classifier.weight": drawn(4, 6), "vit.pooler.dense.bias": drawn(6)}
    extra["vit.embeddings.mask_token"] = drawn(1, 1, 6)
    check_same(weights.load(classifier | extra, like), flat)
    timm = renamed(tensors, "timm")
    extra = {"head.weight": drawn(4, 6), "pre_logits.fc.bias": drawn(6)}
    check_same(weights.load(timm | extra, like), flat)
    extra = {"head/kernel": drawn(6, 4), "pre_logits/bias": drawn(6)}
    check_same(weights.load(google(tensors) | extra, like), flat)


@pytest.mark.parametrize(
    ("project", "method"),
    [("hf", "bicubic"), ("timm", "bicubic_antialias"), ("google", "corners")],
)
def test_positions_are_resized_as_each_project_does(tensors, project, method):
    theirs = google(tensors) if project == "google" else dict(tensors)
    theirs = renamed(tensors, "timm") if project == "timm" else theirs
    large = like_of(vit.Encoder(patch=2, **TINY), 1, 8, 10, 3)
    grid = tensors["embeddings.position_embeddings"][0, 1:].reshape(3, 3, 6)
    want = positions.resize(grid, (4, 5), method)
    got = flatten(weights.load(theirs, large))["params/positions"]
    np.testing.assert_allclose(got, want, atol=1e-6)
    # Another project's way, and a grid that is no square.
    got = weights.load(theirs, large, method="bilinear", grid=(1, 9))
    want = positions.resize(grid.reshape(1, 9, 6), (4, 5), "bilinear")
    np.testing.assert_allclose(flatten(got)["params/positions"], want, atol=1e-6)


def test_everything_wrong_is_named_at_once(tensors, like):
    broken = dict(tensors)
    broken["extra"] = broken.pop("layernorm.bias")
    broken["encoder.layer.0.intermediate.dense.bias"] = drawn(4)
    name = "encoder.layer.1.attention.attention.key.weight"
    broken[name] = np.full_like(broken[name], np.nan)
    broken["embeddings.position_embeddings"] = drawn(1, 9, 6)
    with pytest.raises(ValueError, match="does not fit") as error:
        weights.load(broken, like)
    for part in ("extra", "layernorm.bias", "0.intermediate.dense.bias", name, "(1, 9"):
        assert part in str(error.value)


def test_other_depths_and_names_are_refused(tensors, like):
    options = {**TINY, "depth": 1}
    with pytest.raises(ValueError, match=r"unexpected .*encoder.layer.1"):
        weights.load(tensors, like_of(vit.Encoder(patch=2, **options), 1, 6, 6, 3))
    with pytest.raises(ValueError, match="names are those of no ViT"):
        weights.load({"conv1.weight": drawn(2, 3, 7, 7)}, like)
