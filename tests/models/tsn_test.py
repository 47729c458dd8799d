import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import tsn
from tests.models.clips import array, count, shapes


def tiny(**options):
    return tsn.Model(5, depth=18, width=2, **options)


@pytest.fixture(scope="module")
def variables():
    return jax.jit(lambda x: tiny().init(jax.random.key(0), x, train=False))(
        array(1, 1, 8, 8, 3)
    )


# As torchvision counts them with 1000 classes; and with NTU's ten and PKU-MMD's 51.
@pytest.mark.parametrize(
    ("depth", "classes", "size"),
    [
        *((18, 1000, 11_689_512), (18, 10, 11_181_642), (18, 51, 11_202_675)),
        *((34, 1000, 21_797_672), (50, 1000, 25_557_032)),
        *((50, 10, 23_528_522), (50, 51, 23_612_531)),
    ],
)
def test_it_has_the_published_size(depth, classes, size):
    variables, _ = shapes(tsn.Model(classes, depth=depth), 1, 1, 32, 32, 3)
    assert count(variables) == size


@pytest.mark.parametrize(("depth", "factor"), [(18, 1), (50, 4)])
def test_published_shapes(depth, factor):
    _, out = shapes(tsn.Model(10, depth=depth), 2, 8, 224, 224, 3)
    assert out["logits"].shape == (2, 10)
    assert out["features"].shape == out["hidden"].shape == (2, 512 * factor)
    assert [stage.shape for stage in out["stages"]] == [
        (2, 8, 56, 56, 64 * factor),
        (2, 8, 28, 28, 128 * factor),
        (2, 8, 14, 14, 256 * factor),
        (2, 8, 7, 7, 512 * factor),
    ]


def test_a_video_is_the_mean_of_its_frames(variables):
    x = array(2, 3, 40, 33, 3)
    run = jax.jit(lambda x: tiny().apply(variables, x, train=False))
    frames = [run(x[:, s : s + 1]) for s in range(3)]
    for name in ("features", "logits"):
        mean = np.mean([frame[name] for frame in frames], axis=0)
        np.testing.assert_allclose(run(x)[name], mean, rtol=1e-4, atol=1e-6)


def test_both_consensus_are_the_same_at_inference_alone(variables):
    x = array(2, 3, 33, 40, 3)

    def logits(consensus, train):
        model = tiny(consensus=consensus)
        options = dict(mutable=["batch_stats"]) if train else {}
        rngs = {"dropout": jax.random.key(1)}
        out = model.apply(variables, x, train=train, rngs=rngs, **options)
        return (out[0] if train else out)["logits"]

    mine, other = (logits(kind, False) for kind in tsn.CONSENSUS)
    np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-7)
    assert (logits("features", True) != logits("logits", True)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [(dict(depth=101), "depth is 101"), (dict(consensus="max"), "consensus is 'max'")],
)
def test_options_that_are_none_are_refused(options, message):
    model = tsn.Model(5, **options)
    with pytest.raises(ValueError, match=message):
        model.init(jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)), train=False)
