"""Weights of residual networks under the names of three projects."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.interop import tsn as weights
from kdjax.interop.variables import flatten
from kdjax.models import tsn


def variables_of(channels=3, depth=50):
    model, x = tsn.Model(4, depth=depth, width=2), jnp.zeros((1, 1, 8, 8, channels))
    return jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))


def checkpoint(names, like):
    """Random tensors under the names that a loader asks for, in PyTorch's layout."""
    rng, tensors = np.random.default_rng(0), {}
    for name, leaf in sorted(flatten(like).items()):
        rule = weights.units._rule(name, names)
        shape = leaf.shape
        if len(shape) == 5:
            shape = (shape[4], shape[3], *shape[1:3])
        elif len(shape) == 2:
            shape = shape[::-1]
        tensors[rule.source] = rng.standard_normal(shape).astype(np.float32)
    return tensors


@pytest.fixture(scope="module")
def like():
    return variables_of()


def test_names_are_those_of_the_projects(like):
    ours = checkpoint(weights.TORCHVISION, like)
    assert {"conv1.weight", "bn1.running_var", "fc.bias"} <= set(ours)
    assert {"layer2.0.downsample.0.weight", "layer2.0.downsample.1.bias"} <= set(ours)
    assert {"layer3.5.conv3.weight", "layer3.5.bn3.weight"} <= set(ours)
    theirs = checkpoint(weights.MMACTION2, like)
    assert "backbone.layer2.0.downsample.conv.weight" in theirs
    assert {"backbone.conv1.bn.weight", "cls_head.fc_cls.weight"} <= set(theirs)


def test_both_spellings_load_to_the_same(like):
    first, second = (
        weights.load(checkpoint(names, like), like)
        for names in (weights.TORCHVISION, weights.MMACTION2)
    )
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_a_kernel_lands_in_its_place(like):
    tensors = checkpoint(weights.TORCHVISION, like)
    flat = flatten(weights.load(tensors, like))
    kernel = flat["params/stage3_block2/unit2/conv/kernel"]
    want = tensors["layer3.1.conv2.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(kernel, want[None])


def test_one_channel_reads_the_sum_of_three(like):
    tensors, grey = checkpoint(weights.TORCHVISION, like), variables_of(channels=1)
    flat = flatten(weights.load(tensors, grey))
    want = flatten(weights.load(tensors, like))[weights.STEM].sum(axis=3, keepdims=True)
    np.testing.assert_allclose(flat[weights.STEM], want, rtol=1e-6)


def test_everything_wrong_is_named_at_once(like):
    tensors = checkpoint(weights.TORCHVISION, like)
    tensors["extra"] = tensors.pop("layer1.0.conv1.weight")
    tensors["bn1.bias"] = np.full_like(tensors["bn1.bias"], np.nan)
    with pytest.raises(ValueError, match="does not fit") as error:
        weights.load(tensors, like)
    for name in ("extra", "layer1.0.conv1.weight", "bn1.bias"):
        assert name in str(error.value)
    with pytest.raises(ValueError, match="does not fit"):
        weights.load(checkpoint(weights.TORCHVISION, variables_of(depth=18)), like)
