import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.interop.variables import flatten
from kdjax.models import posec3d
from tests.models.clips import RNG, array, count, shapes


def tiny(**options):
    return posec3d.Model(5, width=2, blocks=(2, 1, 1), **options)


@pytest.fixture(scope="module")
def step():
    """A tiny network, its variables, a clip and one step: outputs, state, gradients."""
    model, x = tiny(), array(2, 3, 9, 8, 4)
    random = jax.tree.map(
        lambda s: np.abs(RNG.standard_normal(s.shape)).astype(s.dtype) + 0.1,
        shapes(model, *x.shape)[0],
    )

    @jax.jit
    def run(variables, x, seed):
        def loss(params):
            out, new = model.apply(
                {**variables, "params": params},
                x,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": jax.random.key(seed)},
            )
            return jnp.sum(out["logits"] ** 2), (out, new["batch_stats"])

        return jax.grad(loss, has_aux=True)(variables["params"])

    return run, random, x


# 1,994,080 in the trunk as the reference code counts them, and 513 a class.
@pytest.mark.parametrize(("classes", "size"), [(60, 2_024_860), (120, 2_055_640)])
def test_it_has_the_published_size(classes, size):
    variables, _ = shapes(posec3d.Model(classes), 1, 1, 1, 1, 17)
    assert count(variables) == size == 1_994_080 + 513 * classes


def test_published_shapes():
    _, out = shapes(posec3d.Model(60), 3, 48, 56, 56, 17)
    assert out["logits"].shape == (3, 60)
    assert out["features"].shape == out["hidden"].shape == (3, 512)
    assert [stage.shape for stage in out["stages"]] == [
        (3, 48, 28, 28, 128),
        (3, 48, 14, 14, 256),
        (3, 24, 7, 7, 512),
    ]


def test_any_clip_down_to_one_pixel():
    _, out = shapes(tiny(), 2, 5, 9, 1, 25)
    assert [stage.shape[1:4] for stage in out["stages"]] == [
        (5, 5, 1),
        (5, 3, 1),
        (3, 2, 1),
    ]


def test_half_precision_maps_and_single_precision_results():
    variables, out = shapes(tiny(dtype="bfloat16"), 2, 4, 8, 8, 3)
    assert {a.dtype for a in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert {stage.dtype for stage in out["stages"]} == {jnp.dtype("bfloat16")}
    assert out["logits"].dtype == out["features"].dtype == jnp.float32


def test_initialisation_is_the_published_one():
    model, x = posec3d.Model(500, width=32, blocks=(1, 1)), jnp.zeros((1, 1, 1, 1, 3))
    flat = flatten(jax.jit(lambda: model.init(jax.random.key(1), x, train=False))())
    for stage in (1, 2):
        block = f"params/stage{stage}_block1"
        np.testing.assert_array_equal(flat[f"{block}/unit3/norm/scale"], 0.0)
        np.testing.assert_array_equal(flat[f"{block}/unit2/norm/scale"], 1.0)
        np.testing.assert_array_equal(flat[f"{block}/skip/norm/scale"], 1.0)
    expected = {
        "stem": 2 / (32 * 49),
        "stage1_block1/unit2": 2 / (32 * 9),
        "stage1_block1/unit3": 2 / 128,
        "stage2_block1/unit1": 2 / (64 * 3),
    }
    for name, variance in expected.items():
        # 4,096 draws or more: the sample deviation is within 5 % (over 4 sigma).
        kernel = flat[f"params/{name}/conv/kernel"]
        assert np.std(kernel) == pytest.approx(variance**0.5, rel=0.05), name
    assert np.std(flat["params/head/fc1/kernel"]) == pytest.approx(0.01, rel=0.05)
    np.testing.assert_array_equal(flat["params/head/fc1/bias"], 0.0)


def test_at_first_the_skip_alone_passes():
    block, x = posec3d.Block(2), array(1, 3, 4, 4, 8)
    y, _ = jax.jit(lambda x: block.init_with_output(jax.random.key(0), x, train=False))(
        x
    )
    np.testing.assert_array_equal(y, jnp.maximum(x, 0))


def test_features_are_the_mean_of_the_last_map_before_dropout(step):
    run, variables, x = step
    _, (out, _) = run(variables, x, 0)
    mean = out["stages"][-1].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(out["features"], mean, rtol=1e-5)
    _, (other, _) = run(variables, x, 1)
    np.testing.assert_array_equal(out["features"], other["features"])
    assert np.abs(out["logits"] - other["logits"]).max() > 1e-3


def test_training_updates_statistics_and_reaches_every_weight(step):
    run, variables, x = step
    gradients, (_, new) = run(variables, x, 0)
    old = variables["batch_stats"]
    changed = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), old, new)
    assert all(jax.tree.leaves(changed))
    for name, gradient in flatten(gradients).items():
        assert np.isfinite(gradient).all(), name
        assert np.abs(gradient).max() > 0, name
    gradients, _ = run(variables, jnp.zeros_like(x), 0)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 0, 8, 8, 3), "0 frames of 8x8 pixels"),
        ((1, 4, 8, 0, 3), "4 frames of 8x0 pixels"),
    ],
)
def test_empty_clips_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        shapes(tiny(), *shape)
