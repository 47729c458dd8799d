"""Weights of PoseC3D and I3D, under the names that the reference code lists."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from kdjax.interop import i3d as i3d_weights
from kdjax.interop import posec3d as posec3d_weights
from kdjax.interop.variables import flatten
from kdjax.models import i3d, posec3d
from tests.golden import fill
from tests.interop import pth_files

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = {
    "posec3d": (posec3d_weights, posec3d.Model, "posec3d__even", (1, 1, 1, 1, 17)),
    "i3d": (i3d_weights, i3d.Model, "i3d__feat64", (1, 9, 1, 1, 3)),
}
# Places of a convolution, of a gain in a block and of the classifier.
PLACES = {
    "posec3d": (
        ("stage2_block1/unit1/conv/kernel", "backbone.layer2.0.conv1.conv.weight"),
        ("stage3_block3/unit3/norm/scale", "backbone.layer3.2.conv3.bn.weight"),
        ("stage1_block1/skip/norm/bias", "backbone.layer1.0.downsample.bn.bias"),
        ("head/fc1/kernel", "cls_head.fc_cls.weight"),
    ),
    "i3d": (
        ("Conv3d_1a_7x7/conv/kernel", "Conv3d_1a_7x7.conv3d.weight"),
        ("Mixed_4f/b3b/norm/scale", "Mixed_4f.b3b.bn.weight"),
        ("Mixed_3c/b1a/norm/bias", "Mixed_3c.b1a.bn.bias"),
        ("logits/kernel", "logits.conv3d.weight"),
    ),
}


def variables_of(model, shape):
    x = jnp.zeros(shape)
    return jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """Name, loader, model, smallest input and the checkpoint's tensors."""
    loader, model, golden, shape = CASES[request.param]
    with np.load(GOLDEN / f"{golden}.npz") as file:
        meta = fill.load_meta(file)
    return request.param, loader, model, shape, meta


@pytest.fixture(scope="module")
def loaded(case):
    """Tensors, empty variables and filled ones."""
    _, loader, model, shape, meta = case
    weights = fill.fill_all(meta)
    like = variables_of(model(meta["hyper"]["num_classes"]), shape)
    return weights, like, loader.load(weights, like)


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_every_tensor_lands_in_its_place(case, loaded):
    weights, like, variables = loaded
    flat = flatten(variables)
    assert set(flat) == set(flatten(like))
    assert sum(a.size for a in flat.values()) == sum(w.size for w in weights.values())
    (kernel, gain, bias, classifier) = PLACES[case[0]]
    for ours, theirs in (gain, bias):
        np.testing.assert_array_equal(flat[f"params/{ours}"], weights[theirs])
    for ours, theirs in (kernel, classifier):
        tensor = weights[theirs]
        array = np.asarray(flat[f"params/{ours}"]).reshape(*tensor.shape[2:], -1)
        expected = tensor.transpose(*range(2, tensor.ndim), 1, 0)
        np.testing.assert_array_equal(array, expected.reshape(array.shape))
    variance = gain[0].replace("scale", "var")
    np.testing.assert_array_equal(
        flat[f"batch_stats/{variance}"],
        weights[gain[1].replace("weight", "running_var")],
    )


def as_trained(weights):
    """The same under a wrapper's names, with counters of batches."""
    tensors = {f"module.{name}": tensor for name, tensor in weights.items()}
    for name in weights:
        if name.endswith("running_mean"):
            tracker = name.replace("running_mean", "num_batches_tracked")
            tensors[f"module.{tracker}"] = np.array(7)
    return tensors


@pytest.mark.parametrize("kind", ["npz", "safetensors", "zip.pth", "legacy.pt"])
def test_every_kind_of_file(case, loaded, kind, tmp_path):
    weights, like, expected = loaded
    tensors, path = as_trained(weights), tmp_path / f"model.{kind}"
    if kind == "npz":
        np.savez(path, **tensors)
    elif kind == "safetensors":
        save_file(tensors, path)
    else:
        content = {"meta": {"epoch": 24}, "state_dict": pth_files.state_dict(tensors)}
        write = pth_files.FORMATS[kind.partition(".")[0]]
        path.write_bytes(write(content, list(tensors.values())))
    same(case[1].load(path, like), expected)


def test_everything_wrong_is_named_at_once(case, loaded):
    weights, like, _ = loaded
    (_, kernel), (_, gain), (_, bias), _ = PLACES[case[0]]
    bad = dict(weights)
    bad["extra.weight"] = bad.pop(gain)
    bad[bias] = np.full_like(bad[bias], np.nan)
    bad[kernel] = bad[kernel].swapaxes(2, 4)[:, :, :, :, 1:]
    with pytest.raises(ValueError, match="does not fit") as error:
        case[1].load(bad, like)
    text = str(error.value)
    assert f"missing ['{gain}']" in text
    assert "unexpected ['extra.weight']" in text
    assert f"{bias} holds values that are not finite" in text
    assert f"{kernel} {bad[kernel].shape} gives" in text


def test_a_new_classifier_keeps_its_own_values(case, loaded):
    name, loader, model, shape, _ = case
    weights, _, expected = loaded
    like = jax.tree.map(
        lambda s: np.full(s.shape, 2.0, s.dtype), variables_of(model(3), shape)
    )
    got, expected = flatten(loader.load(weights, like, head=False)), flatten(expected)
    head = f"params/{PLACES[name][-1][0].rpartition('/')[0]}/"
    for key, array in got.items():
        wanted = 2.0 if key.startswith(head) else expected[key]
        np.testing.assert_array_equal(array, wanted, err_msg=key)
    with pytest.raises(ValueError, match=r"gives \(\d+, \d+\), not \(\d+, 3\)"):
        loader.load(weights, like)
