import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import multitsf
from tests.models.scenes import TINY, array, filled, run

AV = array(2, 3, 5, 8)
THERE = jnp.ones((2, 3, 5), bool).at[0, 2].set(False).at[1, 1, 3].set(False)


def tiny(**options):
    return multitsf.Backbone(4, **{**TINY["multitsf"], **options})


@pytest.fixture(scope="module")
def variables():
    return filled(tiny(), AV, THERE)


@pytest.mark.parametrize("attend", multitsf.ATTEND)
def test_a_clip_depends_on_its_batch_as_in_the_published_code_alone(variables, attend):
    model = tiny(attend=attend)
    both = run(model, variables, AV, THERE)
    others = run(model, variables, AV.at[1].multiply(-2.0), THERE)
    same = np.allclose(both["seq_logits"][0], others["seq_logits"][0], atol=1e-5)
    assert same == (attend == "views")
    # Frames are judged before cameras or clips meet.
    for name in ("frame_logits", "view_frame_logits"):
        np.testing.assert_allclose(both[name][0], others[name][0], atol=1e-5)


def test_the_heads_read_what_the_paper_says(variables):
    out = run(tiny(), variables, AV, THERE)
    there = np.asarray(THERE)
    views = np.where(there[..., None], out["view_frame_logits"], -np.inf)
    np.testing.assert_allclose(out["frame_logits"], views.max(axis=1), rtol=1e-6)
    x = np.asarray(out["features"], np.float64)
    layers = variables["params"]["sensors"]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    x = x * layers["norm"]["scale"] + layers["norm"]["bias"]
    x = x @ layers["sequence"]["kernel"] + layers["sequence"]["bias"]
    np.testing.assert_allclose(out["seq_logits"], x, atol=1e-5)


def test_cameras_are_a_set(variables):
    out = run(tiny(), variables, AV, THERE)
    order = np.array([2, 0, 1])
    other = run(tiny(), variables, AV[:, order], THERE[:, order])
    for name in ("seq_logits", "frame_logits", "features"):
        np.testing.assert_allclose(other[name], out[name], atol=1e-5)
    np.testing.assert_allclose(
        other["view_frame_logits"], out["view_frame_logits"][:, order], atol=1e-5
    )


def test_cameras_meet(variables):
    """The sequence is judged after attention, not from the mean of lone cameras."""
    everywhere = jnp.ones_like(THERE)
    whole = run(tiny(), variables, AV, everywhere)["features"]
    alone = [
        run(tiny(), variables, AV, everywhere & (jnp.arange(3) == v)[None, :, None])
        for v in range(3)
    ]
    lone = np.mean([out["features"] for out in alone], axis=0)
    assert np.abs(whole - lone).max() > 1e-3


def test_an_unknown_axis_is_refused():
    with pytest.raises(ValueError, match="attend is 'time'"):
        filled(tiny(attend="time"), AV, THERE)
