import jax
import numpy as np
import pytest

from kdjax.methods import supervised
from tests import reference, tiny

KEY = jax.random.key(4)


def evaluate(method, batch, variables=None):
    """Loss, metrics and gradient of a method on a batch."""
    params, state = variables or jax.jit(method.init)(KEY, batch, {})
    step = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
    (loss, (_, metrics)), gradient = step(params, state, {}, batch, KEY)
    return loss, metrics, gradient


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_of_the_real_rows(smoothing):
    network, batch = tiny.network(norm=False), tiny.batch(padding=3)
    method = supervised.make(network=network, label_smoothing=smoothing)
    params, state = jax.jit(method.init)(KEY, batch, {})
    loss, metrics, _ = evaluate(method, batch, (params, state))
    logits = np.asarray(jax.jit(method.predict)(params, state, batch)["logits"])[:5]
    label = np.asarray(batch["label"])[:5]
    expected = reference.cross_entropy(logits, label, label_smoothing=smoothing)
    np.testing.assert_allclose(loss, expected.mean(), rtol=1e-6)
    assert set(metrics) == {"loss", "accuracy"} and metrics["loss"] == loss
    right = (logits.argmax(axis=-1) == label).mean()
    np.testing.assert_allclose(metrics["accuracy"], right, rtol=1e-6)


def test_padding_contributes_nothing():
    method = supervised.make(network=tiny.network(norm=False))
    batch = tiny.batch(padding=3)
    variables = jax.jit(method.init)(KEY, batch, {})
    clean = evaluate(method, batch, variables)
    dirty = evaluate(method, tiny.with_garbage(batch), variables)
    tiny.assert_close(clean, dirty)
    assert float(clean[0]) > 0.1


def mixed(key, batch):
    """Half of the first example, whatever it is mixed with."""
    del key
    one_hot = jax.nn.one_hot(batch["label"], tiny.CLASSES)
    return {**batch, "target": (one_hot + one_hot[:1]) / 2}


def test_a_mixture_is_learnt_in_its_proportions():
    network, batch = tiny.network(norm=False), tiny.batch()
    method = supervised.make(network=network, augment=mixed)
    params, state = jax.jit(method.init)(KEY, batch, {})
    loss, _, _ = evaluate(method, batch, (params, state))
    logits = np.asarray(jax.jit(method.predict)(params, state, batch)["logits"])
    target = np.asarray(mixed(KEY, batch)["target"])
    expected = reference.soft_cross_entropy(logits, target).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    hard = reference.cross_entropy(logits, np.asarray(batch["label"])).mean()
    assert abs(float(loss) - hard) > 1e-3


def test_what_is_frozen_has_no_say():
    method, batch = supervised.make(network=tiny.network()), tiny.batch()
    first = jax.jit(method.init)(KEY, batch, {})
    second = jax.jit(method.init)(KEY, batch, {"teacher": (np.ones(3), {})})
    tiny.assert_same(first, second)
