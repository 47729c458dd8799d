import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import multitrans
from tests.models.scenes import TINY, array, filled, run

AV = array(2, 3, 5, 8)
THERE = jnp.ones((2, 3, 5), bool).at[0, 2].set(False)


def tiny(**options):
    return multitrans.Backbone(4, views=4, **{**TINY["multitrans"], **options})


@pytest.fixture(scope="module")
def variables():
    return filled(tiny(), AV, THERE)


def test_cameras_tell_each_other_what_they_see(variables):
    out = run(tiny(), variables, AV, THERE)
    changed = AV.at[:, 2].multiply(-1.0)
    other = run(tiny(), variables, changed, THERE)
    moved = np.abs(other["view_frame_logits"] - out["view_frame_logits"])[:, :2]
    # The third camera of the first clip is missing.
    assert moved[0].max() < 1e-5
    assert moved[1].max() > 1e-3


def test_without_layers_over_cameras_each_is_on_its_own(variables):
    model = tiny(sensor_depth=0)
    out = run(model, variables, AV, THERE)
    other = run(model, variables, AV.at[:, 2].multiply(-1.0), THERE)
    moved = np.abs(other["view_frame_logits"] - out["view_frame_logits"])
    assert moved[:, :2].max() < 1e-6
    assert moved[1, 2].max() > 1e-3


def test_cameras_are_known_by_their_place(variables):
    order = np.array([1, 0, 2])
    model = tiny()
    out = run(model, variables, AV, THERE)
    other = run(model, variables, AV[:, order], THERE[:, order])
    assert np.abs(other["seq_logits"] - out["seq_logits"]).max() > 1e-3


def test_frames_are_judged_from_the_mean_of_the_cameras(variables):
    out = run(tiny(), variables, AV, THERE)
    views = out["view_frame_logits"]
    np.testing.assert_allclose(
        out["frame_logits"][0], views[0, :2].mean(axis=0), atol=1e-5
    )
    np.testing.assert_allclose(out["frame_logits"][1], views[1].mean(0), atol=1e-5)
    head = variables["params"]["sequence"]
    expected = out["features"] @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(out["seq_logits"], expected, atol=1e-5)


def test_side_by_side_with_equal_weights_is_the_sum(variables):
    params = variables["params"]
    wide = {
        name: {
            "kernel": jnp.tile(params[source]["kernel"], (4, 1)),
            "bias": params[source]["bias"],
        }
        for name, source in (("fused", "frame"), ("sequence", "sequence"))
    }
    model, there = tiny(), jnp.ones_like(THERE)
    mean = run(model, variables, AV, there)
    concat = tiny(fusion="concat")
    out = run(concat, {"params": {**params, **wide}}, AV, there)
    for name, head in (("frame_logits", "frame"), ("seq_logits", "sequence")):
        bias = params[head]["bias"]
        np.testing.assert_allclose(out[name] - bias, 3 * (mean[name] - bias), atol=1e-4)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="fusion is 'max'"):
        filled(tiny(fusion="max"), AV, THERE)
    with pytest.raises(ValueError, match="3 cameras, but views is 2"):
        filled(multitrans.Backbone(4, views=2), AV, THERE)
