"""Terms by name, their sum, what padding and several devices change, who learns."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax import core, parallel
from kdjax.core import Network
from kdjax.losses import consistency, features, multilabel
from kdjax.losses import logits as divergences
from kdjax.methods import vicokd
from tests import tiny

KEY = jax.random.key(3)
VIEWS, STEPS, CLASSES, WIDTH = 3, 6, 4, 8
EVERY = dict.fromkeys(vicokd.TERMS, 1.0)


class Scene(nn.Module):
    """Every output that a term reads, of a few dozen parameters.

    Attributes:
      sound: whether there is any, real or made up.
    """

    sound: bool = True

    @nn.compact
    def __call__(self, pictures, *rest, train):
        there = rest[-1][..., None]
        visual = jnp.tanh(nn.Dense(WIDTH, name="visual")(pictures))
        heard = rest[0] if len(rest) > 1 else visual
        audio = nn.Dense(WIDTH, name="audio")(heard)
        attn = jnp.tanh(audio) * visual
        av = visual + attn if self.sound else visual
        view_frame_logits = nn.Dense(CLASSES, name="frames")(av)
        low = jnp.where(there > 0, view_frame_logits, -1e9)
        frame_logits = jnp.where(there.max(1) > 0, low.max(axis=1), 0.0)
        weight = there.max(1)
        mean = (frame_logits * weight).sum(1) / jnp.maximum(weight.sum(1), 1.0)
        logits = nn.Dense(CLASSES, name="sequence")(mean)
        score = jnp.where(weight > 0, frame_logits, -1e9)
        flow = nn.sigmoid(nn.Dense(1, name="flow")(frame_logits))[..., 0]
        rgb = nn.sigmoid(nn.Dense(1, name="rgb")(frame_logits))[..., 0]
        return {
            "visual": visual,
            "audio": audio,
            "attn": attn,
            "av": av,
            "view_frame_logits": view_frame_logits,
            "frame_logits": frame_logits,
            "seq_logits": logits,
            "logits": logits,
            "human_logits": nn.Dense(1, name="human")(visual)[..., 0],
            "actionness_flow": flow,
            "actionness_rgb": rgb,
            "selected": jax.lax.top_k(score.transpose(0, 2, 1), 2)[1].transpose(
                0, 2, 1
            ),
        }


TEACHER = vicokd.make(
    network=Network(Scene(), ("pictures", "sounds", "present")),
    weights=dict(frames=1.0, sequence=1.0),
)
STUDENT = Network(Scene(), ("pictures", "present"))


def batch(rows=4, padding=0, steps=STEPS, views=VIEWS):
    """Recordings whose last `padding` are none; the first begins two frames late."""
    random = np.random.default_rng(7)
    shape = (rows, views, steps)
    frame_labels = random.random((rows, steps, CLASSES)) < 0.3
    values = {
        "pictures": random.normal(size=(*shape, 5)),
        "sounds": random.normal(size=(*shape, 6)),
        "audible": random.random(shape) < 0.8,
        "visible": random.random(shape) * (random.random(shape) < 0.7),
        "present": np.ones(shape),
        "frame_labels": frame_labels,
        "labels": frame_labels.any(axis=1),
        "mask": np.arange(rows) < rows - padding,
    }
    return {name: jnp.asarray(x, jnp.float32) for name, x in values.items()}


def padded(values, views=1, steps=2):
    """The same recordings with cameras and frames of garbage that are marked so."""
    random, out = np.random.default_rng(8), dict(values)
    for name, axis, count in (("views", 1, views), ("steps", 2, steps)):
        for key in ("pictures", "sounds", "audible", "visible", "present"):
            shape = list(out[key].shape)
            shape[axis] = count
            fill = np.zeros(shape) if key == "present" else random.normal(size=shape)
            extra = jnp.asarray(fill, jnp.float32)
            out[key] = jnp.concatenate([out[key], extra], axis)
        if name == "steps":
            extra = jnp.ones((len(out["labels"]), count, CLASSES))
            out["frame_labels"] = jnp.concatenate([out["frame_labels"], extra], axis=1)
    return out


@functools.cache
def frozen():
    return {"teacher": jax.jit(TEACHER.init)(jax.random.key(1), batch(), {})}


def make(weights=vicokd.PAPER, **options):
    return vicokd.make(
        network=STUDENT, teachers={"teacher": TEACHER}, weights=weights, **options
    )


@functools.cache
def variables():
    """The student's, whatever its terms."""
    return jax.jit(make(EVERY).init)(KEY, batch(), frozen())


@functools.cache
def differentiated():
    method = make(EVERY)
    run = jax.jit(jax.value_and_grad(method.loss, argnums=(0, 2), has_aux=True))
    return run, *variables()


def measured(values):
    """Loss and all terms, the student's and the teacher's gradients."""
    run, params, state = differentiated()
    (loss, (_, metrics)), gradients = run(params, state, frozen(), values, KEY)
    return loss, metrics, gradients


def loss_of(values, weights, **options):
    """Loss and terms alone."""
    run = jax.jit(make(weights, **options).loss)
    loss, (_, metrics) = run(*variables(), frozen(), values, KEY)
    return loss, metrics


def answers(values):
    ours, _ = jax.jit(STUDENT.train)(*variables(), values, KEY)
    return ours, jax.jit(TEACHER.predict)(*frozen()["teacher"], values)


def test_terms_that_compare_examples_say_so():
    method, values = make(EVERY), batch()
    _, params, state = differentiated()
    run = jax.jit(method.loss)

    def terms(rows):
        return run(params, state, frozen(), rows, KEY)[1][1]

    halves = [jax.tree.map(lambda x, n=n: x[n::2], values) for n in (0, 1)]
    whole, (one, two) = terms(values), map(terms, halves)
    apart = {n for n in EVERY if abs(whole[n] - (one[n] + two[n]) / 2) > 1e-4}
    assert set(method.coupled) == apart
    assert make().coupled == ("frames", "sequence")


def test_every_term_is_the_function_it_names_and_the_loss_is_their_weighted_sum():
    values = batch()
    weights = {name: 0.1 * (i + 1) for i, name in enumerate(vicokd.TERMS)}
    loss, metrics = loss_of(values, weights)
    ours, theirs = answers(values)
    rows = (-1, CLASSES)
    heard = values["present"] * values["audible"]
    sounds = features.hallucination(ours["audio"], theirs["audio"], mask=heard).mean()
    acted = np.zeros((4, STEPS), np.float32)
    for row, frame, k in np.ndindex(*ours["selected"].shape):
        if values["labels"][row, k]:
            acted[row, ours["selected"][row, frame, k]] = 1.0
    branches = [ours["actionness_flow"], ours["actionness_rgb"]]
    want = {
        "frames": multilabel.two_way(
            ours["frame_logits"].reshape(rows), values["frame_labels"].reshape(rows)
        ),
        "sequence": multilabel.two_way(ours["seq_logits"], values["labels"]),
        "actionness": multilabel.two_way(ours["logits"], values["labels"])
        + sum(
            multilabel.generalised_cross_entropy(p, jnp.asarray(acted)).mean()
            for p in branches
        ),
        "features": features.feature_distillation(
            [ours["attn"], ours["av"]], [theirs["attn"], theirs["av"]]
        ).mean(),
        "logits": divergences.frame_kl(
            ours["frame_logits"], theirs["frame_logits"]
        ).mean(),
        "views": consistency.view_consistency(
            ours["view_frame_logits"], values["visible"], threshold=0.25
        ).mean(),
        "modalities": features.hallucination(ours["visual"], theirs["visual"]).mean()
        + sounds,
        "hallucination": sounds,
        "humans": multilabel.human_cross_entropy(
            ours["human_logits"], values["visible"]
        ).mean(),
    }
    assert want.keys() == vicokd.TERMS.keys() == metrics.keys() - {"loss"}
    for name, value in want.items():
        np.testing.assert_allclose(metrics[name], value, rtol=2e-5, err_msg=name)
    total = sum(weights[name] * value for name, value in want.items())
    np.testing.assert_allclose(loss, total, rtol=1e-5)


def test_padding_of_examples_cameras_and_frames_changes_no_term():
    want, terms, gradients = measured(batch())
    loss, metrics, got = measured(padded(batch()))
    for name in terms:
        np.testing.assert_allclose(metrics[name], terms[name], rtol=2e-5, err_msg=name)
    np.testing.assert_allclose(loss, want, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(got[0]), jax.tree.leaves(gradients[0])):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    # The last example is padding: the loss is that of the others.
    alone = {name: array[:3] for name, array in batch().items()}
    _, terms = loss_of(alone, EVERY)
    _, metrics = loss_of(batch(padding=1), EVERY)
    for name in terms:
        np.testing.assert_allclose(metrics[name], terms[name], rtol=2e-5, err_msg=name)


def test_no_gradient_reaches_the_teacher():
    _, _, (ours, theirs) = measured(batch())
    assert all((g == 0).all() for g in jax.tree.leaves(theirs))
    assert all((g != 0).any() for g in jax.tree.leaves(ours))


def test_a_term_without_weight_is_not_computed():
    _, metrics = loss_of(batch(), dict(sequence=1.0, views=0.0))
    assert set(metrics) == {"loss", "sequence"}
    # So that masks are wanted by the views term alone.
    blind = {name: array for name, array in batch().items() if name != "visible"}
    with pytest.raises(KeyError, match="no person masks"):
        loss_of(blind, dict(views=1.0))
    loss_of(blind, dict(views=1.0), view_consistency={"masked": False})


def test_options_reach_their_terms():
    values = batch()
    cases = {
        "logits": (dict(temperature=1.0), dict(logit_kind="sigmoid"), dict(logit_views=True)),
        "features": (dict(reduction="mean"),),
        "hallucination": (dict(form="sigmoid"),),
        "views": (
            dict(human_confidence=0.6),
            dict(view_consistency=dict(weight="none")),
            dict(view_consistency=dict(divergence="kl")),
        ),
        "frames": (dict(groups=2),),
    }  # fmt: skip
    for term, variations in cases.items():
        usual, _ = loss_of(values, {term: 1.0})
        for options in variations:
            assert loss_of(values, {term: 1.0}, **options)[0] != usual, options


def test_the_global_batch_is_seen_over_devices_and_its_parts_where_that_is_asked():
    if jax.device_count() < 8:
        pytest.skip("needs 8 devices")
    mesh, values = parallel.data_mesh(jax.devices()[:8]), batch(rows=8)
    method = make(EVERY)
    params, state = variables()
    run = jax.jit(jax.value_and_grad(method.loss, has_aux=True))
    (want, _), gradient = run(params, state, frozen(), values, KEY)
    spread = parallel.shard_batch(
        {name: np.asarray(array) for name, array in values.items()}, mesh
    )
    where = parallel.replicate((params, state, frozen()), mesh)
    (got, _), over = run(*where, spread, KEY)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(over), jax.tree.leaves(gradient)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    halves = [{k: v[i : i + 4] for k, v in values.items()} for i in (0, 4)]
    shards = [loss_of(half, dict(frames=1.0))[0] for half in halves]
    by_parts, _ = loss_of(values, dict(frames=1.0), groups=2)
    np.testing.assert_allclose(by_parts, np.mean(shards), rtol=1e-5)


def test_a_student_can_start_from_its_teacher():
    taught, _ = frozen()["teacher"]
    start = jax.jit(make(init_from_teacher=True).init)
    (params, _), (own, _) = start(KEY, batch(), frozen()), variables()
    for name in ("visual", "frames", "sequence"):
        tiny.assert_same(params[name], taught[name])
    # Sound has six numbers, what the student makes it of eight.
    assert params["audio"]["kernel"].shape != taught["audio"]["kernel"].shape
    tiny.assert_same(params["audio"]["kernel"], own["audio"]["kernel"])


def test_a_few_steps_lower_the_loss_and_leave_the_teacher_as_it_was():
    method, optimizer, values = make(), optax.adam(2e-2), batch()
    before = tiny.copy(frozen())
    state = core.init_state(method, optimizer, KEY, values, frozen())
    step = jax.jit(functools.partial(core.train_step, method, optimizer))
    losses = []
    for _ in range(30):
        state, metrics = step(state, frozen(), values, KEY)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.7 * losses[0]
    tiny.assert_same(frozen(), before)


def test_recordings_without_any_action_leave_everything_finite():
    values = {**batch(), "labels": jnp.zeros((4, CLASSES))}
    values["frame_labels"] = jnp.zeros((4, STEPS, CLASSES))
    values["visible"] = jnp.zeros_like(values["visible"])
    values["audible"] = jnp.zeros_like(values["audible"])
    loss, metrics, (gradient, _) = measured(values)
    assert metrics["frames"] == metrics["sequence"] == metrics["views"] == 0
    assert all(jnp.isfinite(leaf).all() for leaf in (loss, *jax.tree.leaves(gradient)))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="no terms.*sounds"):
        make(dict(sounds=1.0))
    with pytest.raises(ValueError, match="no teacher is given"):
        vicokd.make(network=STUDENT, weights=dict(features=1.0))
    with pytest.raises(ValueError, match="no teacher is given"):
        vicokd.make(network=STUDENT, weights=dict(frames=1.0), init_from_teacher=True)
    with pytest.raises(ValueError, match="one teacher at most"):
        vicokd.make(network=STUDENT, teachers={"a": TEACHER, "b": TEACHER})
