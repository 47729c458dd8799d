import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdjax.losses import confidence, multi_teacher
from tests import reference
from tests.losses.properties import few, floats, unchecked_types

CLASSES = 4
LABEL = jnp.array([0, 2, 1, 3], jnp.int32)
RIGHT = 3.0 * np.eye(CLASSES, dtype=np.float32)[np.asarray(LABEL)]
WRONG = np.roll(RIGHT, 1, axis=1)


def arrays(seed=0, teachers=2, width=5):
    rng = np.random.default_rng(seed)
    shapes = (4, CLASSES), (teachers, 4, CLASSES), (4, width), (teachers, 4, width)
    student, many, hidden, hiddens = (
        jnp.asarray(rng.standard_normal(shape), jnp.float32) for shape in shapes
    )
    return student, many, LABEL, hidden, hiddens


def omega(teachers, **options):
    teachers = jnp.asarray(teachers)
    values = confidence.teacher_cross_entropy(teachers, LABEL)
    opened = multi_teacher.correct_gates(teachers, LABEL)
    return multi_teacher.gated_weights(values, opened, **options)


@pytest.mark.parametrize("select", multi_teacher.SELECTIONS)
@pytest.mark.parametrize("renorm", [False, True])
def test_weights_sum_to_one_with_open_gates_and_to_zero_with_closed(select, renorm):
    options = {"select": select, "renorm": renorm}
    opened = omega(np.stack([RIGHT, 0.5 * RIGHT, 2 * RIGHT]), **options)
    np.testing.assert_allclose(opened.sum(axis=0), 1.0, rtol=1e-6)
    closed = omega(np.stack([WRONG, 0.5 * WRONG]), **options)
    np.testing.assert_array_equal(closed, 0.0)


def test_the_four_cases_of_figure_4():
    # Examples: both right (the second surer), first right, second right, both wrong.
    first = np.stack([RIGHT[0], RIGHT[1], WRONG[2], WRONG[3]])
    second = np.stack([2 * RIGHT[0], WRONG[1], RIGHT[2], WRONG[3]])
    hard = omega(np.stack([first, second]), select="hard")
    np.testing.assert_array_equal(hard, [[0, 1, 0, 0], [1, 0, 1, 0]])
    soft = omega(np.stack([first, second]))
    assert soft[1, 0] > soft[0, 0] > 0
    assert soft[0, 1] > 0.5 and soft[1, 2] > 0.5
    np.testing.assert_array_equal(np.asarray(soft == 0)[:, 1:], [[0, 1, 1], [1, 0, 1]])
    renormed = omega(np.stack([first, second]), renorm=True)
    np.testing.assert_allclose(renormed.sum(axis=0), [1, 1, 1, 0], rtol=1e-6)


def test_hard_selection_follows_a_right_teacher_even_if_a_wrong_one_is_cheaper():
    # The first is right with p = .28, the second wrong with p = .4 on the label.
    first = np.log([[0.28, 0.24, 0.24, 0.24]] * 4)
    second = np.log([[0.4, 0.6, 1e-3, 1e-3]] * 4)
    teachers = jnp.asarray(np.stack([first, second]), jnp.float32)
    label = jnp.zeros(4, jnp.int32)
    values = confidence.teacher_cross_entropy(teachers, label)
    opened = multi_teacher.correct_gates(teachers, label)
    assert (values[1] < values[0]).all()
    out = multi_teacher.gated_weights(values, opened, select="hard")
    np.testing.assert_array_equal(out, [[1] * 4, [0] * 4])


@few
@given(floats((3, 4), limit=50.0))
def test_hard_selection_is_the_smallest_cross_entropy(values):
    values = jnp.asarray(values)
    opened = jnp.ones_like(values)
    out = multi_teacher.gated_weights(values, opened, select="hard")
    np.testing.assert_array_equal(jnp.argmax(out, axis=0), jnp.argmin(values, axis=0))
    np.testing.assert_array_equal(out.sum(axis=0), 1.0)


@few
@given(
    seed=st.integers(0, 1000),
    teachers=st.integers(1, 3),
    gate=st.sampled_from(multi_teacher.GATES),
    select=st.sampled_from(multi_teacher.SELECTIONS),
    mk_form=st.sampled_from(multi_teacher.FORMS),
    kd_t2=st.booleans(),
    gate_kl=st.booleans(),
    renorm=st.booleans(),
)
def test_every_reading_equals_the_loop(seed, teachers, **readings):
    args = arrays(seed, teachers)
    options = {"temperature": 4.0, "mk_temperature": 1.0, "alpha": 0.3, **readings}
    total, terms = multi_teacher.acs(*args, **options, beta=2.0, gamma=0.5)
    want = reference.acs_terms(*map(np.asarray, args), options=options)
    assert terms.keys() == want.keys()
    for name in want:
        np.testing.assert_allclose(terms[name], want[name], rtol=1e-4, atol=1e-5)
    parts = {"ce": 1.0, "kl": 0.3, "mk": 2.0, "semantic": 0.5}
    summed = sum(weight * terms[name] for name, weight in parts.items())
    np.testing.assert_allclose(total, summed, rtol=1e-6)


def test_kl_form_has_the_gradient_of_the_cross_entropy():
    args = arrays(3)

    def gradient(form):
        def loss(z):
            options = {"gate": "none", "alpha": 0.0, "mk_form": form}
            return multi_teacher.acs(z, *args[1:], **options)[0].sum()

        return jax.grad(loss)(args[0])

    np.testing.assert_allclose(gradient("kl"), gradient("cross_entropy"), atol=1e-5)


def test_semantic_weight_is_one_over_the_width_by_default():
    args = arrays(4, width=5)
    default, _ = multi_teacher.acs(*args)
    named, _ = multi_teacher.acs(*args, gamma=0.2)
    np.testing.assert_allclose(default, named, rtol=1e-6)


def test_all_teachers_wrong_leaves_the_label_and_the_ungated_kl():
    student, _, label, hidden, _ = arrays(5)
    teachers = jnp.asarray(np.stack([WRONG, 2 * WRONG]))
    args = student, teachers, label, hidden, jnp.stack([hidden, hidden])
    total, terms = multi_teacher.acs(*args)
    np.testing.assert_array_equal(terms["mk"], 0.0)
    np.testing.assert_allclose(total, terms["ce"] + terms["kl"], rtol=1e-6)
    gated, terms = multi_teacher.acs(*args, gate_kl=True)
    np.testing.assert_allclose(gated, terms["ce"], rtol=1e-6)


def test_loss_gate_includes_equality_and_closes_as_the_student_fits():
    values = jnp.array([[1.0, 2.0, 3.0]])
    loss = jnp.full(3, 2.0)
    np.testing.assert_array_equal(multi_teacher.loss_gates(values, loss), [[1, 1, 0]])
    fitted, right = 20 * jnp.asarray(RIGHT), jnp.asarray(np.stack([RIGHT, RIGHT]))
    _, terms = multi_teacher.acs(fitted, right, *arrays(6)[2:], gate="loss", alpha=0.0)
    np.testing.assert_array_equal(terms["mk"], 0.0)


def test_batch_gate_reads_the_mean_of_the_real_examples():
    args = arrays(7)
    mask = jnp.array([1.0, 1.0, 1.0, 0.0])
    three = tuple(a[:, :3] if a.ndim == 3 else a[:3] for a in args)
    want, _ = multi_teacher.acs(*three, gate="batch_loss")
    got, _ = multi_teacher.acs(*args, gate="batch_loss", mask=mask)
    np.testing.assert_allclose(got[:3], want, rtol=1e-6)


def test_a_target_takes_the_place_of_the_label_for_the_student_alone():
    args = arrays(8)
    target = jnp.full((4, CLASSES), 1 / CLASSES)
    _, hard = multi_teacher.acs(*args)
    _, soft = multi_teacher.acs(*args, target=target)
    np.testing.assert_allclose(
        soft["ce"],
        reference.soft_cross_entropy(*map(np.asarray, (args[0], target))),
        1e-5,
    )
    for name in ("kl", "mk", "semantic"):
        np.testing.assert_array_equal(soft[name], hard[name])


@pytest.mark.parametrize("name", ["temperature", "mk_temperature"])
@pytest.mark.parametrize("form", multi_teacher.FORMS)
def test_temperatures_must_be_positive(name, form):
    with pytest.raises(ValueError, match="temperature must be positive, not 0.0"):
        multi_teacher.acs(*arrays(), mk_form=form, **{name: 0.0})


@pytest.mark.parametrize("name", ["gate", "select", "mk_form"])
def test_unknown_options_are_named_with_their_choices(name):
    with pytest.raises(ValueError, match=f"{name} must be one of .*, not 'maybe'"):
        multi_teacher.acs(*arrays(), **{name: "maybe"})


def test_wrong_shapes_are_named():
    student, teachers, label, hidden, hiddens = arrays()
    with unchecked_types():
        with pytest.raises(ValueError, match=r"teacher has shape \(3, 4\)"):
            multi_teacher.acs(student, teachers[:, :3], label, hidden, hiddens)
        for wrong in (hiddens[..., :4], hiddens[:1]):
            with pytest.raises(ValueError, match="hidden_teachers has shape"):
                multi_teacher.acs(student, teachers, label, hidden, wrong)
        with pytest.raises(ValueError, match=r"gates has shape \(3, 4\)"):
            multi_teacher.gated_weights(jnp.ones((2, 4)), jnp.ones((3, 4)))
        with pytest.raises(ValueError, match=r"loss has shape \(3,\)"):
            multi_teacher.loss_gates(jnp.ones((2, 4)), jnp.ones(3))
