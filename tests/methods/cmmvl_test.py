"""CMMVL: its loss against the loop, and the student axis under vmap, pmap and a mesh."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kdjax import core, parallel
from kdjax.methods import cmmvl, common, supervised
from kdjax.models.adapters import ViewPredictor
from tests import reference, tiny

KEY = jax.random.key(4)
ROWS, VIEWS = 8, 4


class Video(nn.Module):
    """A video network of one convolution, normalised over the views as well."""

    norm_axis: str | None = parallel.VIEW

    def setup(self):
        self.head = nn.Dense(tiny.CLASSES)
        self.norm = nn.BatchNorm(momentum=0.9, axis_name=self.norm_axis)
        self.conv = nn.Conv(6, (3, 3, 3))

    def __call__(self, x, *, train):
        x = self.norm(self.conv(x), use_running_average=not train)
        features = nn.tanh(x).mean(axis=(1, 2, 3))
        return {"logits": self.classify(features), "features": features}

    def classify(self, features):
        return self.head(features)


def main_view(batch):
    return {**batch, "rgb": batch["rgb"][:, -1]}


def student(norm_axis=parallel.VIEW):
    return core.Network(Video(norm_axis), ("rgb",), main_view)


def predictor(norm_axis=parallel.VIEW, projector=0):
    return functools.partial(
        ViewPredictor, hidden=3, projector=projector, norm_axis=norm_axis
    )


TEACHERS = {"teacher": supervised.make(network=tiny.network("skeleton"))}


def make(norm_axis=parallel.VIEW, projector=0, **options):
    return cmmvl.make(
        network=student(norm_axis),
        teachers=TEACHERS,
        adapter=predictor(norm_axis, projector),
        **options,
    )


def batch_of(rows=ROWS, views=VIEWS, padding=0, seed=0):
    shape = (rows, views, 3, 4, 4, 2)
    rgb = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return {**tiny.batch(seed, rows, padding=padding), "rgb": jnp.asarray(rgb)}


@functools.cache
def teacher():
    return {"teacher": jax.jit(TEACHERS["teacher"].init)(KEY, batch_of(), {})}


def answers(batch):
    """The teacher's logits."""
    return jax.jit(TEACHERS["teacher"].predict)(*teacher()["teacher"], batch)["logits"]


def variables(method):
    return jax.jit(method.init)(KEY, batch_of(), teacher())


def moved(params):
    """Parameters away from their start, where biases are zero."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(8), len(leaves))
    noise = [0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)]
    return jax.tree.unflatten(tree, [x + n for x, n in zip(leaves, noise)])


OPTIONS = [
    {},
    {"view_weight": 1.0},
    {"ce_target": "ground_truth", "temperature": 4.0, "kl_t2": True},
    {"ce_target": "soft", "kl_weight": 0.5, "ce_weight": 2.0},
    {"aux_view_ce": "all"},
    {"aux_view_ce": "head_only"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equals_the_loop_of_the_paper(options):
    given = {"view_weight": 0.005, "temperature": 2.0, **options}
    method, batch = make(norm_axis=None, **given), batch_of(padding=2)
    params, state = variables(method)
    params = moved(params)
    loss, (_, metrics) = jax.jit(method.loss)(params, state, teacher(), batch, KEY)
    taught = answers(batch)
    network, adapter = student(None), predictor(None)()
    own = common.deployed(params)
    outputs, z = [], []
    for view in range(VIEWS):
        one = {**batch, "rgb": batch["rgb"][:, view]}
        found, _ = jax.jit(network.train)(own, common.deployed(state), one, KEY)
        outputs.append(found["logits"])
        (prediction, features), _ = adapter.apply(
            {"params": params[common.ADAPTERS], **state[common.ADAPTERS]},
            found["features"],
            train=True,
            mutable=["batch_stats"],
        )
        z.append((prediction, features))
    predictions, targets = (np.stack(each, axis=1) for each in zip(*z))
    kl = reference.kd_kl(
        outputs[-1],
        taught,
        temperature=given["temperature"],
        kd_t2=given.get("kl_t2", False),
    )
    target = {
        "pseudo": np.eye(tiny.CLASSES)[np.argmax(taught, axis=-1)],
        "ground_truth": np.eye(tiny.CLASSES)[batch["label"]],
        "soft": np.array([reference.softmax(t) for t in taught]),
    }[given.get("ce_target", "pseudo")]
    heard = outputs if given.get("aux_view_ce", "none") != "none" else outputs[-1:]
    ce = sum(reference.soft_cross_entropy(each, target) for each in heard)
    view = reference.view_agreement(predictions, targets)
    want = {
        name: np.mean(each[: ROWS - 2])
        for name, each in {"kl": kl, "ce": ce, "view": view}.items()
    }
    for name, value in want.items():
        np.testing.assert_allclose(metrics[name], value, rtol=2e-5, err_msg=name)
    total = (
        given.get("kl_weight", 1.0) * want["kl"] + given["view_weight"] * want["view"]
    )
    total += given.get("ce_weight", 1.0) * want["ce"]
    np.testing.assert_allclose(loss, total, rtol=2e-5)
    hit = np.argmax(outputs[-1], axis=-1) == np.asarray(batch["label"])
    np.testing.assert_allclose(metrics["accuracy"], np.mean(hit[: ROWS - 2]), rtol=1e-6)


FORMS = [
    ("joint", {}),
    ("separate", {"norm_axis": None}),
    ("simsiam", {"projector": 5}),
]


@pytest.mark.parametrize("options", dict(FORMS).values(), ids=dict(FORMS))
def test_vmap_pmap_and_mesh_agree(options, request):
    if "projector" in options:
        request.getfixturevalue("optimised")
    method = make(view_weight=1.0, aux_view_ce="all", **options)
    batch = batch_of(padding=1)
    params, state = variables(method)
    params = moved(params)
    taught = answers(batch)
    batch = {**batch, cmmvl.TAUGHT: taught}
    axis = options.get("norm_axis", parallel.VIEW)
    view_loss = cmmvl.make_view_loss(
        network=student(axis),
        predictor=predictor(axis, options.get("projector", 0))(),
        view_weight=1.0,
        aux_view_ce="all",
    )
    gradient = jax.jit(
        jax.value_and_grad(parallel.sum_over_views(view_loss), has_aux=True)
    )
    want = gradient(params, state, {}, batch, KEY)
    mapped = parallel.pmap_over_views(view_loss)(params, state, {}, batch, KEY)
    mesh = parallel.data_mesh(views=VIEWS)
    assert dict(mesh.shape) == {"data": 2, "view": VIEWS}
    spread = gradient(
        parallel.replicate(params, mesh),
        parallel.replicate(state, mesh),
        {},
        parallel.shard_batch(batch, mesh),
        KEY,
    )
    assert float(optax.tree.norm(want[1])) > 1e-2
    tiny.assert_close(mapped, want, atol=2e-6, rtol=2e-6)
    tiny.assert_close(spread, want, atol=2e-6, rtol=2e-6)


def test_joint_normalisation_is_that_of_one_concatenated_batch():
    params, state = variables(make())
    batch = batch_of()
    own, kept = common.deployed(moved(params)), common.deployed(state)
    folded = {"rgb": batch["rgb"].reshape(-1, *batch["rgb"].shape[2:])}
    want, updated = jax.jit(student(None).train)(own, kept, folded, KEY)

    def one(rgb):
        return student().train(own, kept, {"rgb": rgb}, KEY)

    views = jax.vmap(one, in_axes=1, out_axes=(1, None), axis_name="view")
    found, state = jax.jit(views)(batch["rgb"])
    logits = found["logits"].reshape(-1, tiny.CLASSES)
    np.testing.assert_allclose(logits, want["logits"], atol=1e-6)
    tiny.assert_close(state, updated)


def gradient_of(batch=None, **options):
    method = make(**options)
    params, state = variables(method)
    scalar = lambda *args: method.loss(*args)[0]
    batch = batch_of() if batch is None else batch
    return jax.jit(jax.grad(scalar))(moved(params), state, teacher(), batch, KEY)


def test_other_views_are_deaf_to_the_teacher():
    """Without the view term the main view's gradient is the whole."""
    batch = batch_of()
    batch["rgb"] = batch["rgb"].at[:, :-1].set(7.0)
    want = gradient_of(norm_axis=None, view_weight=0.0)
    tiny.assert_close(gradient_of(batch, norm_axis=None, view_weight=0.0), want)


def test_head_only_teaches_other_views_the_last_layer_alone():
    none, head, every = (
        gradient_of(norm_axis=None, view_weight=0.0, aux_view_ce=name)
        for name in cmmvl.AUX_VIEW_CE
    )
    tiny.assert_close(head["conv"], none["conv"])
    assert float(jnp.abs(head["head"]["kernel"] - none["head"]["kernel"]).max()) > 1e-3
    tiny.assert_close(head["head"], every["head"])
    assert float(jnp.abs(every["conv"]["kernel"] - none["conv"]["kernel"]).max()) > 1e-3


def test_stored_logits_stand_for_the_teacher():
    method, batch = make(), batch_of()
    params, state = variables(method)
    want = jax.jit(method.loss)(params, state, teacher(), batch, KEY)
    taught = answers(batch)
    stored = {**batch, common.stored_key("teacher"): taught}
    del stored["skeleton"]
    tiny.assert_close(jax.jit(method.loss)(params, state, {}, stored, KEY), want)


@pytest.mark.parametrize("views", [1, 2, 5])
def test_any_number_of_views_learns(views):
    method, batch = make(ce_target="ground_truth"), batch_of(views=views)
    optimizer = optax.adam(0.01)
    params, state = variables(method)
    step = jax.jit(functools.partial(core.train_step, method, optimizer))
    kept = core.TrainState(
        jnp.zeros((), jnp.int32), params, state, optimizer.init(params)
    )
    before = tiny.copy(teacher())
    losses = []
    for _ in range(30):
        kept, metrics = step(kept, teacher(), batch, KEY)
        losses.append(float(metrics["kl"] + metrics["ce"]))
    assert losses[-1] < 0.9 * losses[0]
    tiny.assert_same(tiny.copy(teacher()), before)


def test_predicts_from_the_main_view():
    method, batch = make(), batch_of()
    params, state = variables(method)
    other = {**batch, "rgb": batch["rgb"].at[:, :-1].set(0.0)}
    want = method.predict(params, state, batch)["logits"]
    assert want.shape == (ROWS, tiny.CLASSES)
    tiny.assert_same(method.predict(params, state, other)["logits"], want)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ce_target": "guess"}, "ce_target"),
        ({"aux_view_ce": "some"}, "aux_view_ce"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_an_option_without_such_a_value_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_teacher_is_asked_for():
    with pytest.raises(ValueError, match="a teacher or several, none is given"):
        cmmvl.make(network=student(), teachers={}, adapter=predictor())


def test_several_teachers_answer_with_their_mean_probability():
    first, second = jax.random.normal(KEY, (2, 3, 5))
    np.testing.assert_array_equal(cmmvl.mean_answer([first]), first)
    mean = (jax.nn.softmax(first) + jax.nn.softmax(second)) / 2
    got = jax.nn.softmax(cmmvl.mean_answer([first, second]))
    np.testing.assert_allclose(got, mean, rtol=1e-5)


def test_the_predictor_is_the_papers():
    module = ViewPredictor()
    shapes = jax.eval_shape(lambda: module.init(KEY, jnp.zeros((2, 1024)), train=False))
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    # cmmvl.md A4: 1024 * 512 + 2 * 512 + 512 * 1024 + 1024
    assert count == 1_050_624
