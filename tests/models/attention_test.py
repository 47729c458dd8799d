"""Attention: whole tokens against heads by themselves, and who gets which."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import attention

RNG = np.random.default_rng(0)


def array(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def tokens(queries, keys, heads):
    return array(3, queries, heads, 4), *(array(3, keys, heads, 4) for _ in "kv")


def mask_of(keys):
    """Of three examples the second has no key at all, the third all but one."""
    there = np.ones((3, 1, 1, keys), bool)
    there[1], there[2, ..., 0] = False, False
    return jnp.asarray(there)


def with_pulls(form, q, k, v, *masks):
    y, pull = jax.vjp(lambda q, k, v: form(q, k, v, *masks), q, k, v)
    return y, pull(jnp.sin(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))


@pytest.mark.parametrize(
    ("queries", "keys", "heads", "masked"),
    [(5, 5, 2, False), (5, 5, 3, True), (1, 7, 2, True), (6, 1, 1, False)],
)
def test_whole_tokens_give_what_heads_give_with_gradients(queries, keys, heads, masked):
    q_k_v = tokens(queries, keys, heads)
    masks = (mask_of(keys),) if masked else ()

    @jax.jit
    def both(q_k_v, masks):
        forms = attention._of_tokens, attention._of_heads
        return [with_pulls(form, *q_k_v, *masks) for form in forms]

    got, want = both(q_k_v, masks)
    for mine, other in zip(*map(jax.tree.leaves, (got, want)), strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-5, atol=2e-6)


def test_half_precision_is_multiplied_and_scores_are_not_rounded():
    q, k, v = (x.astype(jnp.bfloat16) for x in tokens(5, 6, 2))
    single = attention._of_tokens(*(x.astype(jnp.float32) for x in (q, k, v)))
    got = attention._of_tokens(q, k, v)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_allclose(got.astype(jnp.float32), single, rtol=0.02, atol=0.02)
    program = str(jax.make_jaxpr(attention._of_tokens)(q, k, v))
    assert "f32[3,2,5,6]" in program


@pytest.mark.parametrize(
    ("platform", "keys", "whole"),
    [("tpu", 50, True), ("tpu", 129, False), ("cpu", 50, False)],
)
def test_a_tpu_multiplies_few_tokens_whole(platform, keys, whole):
    q, k, v = tokens(2, keys, 2)
    traced = jax.jit(attention.attend).trace(q, k, v)
    program = traced.lower(lowering_platforms=(platform,)).as_text()
    assert ("tensor<3x2x2x8xf32>" in program) == whole


def test_views_can_be_mapped_over():
    given = [array(2, 3, 4, 2, 4) for _ in "qkv"]
    mapped = jax.jit(jax.vmap(attention._of_tokens))(*given)
    for view in range(2):
        alone = attention._of_tokens(*(x[view] for x in given))
        np.testing.assert_allclose(mapped[view], alone, rtol=1e-5, atol=1e-6)
