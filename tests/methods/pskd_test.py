import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.losses.multi_teacher import acs
from kdjax.methods import distill, pskd, supervised
from tests import reference, tiny

KEY = jax.random.key(9)
# No normalisation in training: rows meet each other in the options alone.
STUDENT = tiny.network(norm=False)
# Their order is not the alphabet's, and they differ in what they see.
TEACHERS = {
    "teacher_skeleton": supervised.make(network=tiny.network("skeleton", width=4)),
    "teacher_fusion": supervised.make(
        network=tiny.network("skeleton", "inertial", graph=True)
    ),
}
DEFAULTS = {
    "temperature": 4.0,
    "mk_temperature": 4.0,
    "alpha": 1.0,
    "beta": 1.0,
    "gamma": None,
    "gate": "correct",
    "select": "soft",
    "mk_form": "cross_entropy",
    "kd_t2": True,
    "gate_kl": False,
    "renorm": False,
}
OPTIONS = [
    {},
    {"temperature": 2.0, "alpha": 0.3},
    {"mk_temperature": 1.0, "beta": 0.7},
    {"gamma": 0.25},
    {"gate": "loss"},
    {"gate": "batch_loss"},
    {"gate": "none"},
    {"gate": "none", "select": "hard"},
    {"mk_form": "kl"},
    {"kd_t2": False},
    {"gate_kl": True},
    {"gate": "loss", "renorm": True},
]


def batch_of(padding=2):
    return tiny.batch(seed=3, padding=padding)


@functools.cache
def teacher_variables():
    keys = dict(zip(TEACHERS, jax.random.split(jax.random.key(1))))
    return {
        name: jax.jit(method.init)(keys[name], batch_of(), {})
        for name, method in TEACHERS.items()
    }


@functools.cache
def student_variables():
    method = pskd.make(network=STUDENT, teachers=TEACHERS)
    return jax.jit(method.init)(KEY, batch_of(), teacher_variables())


def logged(batch, **options):
    """The loss and the metrics on a batch."""
    method = pskd.make(network=STUDENT, teachers=TEACHERS, **options)
    loss, (_, metrics) = jax.jit(method.loss)(
        *student_variables(), teacher_variables(), batch, KEY
    )
    return loss, metrics


@functools.cache
def outputs():
    """What the student and the teachers make of the real rows, on the host."""
    batch = jax.tree.map(lambda x: x[:6], batch_of())
    student = jax.jit(STUDENT.infer)(*student_variables(), batch)
    taught = [
        jax.jit(method.predict)(*teacher_variables()[name], batch)
        for name, method in TEACHERS.items()
    ]
    return tiny.copy(student), tiny.copy(taught), np.asarray(batch["label"])


def expected_terms(**options):
    """Means of the four terms over the real rows, from the loops of the equations."""
    student, taught, label = outputs()
    terms = reference.acs_terms(
        student["logits"],
        [each["logits"] for each in taught],
        label,
        student["hidden"],
        [each["hidden"] for each in taught],
        options={**DEFAULTS, **options},
    )
    return {name: values.mean() for name, values in terms.items()}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_reading_logs_its_terms_and_adds_them_up(options):
    loss, metrics = logged(batch_of(), **options)
    assert set(metrics) == {"loss", "ce", "kl", "mk", "semantic", "accuracy"}
    for name, value in expected_terms(**options).items():
        # Divergences are small differences of large numbers, times tau squared.
        np.testing.assert_allclose(
            metrics[name], value, rtol=1e-5, atol=5e-6, err_msg=name
        )
    weights = {**DEFAULTS, **options}
    gamma = 1 / 7 if weights["gamma"] is None else weights["gamma"]
    total = metrics["ce"] + weights["alpha"] * metrics["kl"]
    total += weights["beta"] * metrics["mk"] + gamma * metrics["semantic"]
    np.testing.assert_allclose(loss, total, rtol=1e-6)
    assert metrics["loss"] == loss


@pytest.mark.parametrize("gate", ["correct", "batch_loss"])
def test_neither_teachers_nor_padding_matter_to_the_gradient(gate):
    method = pskd.make(network=STUDENT, teachers=TEACHERS, gate=gate, gate_kl=True)
    run = jax.jit(jax.value_and_grad(method.loss, argnums=(0, 2), has_aux=True))
    variables = *student_variables(), teacher_variables()
    clean = run(*variables, batch_of(), KEY)
    dirty = run(*variables, tiny.with_garbage(batch_of()), KEY)
    tiny.assert_close(clean, dirty, atol=2e-6)
    _, (ours, theirs) = clean
    assert any(np.any(leaf) for leaf in jax.tree.leaves(ours))
    for leaf in jax.tree.leaves(theirs):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))


def test_the_batch_shows_what_the_readings_differ_in():
    # Some teacher is wrong and some right, else the gates were all the same.
    _, taught, label = outputs()
    right = [(each["logits"].argmax(-1) == label).mean() for each in taught]
    assert 0 < np.mean(right) < 1
    seen = [tuple(expected_terms(**options).values()) for options in OPTIONS]
    weights_alone = [{}, {"gamma": 0.25}]
    different = {s for s, options in zip(seen, OPTIONS) if options not in weights_alone}
    assert len(different) == len(OPTIONS) - len(weights_alone)


def test_a_student_starts_as_it_would_under_any_other_method():
    alone = supervised.make(network=STUDENT)
    one = {"teacher_fusion": TEACHERS["teacher_fusion"]}
    baseline = distill.make(network=STUDENT, teachers=one, term="logit")
    for method in (alone, baseline):
        params, _ = jax.jit(method.init)(KEY, batch_of(), teacher_variables())
        for name, part in student_variables()[0].items():
            tiny.assert_same(params[name], part)


def test_label_smoothing_and_mixtures_reach_the_students_cross_entropy_alone():
    def mixed(key, batch):
        one_hot = jax.nn.one_hot(batch["label"], tiny.CLASSES)
        return {**batch, "target": (one_hot + one_hot[:1]) / 2}

    _, metrics = logged(batch_of(), augment=mixed, label_smoothing=0.2)
    student, _, label = outputs()
    one_hot = np.eye(tiny.CLASSES)[label]
    target = (one_hot + one_hot[:1]) / 2
    expected = reference.soft_cross_entropy(
        student["logits"], target, label_smoothing=0.2
    )
    np.testing.assert_allclose(metrics["ce"], expected.mean(), rtol=1e-5)
    for name in ("kl", "mk", "semantic"):
        np.testing.assert_allclose(metrics[name], expected_terms()[name], rtol=1e-4)


def test_a_one_hot_target_is_the_label():
    student, taught, label = jax.tree.map(jnp.asarray, outputs())
    teachers = jnp.stack([each["logits"] for each in taught])
    hidden = jnp.stack([each["hidden"] for each in taught])
    values = [
        acs(
            student["logits"],
            teachers,
            label,
            student["hidden"],
            hidden,
            gate="loss",
            target=target,
        )
        for target in (None, jax.nn.one_hot(label, tiny.CLASSES))
    ]
    tiny.assert_close(*values)


def test_prediction_needs_no_teacher():
    method = pskd.make(network=STUDENT, teachers=TEACHERS)
    params, state = student_variables()
    batch = {"inertial": batch_of()["inertial"]}
    logits = jax.jit(method.predict)(params, state, batch)["logits"]
    np.testing.assert_allclose(logits[:6], outputs()[0]["logits"], atol=1e-6)


def test_a_student_without_teachers_is_refused():
    with pytest.raises(ValueError, match="PSKD needs at least one teacher"):
        pskd.make(network=STUDENT, teachers={})


def test_one_teacher_is_enough():
    one = {"teacher_skeleton": TEACHERS["teacher_skeleton"]}
    method = pskd.make(network=STUDENT, teachers=one, gate="none", mk_form="kl")
    loss = jax.jit(method.loss)
    _, (_, metrics) = loss(*student_variables(), teacher_variables(), batch_of(), KEY)
    # Its weight is one, and the two softened divergences are the same number.
    np.testing.assert_allclose(metrics["mk"], metrics["kl"], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"gate": "always"}, ValueError, "gate must be one of correct"),
        ({"select": "best"}, ValueError, "select must be one of"),
        ({"mk_form": "mse"}, ValueError, "mk_form must be one of"),
        ({"temperature": 0.0}, ValueError, "temperature must be positive"),
        ({"tau": 4.0}, TypeError, "tau"),
    ],
    ids=str,
)
def test_an_unknown_reading_is_refused_before_any_training(options, error, message):
    with pytest.raises(error, match=message):
        pskd.make(network=STUDENT, teachers=TEACHERS, **options)
