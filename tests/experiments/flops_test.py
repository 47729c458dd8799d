"""Counting products: against what XLA counts, and by hand where it cannot."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from experiments import build, flops, planned, train
from kdjax import parallel
from tests.experiments import tiny_runs

SHAPE = jax.ShapeDtypeStruct


def f32(*shape):
    return SHAPE(shape, jnp.float32)


def count(function, *arguments):
    return flops.count(jax.make_jaxpr(function)(*arguments))[0]


def by_xla(function, *arguments):
    return jax.jit(function).lower(*arguments).cost_analysis()["flops"]


def gradients(function):
    """Products alone: the cotangent is constant."""

    def both(*arguments):
        out, pull = jax.vjp(function, *arguments)
        return pull(jnp.ones_like(out))

    return both


@pytest.mark.parametrize(
    "kernel, stride, padding, groups, dilation",
    [
        (3, 1, "SAME", 1, 1),
        (3, 2, "SAME", 1, 1),
        (3, 2, "VALID", 4, 1),
        (7, 2, [(3, 3), (3, 3)], 1, 1),
        (3, 1, "SAME", 1, 2),
        (3, 1, "SAME", 8, 1),
    ],
)
def test_convolutions_are_counted_as_xla_does(
    kernel, stride, padding, groups, dilation
):
    def convolved(x, w):
        return lax.conv_general_dilated(
            x,
            w,
            (stride, stride),
            padding,
            rhs_dilation=(dilation, dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    x, w = f32(4, 17, 16, 8), f32(kernel, kernel, 8 // groups, 16)
    assert count(convolved, x, w) == by_xla(convolved, x, w)
    both = gradients(convolved)
    assert count(both, x, w) == by_xla(both, x, w) == 2 * count(convolved, x, w)


def test_products_of_batches_are_counted():
    def product(x, y):
        return jnp.einsum("bvd,bwd->bvw", x, y)

    assert count(product, f32(3, 4, 5), f32(3, 6, 5)) == 2 * 3 * 4 * 6 * 5


def test_what_nothing_depends_on_is_not_counted():
    def lazy(x):
        x @ x
        return x + 1

    assert count(lazy, f32(4, 4)) == 0


def test_loops_branches_and_calls_are_entered():
    one = 2 * 4**3

    def repeated(x):
        return lax.scan(lambda c, _: (c @ x, None), x, None, length=7)[0]

    def chosen(x):
        return lax.cond(x[0, 0] > 0, lambda: x @ x @ x, lambda: x)

    def until(x):
        return lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c @ c, x)

    assert count(repeated, f32(4, 4)) == 7 * one
    assert count(chosen, f32(4, 4)) == 2 * one
    assert count(until, f32(4, 4)) == one
    assert count(jax.jit(lambda x: x @ x), f32(4, 4)) == one
    assert count(jax.vmap(lambda x: x @ x), f32(3, 4, 4)) == 3 * one

    @jax.custom_jvp
    def own(x):
        return x @ x

    own.defjvp(lambda primals, tangents: (own(*primals), tangents[0]))
    assert count(own, f32(4, 4)) == one


def test_types_of_products_are_named_as_xla_does():
    def mixed(x):
        return (x @ x).astype(jnp.bfloat16) @ x.astype(jnp.bfloat16)

    def kinds(function):
        return flops.count(jax.make_jaxpr(function)(f32(4, 4)))[1]

    assert kinds(mixed) == {"f32", "bf16"}
    assert kinds(jnp.sin) == set()


def test_what_is_written_for_some_platforms_does_not_count():
    one = 2 * 4**3

    def chosen(x):
        return lax.platform_dependent(
            x, cpu=lambda x: x @ x @ x, default=lambda x: x @ x
        )

    assert count(chosen, f32(4, 4)) == one
    assert count(gradients(chosen), f32(4, 4)) == 2 * one


def test_rematerialised_work_is_no_work_of_the_model():
    def of(**computed):
        role = {f"roles__student_alone__{k}": v for k, v in computed.items()}
        page = tiny_runs.config(schedule=(("student_alone", 1),), **role)
        experiment, mesh = build.build(page), parallel.data_mesh()
        given = planned.arguments(experiment, "student_alone", mesh)
        step = train.compile_steps(experiment)["student_alone"]
        traced = step.trace(*given)
        alone, _ = flops.count(traced.jaxpr)
        whole = flops.of_step(experiment, "student_alone", mesh, given, traced)
        return alone, whole[0]

    plain, same = of()
    assert plain == same
    twice, once = of(remat="nothing_saveable")
    assert once == plain < twice
