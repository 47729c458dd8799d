import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import multiasl
from tests import reference_cameras as reference
from tests.models.scenes import TINY, array, filled, run

SELECT = jax.jit(multiasl.select, static_argnames="ratio")
AV = array(2, 3, 6, 8)
THERE = jnp.ones((2, 3, 6), bool).at[0, 2].set(False).at[1, 1, 3].set(False)


def tiny(**options):
    return multiasl.Backbone(4, **{**TINY["multiasl"], **options})


@pytest.fixture(scope="module")
def variables():
    return filled(tiny(), AV, THERE)


def scores(batch, frames, classes):
    cas = 3 * array(batch, frames, classes)
    flow, rgb = (jax.nn.sigmoid(array(batch, frames, seed=i)) for i in (1, 2))
    return cas, flow, rgb


@pytest.mark.parametrize("ratio", [3, 20])
def test_selection_is_that_of_the_loops(ratio):
    cas, flow, rgb = scores(4, 13, 3)
    there = jnp.ones((4, 13), bool).at[1, 5:].set(False).at[2, ::2].set(False)
    got = SELECT(cas, flow, rgb, there, ratio=ratio)
    assert got.indices.shape == (4, max(13 // ratio, 1), 3)
    for b in range(4):
        selected, logits = reference.select(
            cas[b], flow[b], rgb[b], there[b], ratio=ratio
        )
        np.testing.assert_allclose(got.logits[b], logits, rtol=1e-5)
        for k, best in enumerate(selected):
            count = len(best)
            assert got.indices[b, :count, k].tolist() == best
            assert set(got.indices[b, count:, k].tolist()) <= {best[0]}


def test_padding_is_never_selected():
    cas, flow, rgb = scores(1, 12, 5)
    there = jnp.zeros((1, 12), bool).at[0, 7].set(True)
    # The padding has the highest activation and actionness.
    cas = jnp.where(there[..., None], cas, 1e4)
    flow = jnp.where(there, 0.0, 1.0)
    got = SELECT(cas, flow, rgb, there, ratio=3)
    assert set(got.indices.ravel().tolist()) == {7}
    np.testing.assert_array_equal(got.logits, cas[:, 7])


def test_a_clip_without_frames_stays_finite():
    cas, flow, rgb = scores(2, 12, 5)
    got = SELECT(cas, flow, rgb, jnp.zeros((2, 12), bool))
    assert all(np.isfinite(part).all() for part in got)


def test_gradients_of_the_selection_reach_the_activation_alone():
    cas, flow, rgb = scores(2, 9, 3)
    there = jnp.ones((2, 9), bool)

    def loss(*args):
        return (SELECT(*args, there, ratio=3).logits ** 2).sum()

    by_cas, by_flow, by_rgb = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(cas, flow, rgb)
    selection = SELECT(cas, flow, rgb, there, ratio=3)
    chosen = jax.nn.one_hot(selection.indices, 9, axis=1).max(axis=2)
    expected = chosen * (2 * selection.logits / 3)[:, None]
    np.testing.assert_allclose(by_cas, expected, rtol=1e-5)
    assert (by_flow == 0).all() and (by_rgb == 0).all()


def test_the_heads_read_what_the_paper_says(variables):
    out = run(tiny(), variables, AV, THERE)
    np.testing.assert_array_equal(out["cas"], out["frame_logits"])
    seen = THERE.any(axis=1)
    selection = SELECT(
        out["cas"], out["actionness_flow"], out["actionness_rgb"], seen, ratio=3
    )
    np.testing.assert_array_equal(out["selected"], selection.indices)
    np.testing.assert_allclose(out["logits"], selection.logits, rtol=1e-6)
    layer = variables["params"]["actionness_rgb"]
    most = np.where(np.asarray(THERE)[..., None], AV, -np.inf).max(axis=1)
    logit = (most @ layer["kernel"] + layer["bias"])[..., 0]
    np.testing.assert_allclose(out["actionness_rgb"], 1 / (1 + np.exp(-logit)), 1e-4)


def test_one_camera_is_judged_as_all_are(variables):
    there = jnp.zeros_like(THERE).at[:, 1].set(True)
    out = run(tiny(), variables, AV, there)
    np.testing.assert_allclose(out["view_frame_logits"][:, 1], out["cas"], atol=1e-5)


def test_fusions_of_the_cameras_class_tokens():
    variables = filled(tiny(depth=0), AV, THERE)
    there = jnp.ones_like(THERE).at[0, 2].set(False)
    judged = {
        fusion: run(tiny(depth=0, fusion=fusion), variables, AV, there)["seq_logits"]
        for fusion in ("mean", "sum")
    }
    layer = variables["params"]["sequence"]
    counts = np.array([[2.0], [3.0]])
    summed = counts * (judged["mean"] - layer["bias"]) + layer["bias"]
    np.testing.assert_allclose(judged["sum"], summed, atol=1e-5)
    side_by_side = {"kernel": np.tile(layer["kernel"], (3, 1)), "bias": layer["bias"]}
    params = {**variables["params"], "sequence": side_by_side}
    model = tiny(depth=0, fusion="concat")
    got = run(model, {"params": params}, AV, there)["seq_logits"]
    np.testing.assert_allclose(got, judged["sum"], atol=1e-5)


def test_the_clip_is_judged_from_the_maximum_of_the_class_tokens(variables):
    there = jnp.ones_like(THERE)
    alone = [there & (jnp.arange(3) == v)[None, :, None] for v in range(3)]
    # A linear classifier of the maximum: where it only adds, no camera gives more.
    head = {"kernel": np.eye(8, 4, dtype=np.float32), "bias": np.zeros(4, np.float32)}
    params = {"params": {**variables["params"], "sequence": head}}
    views = [run(tiny(), params, AV, mask)["seq_logits"] for mask in alone]
    got = run(tiny(), params, AV, there)["seq_logits"]
    np.testing.assert_allclose(got, np.max(views, axis=0), atol=1e-5)


def test_an_unknown_fusion_is_refused():
    with pytest.raises(ValueError, match="fusion is 'median'"):
        filled(tiny(fusion="median"), AV, THERE)
