"""Weights of MultiTSF and MultiASL under the names of their code."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.interop import multitsf as interop
from kdjax.interop.variables import flatten
from kdjax.models import audiovisual
from tests.golden import fill

GOLDEN = Path(__file__).parent.parent / "golden"
VIT = dict(name="vit", patch=4, width=384, depth=1, heads=2, hidden=6)
MLP = dict(name="spectrogram_mlp", widths=(5, 4, 3), width=384)


def weights_of(case):
    """A checkpoint's names and shapes, as the reference code lists them."""
    with np.load(GOLDEN / f"{case}.npz") as file:
        return fill.fill_all(fill.load_meta(file))


def variables_of(classes, *shapes, **options):
    model = audiovisual.Model(classes, **options)
    streams = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.eval_shape(
        lambda *s: model.init(jax.random.key(0), *s, train=False), *streams
    )


def multitsf(classes=16, visual="identity", audio="identity", **options):
    rgb = (384,) if visual == "identity" else (8, 8, 3)
    sound = (384,) if audio == "identity" else (2, 3)
    options = dict(human=True) | options
    return variables_of(
        classes,
        (1, 1, 1, *rgb),
        (1, 1, 1, *sound),
        (1, 1, 1),
        (1, 1, 1),
        backbone="multitsf",
        visual=visual,
        audio=audio,
        fusion="concat",
        **options,
    )


def multiasl(**options):
    shapes = (1, 1, 8, 64), (1, 1, 8)
    return variables_of(
        6, *shapes, backbone="multiasl", visual="identity", sound="none", **options
    )


@pytest.fixture(scope="module")
def tsf():
    return weights_of("multitsf_full__b2")


@pytest.fixture(scope="module")
def asl():
    return weights_of("multiasl__d64")


def size(arrays):
    return sum(x.size for x in arrays.values())


def test_every_tensor_of_multitsf_lands_in_its_place(tsf):
    flat = flatten(interop.load(tsf, multitsf()))
    assert size(flat) == size(tsf)
    blocks = "temporal_transformer.transformer_layers.layers"
    device = "device_transformer.layers.0"
    places = {
        "backbone/temporal/token": tsf["temporal_transformer.cls_token_temporal"][0, 0],
        "backbone/temporal/layer2/attention/value/bias": tsf[
            f"{blocks}.1.attentions.0.attn.qkv.bias"
        ][2 * 768 :],
        "backbone/temporal/layer1/dense2/kernel": tsf[
            f"{blocks}.0.ffns.0.layers.1.weight"
        ].T,
        "backbone/sensors/layer/attention/key/kernel": tsf[
            f"{device}.self_attn.in_proj_weight"
        ][768 : 2 * 768].T,
        "backbone/sensors/frame/kernel": tsf["mlp_head_frames.weight"][..., 0].T,
        "human/bias": tsf["mlp_human_frames.bias"],
    }
    for name, expected in places.items():
        np.testing.assert_array_equal(flat[f"params/{name}"], expected, err_msg=name)


def test_every_tensor_of_multiasl_lands_in_its_place(asl):
    flat = flatten(interop.load(asl, multiasl()))
    assert size(flat) == size(asl)
    layer = "temporal_transformer.temporal_transformer.layers.0"
    places = {
        "backbone/temporal/layer1/attention/query/kernel": asl[
            f"{layer}.0.fn.to_qkv.weight"
        ][:512].T,
        "backbone/temporal/layer1/norm2/scale": asl[f"{layer}.1.norm.weight"],
        "backbone/cas/kernel": asl["base_module.weight"][..., 0].T,
        "backbone/actionness_flow/bias": asl["action_module_flow.bias"],
        "backbone/sequence/kernel": asl["mlp_head.weight"].T,
    }
    for name, expected in places.items():
        np.testing.assert_array_equal(flat[f"params/{name}"], expected, err_msg=name)


def encoders():
    """What a published checkpoint holds beside the part that the fixture lists."""
    rng = np.random.default_rng(0)
    shapes = {
        "cls_token": (1, 1, 384),
        "pos_embed": (1, 5, 384),
        "patch_embed.proj.weight": (384, 3, 4, 4),
        "patch_embed.proj.bias": (384,),
        "blocks.0.norm1.weight": (384,),
        "blocks.0.norm1.bias": (384,),
        "blocks.0.attn.qkv.weight": (1152, 384),
        "blocks.0.attn.qkv.bias": (1152,),
        "blocks.0.attn.proj.weight": (384, 384),
        "blocks.0.attn.proj.bias": (384,),
        "blocks.0.norm2.weight": (384,),
        "blocks.0.norm2.bias": (384,),
        "blocks.0.mlp.fc1.weight": (6, 384),
        "blocks.0.mlp.fc1.bias": (6,),
        "blocks.0.mlp.fc2.weight": (384, 6),
        "blocks.0.mlp.fc2.bias": (384,),
        "norm.weight": (384,),
        "norm.bias": (384,),
    }
    shapes = {f"video_encoder.model.{name}": shape for name, shape in shapes.items()}
    sizes = (6, 5, 4, 3, 384)
    for name, inner, outer in zip(("fc1", "fc2", "fc3", "output"), sizes, sizes[1:]):
        shapes[f"audio_encoder.{name}.weight"] = (outer, inner)
        shapes[f"audio_encoder.{name}.bias"] = (outer,)
    return {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def test_a_whole_checkpoint_as_it_is_stored(tsf, tmp_path):
    unused = {
        "temporal_transformer.cls_token": np.zeros((1, 1, 768), np.float32),
        "temporal_transformer.patch_embed.projection.weight": np.zeros((768, 3, 1, 2)),
    }
    read = {**tsf, **encoders()}
    stored = {f"module.{name}": value for name, value in {**read, **unused}.items()}
    np.savez(tmp_path / "best_model.npz", **stored)
    like = multitsf(visual=VIT, audio=MLP)
    flat = flatten(interop.load(tmp_path / "best_model.npz", like))
    assert size(flat) == size(read)
    query = read["video_encoder.model.blocks.0.attn.qkv.weight"][:384].T
    kernel = flat["params/visual/layer1/attention/query/kernel"]
    np.testing.assert_array_equal(kernel, query)
    sound = flat["params/audio/fc1/kernel"]
    np.testing.assert_array_equal(sound, read["audio_encoder.fc1.weight"].T)


def test_what_the_model_leaves_out_is_left_behind(tsf):
    flat = flatten(interop.load({**tsf, **encoders()}, multitsf(human=False)))
    human = ("mlp_human_frames.weight", "mlp_human_frames.bias")
    assert size(flat) == size({n: t for n, t in tsf.items() if n not in human})


def test_a_new_classifier_keeps_its_own_values(tsf):
    shapes = multitsf(classes=5)
    with pytest.raises(ValueError, match="mlp_head.1.weight"):
        interop.load(tsf, shapes)
    like = jax.tree.map(lambda s: np.full(s.shape, 2.0, s.dtype), shapes)
    flat = flatten(interop.load(tsf, like, head=False))
    for name in ("sequence/kernel", "frame/bias"):
        np.testing.assert_array_equal(flat[f"params/backbone/sensors/{name}"], 2.0)
    np.testing.assert_array_equal(
        flat["params/backbone/sensors/norm/bias"], tsf["mlp_head.0.bias"]
    )


def test_everything_wrong_is_named_at_once(asl):
    bad = dict(asl)
    del bad["mlp_head.bias"]
    bad["mlp_head_frames.weight"] = bad["mlp_head.weight"]
    bad["base_module.weight"] = bad["base_module.weight"][:, :100]
    bad["temporal_transformer.temporal_token"] = np.full((1, 2, 32), 1.0)
    with pytest.raises(ValueError, match="does not fit") as error:
        interop.load(bad, multiasl())
    text = str(error.value)
    assert "missing ['mlp_head.bias']" in text
    assert "unexpected ['mlp_head_frames.weight']" in text
    assert "base_module.weight (6, 100, 1) gives (100, 6), not (128, 6)" in text
    assert "temporal_token (1, 2, 32) is of another kind" in text


def test_parts_that_no_checkpoint_has_are_named(asl):
    shapes = (1, 1, 8, 64), (1, 1, 8)
    student = variables_of(
        6, *shapes, backbone="multiasl", visual="identity", sound="pseudo"
    )
    with pytest.raises(ValueError, match="neither .* has our .*'adapter/dense1/bias'"):
        interop.load(asl, student)
