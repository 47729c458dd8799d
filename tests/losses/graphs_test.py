import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.losses import graphs
from tests import reference_graphs as reference
from tests.losses.properties import unchecked_types

SHAPES = ((4, 2, 6, 4, 3), (4, 2, 3, 2, 5))
TEACHERS = ((4, 2, 6, 4, 7), (4, 2, 2, 2, 6))

# Op by op its many small programs take three times as long to compile.
couple = jax.jit(
    graphs.graph_cross_attention,
    static_argnames=(
        *("nodes", "distance", "reduction", "scale", "attention_gradient", "groups"),
    ),
)


def draw(seed=0, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in shapes]


def nodes(stage, kind):
    if kind == "frame":
        return stage.reshape(-1, *stage.shape[2:])
    return stage.mean(axis=1)


@pytest.mark.parametrize("kind", graphs.NODES)
@pytest.mark.parametrize("reduction", graphs.REDUCTIONS)
def test_all_pairs_of_stages_are_those_of_the_loop(kind, reduction):
    students, teachers = draw(0), draw(1, TEACHERS)
    got, _ = couple(students, teachers, nodes=kind, reduction=reduction, scale=3.0)
    want = [
        reference.graph_pair(
            nodes(s, kind), nodes(t, kind), scale=3.0, mean=reduction == "mean"
        )
        for s in students
        for t in teachers
    ]
    np.testing.assert_allclose(got, np.mean(want), rtol=2e-5)


def test_the_distance_may_be_that_of_means_over_space():
    (student, *_), (teacher, *_) = draw(0), draw(1, TEACHERS)
    got = graphs._stage(student.mean(axis=1), "gap", jnp.ones(4), True).edges
    want = reference.graph(np.asarray(student).mean(axis=(1, 2, 3)))[1]
    np.testing.assert_allclose(got, want, rtol=2e-5)
    loss, _ = couple([student], [teacher], distance="gap")
    assert np.isfinite(loss)


def test_the_attention_is_nearly_uniform_as_the_docstring_says():
    _, spread = couple(draw(0), draw(1, TEACHERS))
    assert 0.99 < spread <= 1.0
    _, sharp = couple(draw(0), draw(1, TEACHERS), scale=50.0)
    assert sharp < 0.9


def test_padding_changes_nothing():
    students, teachers = draw(0), draw(1, TEACHERS)
    mask = jnp.array([1.0, 1.0, 1.0, 0.0])
    for kind in graphs.NODES:
        short = [[x[:3] for x in maps] for maps in (students, teachers)]
        want = couple(*short, nodes=kind)
        for garbage in (0.0, 1e3):
            long = [[x.at[3].set(garbage) for x in m] for m in (students, teachers)]
            got = couple(*long, nodes=kind, mask=mask)
            np.testing.assert_allclose(got, want, rtol=1e-5)


def test_groups_are_batches_of_their_own():
    students, teachers = draw(0), draw(1, TEACHERS)
    got, _ = couple(students, teachers, groups=2)
    halves = [
        couple([s[part] for s in students], [t[part] for t in teachers])
        for part in (slice(0, 2), slice(2, 4))
    ]
    np.testing.assert_allclose(got, np.mean([value for value, _ in halves]), rtol=1e-5)


def test_gradients_reach_the_student_alone():
    students, teachers = draw(0), draw(1, TEACHERS)

    def loss(students, teachers, **options):
        return couple(students, teachers, **options)[0]

    ours, theirs = jax.jit(jax.grad(loss, argnums=(0, 1)))(students, teachers)
    assert all(np.isfinite(g).all() and np.any(g) for g in ours)
    assert not any(np.any(g) for g in theirs)
    fixed = jax.jit(jax.grad(lambda s: loss(s, teachers, attention_gradient=False)))(
        students
    )
    assert any((a != b).any() for a, b in zip(fixed, ours))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_examples_have_finite_gradients(value):
    students = [jnp.full(shape, value) for shape in SHAPES]

    def loss(students):
        return couple(students, draw(1, TEACHERS))[0]

    for gradient in jax.jit(jax.grad(loss))(students):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(nodes="clip"), "nodes must be one of video, frame"),
        (dict(distance="cosine"), "distance must be one of"),
        (dict(reduction="max"), "reduction must be one of"),
        (dict(groups=3), "4 rows does not divide by 3 groups"),
    ],
)
def test_options_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        graphs.graph_cross_attention(draw(0), draw(1, TEACHERS), **options)


def test_stages_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 stages of the student stand against 1"):
        graphs.graph_cross_attention(draw(0), draw(1, TEACHERS)[:1])
    with unchecked_types(), pytest.raises(ValueError, match="stage 3 has shape"):
        graphs.graph_cross_attention(draw(0), draw(1, (TEACHERS[0], (3, 2, 2, 2, 6))))
