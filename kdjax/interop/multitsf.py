"""Weights of MultiTSF and MultiASL for `kdjax.models.audiovisual`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kdjax.interop import vit
from kdjax.interop.accounting import LEAVES, Rule, Tensors, dense_kernel, fill, read
from kdjax.interop.variables import flatten
from kdjax.typing import PyTree

FUSED = ("query", "key", "value")
CLASSIFIERS = ("frame", "sequence", "cas")
"""Our modules whose shape depends on the classes."""

PICTURES, SOUND, HUMAN = "video_encoder.", "audio_encoder.", "mlp_human_frames."
"""What the names of parts begin with that a model of ours may leave out."""


class Names(NamedTuple):
    """How a checkpoint calls what is ours.

    Attributes:
      token: the class token of the temporal transformer.
      layer: of that transformer, with a place for its number.
      layers: from a module in such a layer to the checkpoint's; ``qkv`` is what queries,
        keys and values are stacked in.
      modules: the same for all other modules of the backbone and the human head.
      unused: what a checkpoint holds and its own code never reads, as a pattern.
    """

    token: str
    layer: str
    layers: Mapping[str, str]
    modules: Mapping[str, str]
    unused: str


_DEVICE = "device_transformer.layers.0"
MULTITSF = Names(
    token="temporal_transformer.cls_token_temporal",
    layer="temporal_transformer.transformer_layers.layers.{}",
    layers={
        "norm1": "attentions.0.norm",
        "attention/qkv": "attentions.0.attn.qkv",
        "attention/out": "attentions.0.attn.proj",
        "norm2": "ffns.0.norm",
        "dense1": "ffns.0.layers.0.0",
        "dense2": "ffns.0.layers.1",
    },
    modules={
        "backbone/temporal/norm": "temporal_transformer.norm",
        "backbone/sensors/layer/attention/qkv": f"{_DEVICE}.self_attn.in_proj_",
        "backbone/sensors/layer/attention/out": f"{_DEVICE}.self_attn.out_proj",
        "backbone/sensors/layer/dense1": f"{_DEVICE}.linear1",
        "backbone/sensors/layer/dense2": f"{_DEVICE}.linear2",
        "backbone/sensors/layer/norm1": f"{_DEVICE}.norm1",
        "backbone/sensors/layer/norm2": f"{_DEVICE}.norm2",
        "backbone/sensors/norm": "mlp_head.0",
        "backbone/sensors/sequence": "mlp_head.1",
        "backbone/sensors/frame": "mlp_head_frames",
        "human": "mlp_human_frames",
    },
    unused=r"temporal_transformer\.(cls_token|patch_embed\..*)",
)
_TEMPORAL = "temporal_transformer.temporal_transformer"
MULTIASL = Names(
    token="temporal_transformer.temporal_token",
    layer=f"{_TEMPORAL}.layers.{{}}",
    layers={
        "norm1": "0.norm",
        "attention/qkv": "0.fn.to_qkv",
        "attention/out": "0.fn.to_out.0",
        "norm2": "1.norm",
        "dense1": "1.fn.net.0",
        "dense2": "1.fn.net.3",
    },
    modules={
        "backbone/temporal/norm": f"{_TEMPORAL}.norm",
        "backbone/cas": "base_module",
        "backbone/actionness_rgb": "action_module_rgb",
        "backbone/actionness_flow": "action_module_flow",
        "backbone/sequence": "mlp_head",
    },
    unused=r"(?!)",
)


def _stacked(tensor: np.ndarray, part: int) -> np.ndarray:
    """One of three layers whose outputs a checkpoint stacks."""
    return np.split(tensor, len(FUSED))[part]


def _source(module: str, names: Names) -> str:
    """What the checkpoint calls a layer of ours."""
    if module.startswith("audio/") and names is MULTITSF:
        return SOUND + module.removeprefix("audio/")
    layer = re.fullmatch(r"backbone/temporal/layer(\d+)/(.+)", module)
    if layer:
        return f"{names.layer.format(int(layer[1]) - 1)}.{names.layers[layer[2]]}"
    return names.modules[module]


def _rule(name: str, names: Names) -> Rule:
    """Where one of our arrays stands, unless it belongs to the visual encoder."""
    module, _, leaf = name.rpartition("/")
    if leaf == "token":
        return Rule(names.token, lambda token: token.reshape(token.shape[-1]))
    owner, _, last = module.rpartition("/")
    fused = last in FUSED
    source = _source(f"{owner}/qkv" if fused else module, names)
    source += LEAVES[leaf] if source.endswith("_") else f".{LEAVES[leaf]}"
    convert = dense_kernel if leaf == "kernel" else np.asarray
    if not fused:
        return Rule(source, convert)
    part = FUSED.index(last)
    return Rule(source, lambda tensor: convert(_stacked(tensor, part)))


def _rules(like: Mapping[str, Any], names: Names) -> dict[str, Rule]:
    """Where our arrays, by their names without ``params/``, stand in a checkpoint."""
    visual = {
        name.removeprefix("visual/"): value
        for name, value in like.items()
        if name.startswith("visual/")
    }
    seen = vit.rules(visual, vit.TIMM) if visual else {}
    made = {
        f"visual/{name}": rule._replace(source=f"{PICTURES}model.{rule.source}")
        for name, rule in seen.items()
    }
    unknown = []
    for name in set(like) - set(made):
        try:
            made[name] = _rule(name, names)
        except KeyError:
            unknown.append(name)
    if unknown:
        raise ValueError(f"neither MultiTSF nor MultiASL has our {sorted(unknown)}")
    return made


def load(source: str | Path | Tensors, like: PyTree, *, head: bool = True) -> PyTree:
    """Variables of `kdjax.models.audiovisual.Model` from a checkpoint of either project.

    MultiTSF is ``backbone="multitsf"``, ``fusion="concat"``, ``human=True``, pictures
    through "vit" and sound through "spectrogram_mlp"; MultiASL ``backbone="multiasl"``,
    ``sound="none"``. What a model leaves out of these, encoders where features are given
    and the human head, is left behind.

    Args:
      source: a ``.pth``, ``.safetensors`` or ``.npz`` file, or tensors by name.
      like: variables of the model that is to be filled, or of a part of it, for names
        and shapes.
      head: whether the classifiers are loaded too; otherwise ``like`` keeps its own and
        must hold arrays.

    Returns:
      Variables in the structure of ``like``.

    Raises:
      ValueError: where tensors are missing, unexpected, of a wrong shape or not finite,
        naming all of them, or where the model has a part that neither project has.

    References:
      https://github.com/thanhhff/MultiTSF, https://github.com/thanhhff/MultiASL.
    """
    tensors = {n.removeprefix("module."): t for n, t in read(source).items()}
    names = MULTIASL if MULTIASL.token in tensors else MULTITSF
    ours = {
        name.removeprefix("params/"): value for name, value in flatten(like).items()
    }
    rules = _rules(ours, names)
    kept = {name for name in rules if not head and name.split("/")[-2] in CLASSIFIERS}
    behind = [rules.pop(name).source for name in kept]
    absent = [
        start
        for start, part in ((PICTURES, "visual"), (SOUND, "audio"), (HUMAN, "human"))
        if not any(name.startswith(f"{part}/") for name in ours)
    ]
    ignored = behind + [
        name
        for name in tensors
        if name.startswith(tuple(absent)) or re.fullmatch(names.unused, name)
    ]
    named = {f"params/{name}": rule for name, rule in rules.items()}
    return fill(named, tensors, like, ignored=ignored)
