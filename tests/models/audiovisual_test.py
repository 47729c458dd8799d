import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models import audiovisual
from tests import reference_cameras as reference
from tests.models.scenes import TINY, array, filled, lengthen, run

WIDTH, CLASSES = 8, 3
BACKBONES = list(TINY)
VIT = dict(name="vit", patch=4, width=WIDTH, depth=1, heads=2, hidden=6)
AST = dict(name="spectrogram", width=6, depth=1, heads=2, hidden=6)


LIGHT = dict(name="multiasl", depth=0, ratio=3)
"""A backbone of no layers, for what happens before it."""


def tiny(backbone=None, **options):
    """A network on given features."""
    given = dict(visual="identity", audio="identity", heads=2)
    return audiovisual.Model(
        CLASSES, **{**given, "backbone": backbone or LIGHT, **options}
    )


def named(backbone, **options):
    return dict(name=backbone, **{**TINY[backbone], **options})


def streams(sound="audio", views=3, frames=6):
    """Two clips; of the second one view and one frame of another are missing."""
    visual, audio = (array(2, views, frames, WIDTH, seed=i) for i in (0, 1))
    present = jnp.ones((2, views, frames)).at[1, views - 1].set(0.0)
    present = present.at[1, 0, frames - 1].set(0.0)
    audible = present.at[0, 0, ::2].set(0.0).at[0, 1].set(0.0)
    return (visual, audio, audible, present) if sound == "audio" else (visual, present)


def shapes_of(model, *shapes):
    args = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.eval_shape(
        lambda *a: model.init_with_output(jax.random.key(0), *a, train=False)[0], *args
    )


@pytest.mark.parametrize(
    ("backbone", "sound", "views", "frames"),
    [
        *(("multitsf", "audio", 8, 7), ("multitsf", "none", 1, 1)),
        *(("multiasl", "none", 1, 5), ("multitrans", "pseudo", 8, 1)),
    ],
)
def test_every_backbone_gives_the_same_outputs(backbone, sound, views, frames):
    here = (2, views, frames)
    audio = [(*here, WIDTH), here] if sound == "audio" else []
    model = tiny(named(backbone), sound=sound, human=True)
    out = shapes_of(model, (*here, WIDTH), *audio, here)
    expected = {
        "visual": (*here, WIDTH),
        "av": (*here, WIDTH),
        "human_logits": here,
        "view_frame_logits": (*here, CLASSES),
        "frame_logits": (2, frames, CLASSES),
        "seq_logits": (2, CLASSES),
        "logits": (2, CLASSES),
        "features": (2, WIDTH),
    }
    heard = {name: (*here, WIDTH) for name in ("audio", "attn")}
    expected |= heard if sound != "none" else {}
    assert {name: out[name].shape for name in expected} == expected
    assert out["stages"] == ()
    assert sound != "none" or not {"audio", "attn"} & set(out)


def padded(views, frames):
    """More views and frames, of arbitrary values where nothing is present."""
    visual, audio, audible, present = streams()
    values = (visual, 9.0), (audio, -9.0), (audible, 1.0), (present, 0.0)
    return [
        lengthen(lengthen(x, 1, views, value), 2, frames, value) for x, value in values
    ]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_padding_changes_nothing_for_what_is_there(backbone):
    model = tiny(named(backbone))
    variables = filled(model, *streams())
    out = run(model, variables, *streams())
    more = run(model, variables, *padded(views=2, frames=3))
    for name in ("seq_logits", "logits", "features"):
        np.testing.assert_allclose(more[name], out[name], atol=1e-5, err_msg=name)
    there = np.asarray(streams()[-1]) > 0
    for name in ("attn", "av", "view_frame_logits"):
        got = more[name][:, :3, :6][there]
        np.testing.assert_allclose(got, out[name][there], atol=1e-5, err_msg=name)
    got = more["frame_logits"][:, :6]
    np.testing.assert_allclose(got, out["frame_logits"], atol=1e-5)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_gradients_are_finite_and_reach_every_parameter(backbone):
    model = tiny(named(backbone, depth=0), human=True)
    variables = filled(model, *streams())
    # The second clip is padding as a whole.
    args = [*streams()[:2], *(x.at[1].set(0.0) for x in streams()[2:])]

    def loss(params, args):
        out = model.apply({"params": params}, *args, train=False)
        whole = ("stages", "selected", "score")
        return sum((out[name] ** 2).sum() for name in sorted(set(out) - set(whole)))

    gradient, by_stream = jax.jit(jax.grad(loss, argnums=(0, 1)))(
        variables["params"], args
    )
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        name = jax.tree_util.keystr(path)
        assert np.isfinite(leaf).all(), name
        # A key's bias adds the same to all of a query's scores, and where there are no
        # layers the class token may be read by none.
        idle = name.endswith(("['key']['bias']", "['token']"))
        assert idle or np.abs(leaf).max() > 0, name
    assert all(np.isfinite(x).all() for x in by_stream)


def ready(**options):
    model = tiny(**options)
    return model, filled(model, *streams(options.get("sound", "audio")))


def test_attention_between_modalities_is_that_of_the_loops():
    model, variables = ready()
    args = streams()
    out = run(model, variables, *args)
    visual, audio, audible, present = (np.asarray(x, np.float64) for x in args)
    layers = variables["params"]["cross"]["attention"]
    for b in range(2):
        for v in range(3):
            heard = (audible[b, v] > 0) & (present[b, v] > 0)
            expected = reference.cross_modal(
                layers, visual[b, v], audio[b, v], heard, heads=2
            )
            np.testing.assert_allclose(out["attn"][b, v], expected, atol=1e-5)
    assert (out["attn"][0, 1] == 0).all()
    np.testing.assert_array_equal(out["av"], out["visual"] + out["attn"])


def test_a_student_guesses_the_sound_and_attends_to_all_of_it():
    model, variables = ready(sound="pseudo")
    visual, present = streams("pseudo")
    out = run(model, variables, visual, present)
    params = variables["params"]
    hidden = np.maximum(reference.dense(params["adapter"]["dense1"], visual), 0)
    guess = reference.dense(params["adapter"]["dense2"], hidden)
    np.testing.assert_allclose(out["audio"], guess, atol=1e-5)
    as_heard = tiny()
    rest = {name: part for name, part in params.items() if name != "adapter"}
    told = run(as_heard, {"params": rest}, visual, out["audio"], present, present)
    np.testing.assert_allclose(out["seq_logits"], told["seq_logits"], atol=1e-5)


def test_the_plain_student_sees_only():
    model, variables = ready(sound="none")
    out = run(model, variables, *streams("none"))
    np.testing.assert_array_equal(out["av"], out["visual"])
    assert set(variables["params"]) == {"backbone"}


def test_sound_of_another_width_is_projected():
    model = tiny()
    visual, audio, audible, present = streams()
    variables = filled(model, visual, audio[..., :4], audible, present)
    assert variables["params"]["project"]["kernel"].shape == (4, WIDTH)
    out = run(model, variables, visual, audio[..., :4], audible, present)
    expected = reference.dense(variables["params"]["project"], audio[..., :4])
    np.testing.assert_allclose(out["audio"], expected, atol=1e-5)


def test_concatenated_silence_is_zero():
    model, variables = ready(fusion="concat", human=True)
    visual, audio, audible, present = streams()
    out = run(model, variables, visual, audio, audible, present)
    heard = np.where(np.asarray(audible)[..., None] > 0, audio, 0)
    np.testing.assert_array_equal(out["av"], np.concatenate([visual, heard], -1))
    assert "attn" not in out
    human = reference.dense(variables["params"]["human"], visual)[..., 0]
    np.testing.assert_allclose(out["human_logits"], human, atol=1e-5)


def test_encoders_see_one_frame_at_a_time():
    model = tiny(visual=VIT, audio=AST)
    args = [array(1, 2, 3, 8, 8, 3), array(1, 2, 3, 26, 16), *2 * [jnp.ones((1, 2, 3))]]
    variables = filled(model, *args)
    out = run(model, variables, *args)
    other = [x.at[0, 1, 2].set(0.5) for x in args[:2]]
    moved = run(model, variables, *other, *args[2:])
    for name, width in (("visual", WIDTH), ("audio", WIDTH)):
        assert out[name].shape == (1, 2, 3, width)
        changed = np.abs(moved[name] - out[name]).max(axis=-1)
        assert changed[0, 1, 2] > 1e-3
        changed[0, 1, 2] = 0
        np.testing.assert_allclose(changed, 0, atol=1e-5)


def test_dropout_is_on_in_training_alone():
    model, variables = ready(dropout=0.5)

    def attn(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return model.apply(variables, *streams(), train=True, rngs=rngs)["attn"]

    first, second = jax.jit(attn)(0), jax.jit(attn)(1)
    assert np.abs(first - second).max() > 1e-3
    assert (first[0, 1] == 0).all()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_half_precision_keeps_its_outputs_in_single(backbone):
    model = tiny(named(backbone), dtype="bfloat16", human=True)
    out = shapes_of(model, *(x.shape for x in streams()))
    kinds = {name: out[name].dtype for name in set(out) - {"stages", "selected"}}
    assert set(kinds.values()) == {np.dtype("float32")}, kinds


def test_half_precision_is_about_the_same():
    model, variables = ready()
    out = run(model, variables, *streams())
    half = run(tiny(dtype="bfloat16"), variables, *streams())
    for name in ("attn", "av", "view_frame_logits", "seq_logits"):
        scale = np.abs(out[name]).max()
        np.testing.assert_allclose(half[name], out[name], atol=0.03 * scale)
    assert (half["attn"] != out["attn"]).any()


def test_a_network_can_be_hashed_and_compared():
    """As jax.jit does with what it calls."""
    first, second = tiny(visual=VIT), tiny(visual=tuple(sorted(VIT.items())))
    assert first == second == first.clone()
    assert hash(first) == hash(second)
    assert first != tiny(visual=dict(VIT, depth=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(sound="radio"), "sound is 'radio'"),
        (dict(fusion="add"), "fusion is 'add'"),
        (dict(sound="none"), r"reads \('rgb', 'present'\), not 4"),
        (dict(visual="no_such_file"), "kdjax.models.no_such_file.Encoder"),
        (dict(visual="multitsf"), "multitsf.Encoder"),
        (dict(backbone=dict(name="multitsf", wide=3)), "multitsf.Backbone .*wide"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        shapes_of(tiny(**options), *(x.shape for x in streams()))


def test_parts_without_a_name_and_unequal_streams_are_refused():
    with pytest.raises(ValueError, match="does not name a module"):
        tiny(visual=dict(depth=1))
    shapes = [x.shape for x in streams()]
    with pytest.raises(ValueError, match="equal B, V and T"):
        shapes_of(tiny(), *shapes[:3], (2, 3, 5))
