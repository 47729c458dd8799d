import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.interop.variables import flatten
from kdjax.models import i3d
from tests.models.clips import RNG, array, count, shapes


def tiny(**options):
    return i3d.Model(5, width=1 / 32, **options)


# 12,287,264 in the trunk as the reference code counts them, and 1,025 a class.
@pytest.mark.parametrize(
    ("classes", "size"), [(60, 12_348_764), (120, 12_410_264), (400, 12_697_264)]
)
def test_it_has_the_published_size(classes, size):
    variables, _ = shapes(i3d.Model(classes), 1, 9, 1, 1, 3)
    assert count(variables) == size == 12_287_264 + 1_025 * classes


def test_published_shapes():
    _, out = shapes(i3d.Model(60), 2, 32, 224, 224, 3)
    assert out["logits"].shape == (2, 60)
    assert out["slot_logits"].shape == (2, 3, 60)
    assert out["features"].shape == out["hidden"].shape == (2, 1024)
    assert [stage.shape for stage in out["stages"]] == [
        (2, 16, 112, 112, 64),
        (2, 16, 56, 56, 192),
        (2, 16, 28, 28, 480),
        (2, 8, 14, 14, 832),
        (2, 4, 7, 7, 1024),
    ]


# One step of the last map for every eight frames begun, and one slot for each two.
@pytest.mark.parametrize(
    ("frames", "slots"), [(9, 1), (15, 1), (16, 1), (17, 2), (32, 3), (33, 4), (64, 7)]
)
def test_slots_of_every_length(frames, slots):
    _, out = shapes(tiny(), 1, frames, 30, 17, 6)
    assert out["slot_logits"].shape == (1, slots, 5)
    assert out["stages"][-1].shape == (1, slots + 1, 1, 1, 32)


def test_half_precision_maps_and_single_precision_results():
    variables, out = shapes(tiny(dtype="bfloat16"), 2, 9, 8, 8, 3)
    assert {a.dtype for a in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert {stage.dtype for stage in out["stages"]} == {jnp.dtype("bfloat16")}
    assert out["logits"].dtype == out["features"].dtype == jnp.float32


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 8, 16, 16, 3), "8 frames of 16x16 pixels .* needs 9 frames"),
        ((1, 16, 0, 16, 3), "16 frames of 0x16 pixels"),
    ],
)
def test_clips_that_leave_no_slot_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        shapes(tiny(), *shape)


@pytest.fixture(scope="module")
def trained():
    """A tiny network's step and forward pass, its variables and clips of four slots."""
    model, x = tiny(), array(2, 32, 9, 8, 3)
    variables = jax.tree.map(
        lambda s: np.abs(RNG.standard_normal(s.shape)).astype(s.dtype) + 0.1,
        shapes(model, *x.shape)[0],
    )

    @jax.jit
    def step(variables, x, seed):
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

    forward = jax.jit(lambda v, x: model.apply(v, x, train=False))
    return step, forward, variables, x


def test_the_head_weighs_the_steps_as_published(trained):
    _, forward, variables, x = trained
    out = forward(variables, x)
    steps = np.asarray(out["stages"][-1]).mean((2, 3))
    weights = np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6])
    features = np.einsum("btd,t->bd", steps, weights)
    np.testing.assert_allclose(out["features"], features, rtol=1e-5)
    assert np.abs(features / steps.mean(1) - 1).max() > 1e-3
    layer = jax.tree.map(np.asarray, variables["params"]["logits"])
    expected = features @ layer["kernel"] + layer["bias"]
    np.testing.assert_allclose(out["logits"], expected, rtol=1e-5)
    np.testing.assert_allclose(
        out["slot_logits"][:, 0],
        steps[:, :2].mean(1) @ layer["kernel"] + layer["bias"],
        rtol=1e-5,
    )


def test_training_updates_statistics_and_reaches_every_weight(trained):
    step, _, variables, x = trained
    gradients, (out, new) = step(variables, x, 0)
    old = variables["batch_stats"]
    changed = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), old, new)
    assert all(jax.tree.leaves(changed))
    for name, gradient in flatten(gradients).items():
        assert np.isfinite(gradient).all(), name
    gradients, (other, _) = step(variables, x, 1)
    np.testing.assert_array_equal(out["features"], other["features"])
    assert np.abs(out["logits"] - other["logits"]).max() > 1e-3
    gradients, _ = step(variables, jnp.zeros_like(x), 0)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


def test_normalisation_has_the_published_constants():
    layer, x = i3d.unit(4, 1, dtype="float32", name="unit"), array(2, 3, 4, 4, 3)

    @jax.jit
    def run(x):
        variables = layer.init(jax.random.key(0), x, train=False)
        y, new = layer.apply(variables, x, train=True, mutable=["batch_stats"])
        return y, new["batch_stats"]["norm"], variables["params"]["conv"]["kernel"]

    y, stats, kernel = jax.tree.map(np.asarray, run(x))
    z = np.asarray(x) @ kernel[0, 0, 0]
    mean, var = z.mean((0, 1, 2, 3)), z.var((0, 1, 2, 3))
    expected = np.maximum((z - mean) / np.sqrt(var + 1e-3), 0)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(stats["mean"], 0.01 * mean, atol=1e-6)


def test_the_classifier_starts_small():
    model, x = i3d.Model(500, width=0.25), jax.ShapeDtypeStruct((1, 9, 1, 1, 3), "f4")

    @jax.jit
    def classifier(x):
        variables = model.init(jax.random.key(0), x, train=False)
        return variables["params"]["logits"]

    layer = classifier(jnp.zeros(x.shape))
    # 128,000 draws: within 2 % is over 10 sigma.
    assert np.std(layer["kernel"]) == pytest.approx(0.01, rel=0.02)
    np.testing.assert_array_equal(layer["bias"], 0.0)
