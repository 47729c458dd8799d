from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from kdjax import skeletons
from kdjax.interop import agcn as interop
from kdjax.interop.variables import flatten
from kdjax.models import agcn
from tests.golden import fill

# Names and shapes of a 2s-AGCN checkpoint, as the reference code lists them.
GOLDEN = Path(__file__).parent.parent / "golden" / "agcn__utd.npz"
GRAPH = skeletons.adjacency(skeletons.get("kinect_v1"))


@pytest.fixture(scope="module")
def weights():
    with np.load(GOLDEN) as file:
        return fill.fill_all(fill.load_meta(file))


def variables_of(classes=27, **options):
    model = agcn.Model(classes, **options)
    x = jnp.zeros((1, 4, 1, 20, 3))
    return jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))


@pytest.fixture(scope="module")
def like():
    return variables_of(hidden=0)


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_every_tensor_lands_in_its_place(weights, like):
    loaded = interop.load(weights, like)
    flat = flatten(loaded)
    assert set(flat) == set(flatten(like))
    assert sum(a.size for a in flat.values()) == sum(w.size for w in weights.values())
    places = {
        "params/block5/graph/phi2/kernel": weights["l5.gcn1.conv_b.2.weight"][
            ..., 0, 0
        ].T,
        "params/block1/graph/down_norm/scale": weights["l1.gcn1.down.1.weight"],
        "params/block8/graph/offset": weights["l8.gcn1.PA"],
        "batch_stats/block10/time_norm/var": weights["l10.tcn1.bn.running_var"],
        "params/head/fc1/kernel": weights["fc.weight"].T,
    }
    for name, expected in places.items():
        np.testing.assert_array_equal(flat[name], expected, err_msg=name)
    kernel = weights["l3.tcn1.conv.weight"]
    np.testing.assert_array_equal(
        flat["params/block3/time/kernel"][7, 5], kernel[:, 5, 7, 0]
    )


def test_files_and_wrappers_give_the_same(weights, like, tmp_path):
    expected = interop.load(weights, like)
    np.savez(tmp_path / "a.npz", **{f"module.{k}": v for k, v in weights.items()})
    save_file(weights, tmp_path / "a.safetensors")
    same(interop.load(tmp_path / "a.npz", like), expected)
    same(interop.load(str(tmp_path / "a.safetensors"), like), expected)


def fusion_gcn(weights):
    """The same network under Fusion-GCN's names, with its buffers."""
    tensors = {}
    for name, tensor in weights.items():
        block, dot, rest = name.partition(".")
        if block[0] == "l" and block[1:].isdigit():
            block = f"l{int(block[1:]) - 1}"
        rest = rest.replace("gcn1.PA", "gcn1.adj_b")
        tensors[f"_model.agcn.{block}{dot}{rest}"] = tensor
        if rest.endswith("running_mean"):
            tracked = rest.replace("running_mean", "num_batches_tracked")
            tensors[f"_model.agcn.{block}.{tracked}"] = np.array(7)
        if rest == "gcn1.adj_b":
            tensors[f"_model.agcn.{block}.gcn1.adj_a"] = GRAPH.astype(np.float32)
    return tensors


def test_fusion_gcn_names(weights, like):
    tensors = fusion_gcn(weights)
    assert "_model.agcn.l0.gcn1.adj_b" in tensors
    same(interop.load(tensors, like, graph=GRAPH), interop.load(weights, like))


def test_another_graph_is_refused(weights, like):
    other = skeletons.adjacency(skeletons.get("kinect_v1").edges[1:], 20)
    with pytest.raises(ValueError, match="adj_a .* is not the model's graph"):
        interop.load(fusion_gcn(weights), like, graph=other)


def test_everything_wrong_is_named_at_once(weights, like):
    bad = dict(weights)
    del bad["l2.gcn1.conv_d.1.bias"]
    bad["l11.gcn1.PA"] = bad["l10.gcn1.PA"]
    bad["l4.gcn1.PA"] = bad["l4.gcn1.PA"][:, :19]
    bad["l3.tcn1.conv.weight"] = bad["l3.tcn1.conv.weight"][..., None, None].repeat(
        2, 3
    )
    bad["data_bn.bias"] = np.full(60, np.nan, np.float32)
    with pytest.raises(ValueError, match="does not fit") as error:
        interop.load(bad, like)
    text = str(error.value)
    assert "missing ['l2.gcn1.conv_d.1.bias']" in text
    assert "unexpected ['l11.gcn1.PA']" in text
    assert "l4.gcn1.PA (3, 19, 20) gives (3, 19, 20), not (3, 20, 20)" in text
    assert "l3.tcn1.conv.weight" in text
    assert "data_bn.bias holds values that are not finite" in text


def test_a_new_classifier_keeps_its_own_values(weights):
    with pytest.raises(ValueError, match="has no fc0"):
        interop.load(weights, variables_of(5))
    shapes = variables_of(5)
    like = jax.tree.map(lambda s: np.full(s.shape, 2.0, s.dtype), shapes)
    flat = flatten(interop.load(weights, like, head=False))
    for name in ("fc0/kernel", "fc1/kernel", "fc1/bias"):
        np.testing.assert_array_equal(flat[f"params/head/{name}"], 2.0)
    np.testing.assert_array_equal(
        flat["params/input_norm/bias"], weights["data_bn.bias"]
    )


def test_unreadable_files_are_named(like, tmp_path):
    for name in ("a.npz", "a.safetensors"):
        (tmp_path / name).write_bytes(b"no checkpoint at all")
        with pytest.raises(ValueError, match=f"{name} is no readable checkpoint"):
            interop.load(tmp_path / name, like)
    with pytest.raises(ValueError, match="a.ckpt is no .safetensors"):
        interop.load(tmp_path / "a.ckpt", like)
    with pytest.raises(FileNotFoundError):
        interop.load(tmp_path / "missing.npz", like)
