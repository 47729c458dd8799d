"""Raw recordings in, classes and probabilities out, one line of JSON each."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import ml_collections
import numpy as np
from etils import epath

from data_pipelines.dataset import Dataset, Transform
from experiments import xla_options
from experiments.build import build_network, named
from experiments.errors import RunError
from experiments.workdir import tuples
from kdjax.core import Network
from kdjax.interop import variables as files


class Predictor(NamedTuple):
    """A trained network and how a recording is prepared for it."""

    network: Network
    params: Any
    state: Any
    align: Transform
    dataset: Dataset


def modalities_read(role: dict, dataset: Dataset) -> tuple[str, ...]:
    """The modalities that a role's network reads, as they are or as what is made of them."""
    drawn = any(step["function"].startswith("heatmaps.") for step in role["prepare"])
    needed = {*role["inputs"], *(("joints",) if drawn else ())}
    for step in role["prepare"]:
        needed |= {step.get("name"), *step.get("names", ())}
    return tuple(name for name in dataset.modalities if name in needed)


def load(path: epath.Path) -> Predictor:
    """The network in a file of ``models/``; no training data is needed.

    Raises:
      RunError: where the file is missing or damaged.
    """
    if not path.exists():
        raise RunError(f"there is no trained model {path}")
    try:
        metadata = files.read_metadata(path)
        parts = {key: tuples(json.loads(metadata[key])) for key in metadata}
        dataset = Dataset(
            name=parts["data"]["name"],
            classes=tuple(parts["classes"]),
            splits={},
            topology=parts["topology"],
            modalities=tuple(parts["modalities"]),
        )
        role = {name: parts[name] for name in ("model", "inputs", "prepare")}
        network = build_network(
            f"roles.{path.stem}", ml_collections.ConfigDict(role), dataset
        )
        transform = named("data_pipelines.transforms", parts["data"]["transform"])
        align = transform.restored(parts["align"], modalities_read(role, dataset))
        variables, _ = files.load_variables(path, None)
    except (KeyError, ValueError) as error:
        raise RunError(f"the model {path} cannot be used: {error}") from error
    return Predictor(network, variables["params"], variables["state"], align, dataset)


def predict(predictor: Predictor, paths: list[pathlib.Path]) -> dict[str, Any]:
    """What the network says of one recording.

    Args:
      predictor: from `load`.
      paths: the recording's raw files, one a modality.

    Returns:
      The files, the likeliest class, its probability, and all probabilities by class;
      of a network that judges frames see `scored`.
    """
    module = named("data_pipelines.datasets", predictor.dataset.name)
    example = predictor.align(module.read_recording(paths))
    batch = {k: v[None] for k, v in example.items() if isinstance(v, np.ndarray)}
    infer = jax.jit(predictor.network.infer, compiler_options=xla_options.of_steps())
    outputs = infer(predictor.params, predictor.state, batch)
    logits, recording = outputs["logits"][0], [str(path) for path in paths]
    if "frame_logits" in outputs:
        frames = outputs["frame_logits"][0]
        return {"recording": recording} | scored(
            predictor.dataset.classes, np.asarray(logits), np.asarray(frames)
        )
    probabilities = np.asarray(jax.nn.softmax(logits))
    best = int(probabilities.argmax())
    return {
        "recording": recording,
        "class": predictor.dataset.classes[best],
        "probability": round(float(probabilities[best]), 6),
        "probabilities": {
            name: round(float(p), 6)
            for name, p in zip(predictor.dataset.classes, probabilities)
        },
    }


def scored(
    classes: Sequence[str], logits: np.ndarray, frames: np.ndarray
) -> dict[str, Any]:
    """What a network says of a recording that may show several classes, or none.

    Args:
      classes: names.
      logits: [K] of the whole recording.
      frames: [T K] of its frames, evenly spread.

    Returns:
      The classes whose score, the sigmoid of the logit, is above one half; all scores;
      and by class the scores of the frames.
    """
    whole, each = (1 / (1 + np.exp(-x.astype(np.float64))) for x in (logits, frames))
    return {
        "classes": [name for name, score in zip(classes, whole) if score > 0.5],
        "scores": {name: round(float(s), 6) for name, s in zip(classes, whole)},
        "frames": {
            name: each[:, k].round(3).tolist() for k, name in enumerate(classes)
        },
    }


def main(config: ml_collections.ConfigDict, workdir: epath.Path, flags: Any) -> None:
    """Prints one line of JSON a recording named by ``--input``."""
    del config
    if not flags.input:
        raise RunError("--input is missing: the raw files of a recording")
    predictor = load(workdir / "models" / f"{flags.role}.safetensors")
    for recording in flags.input:
        paths = [pathlib.Path(path) for path in recording.split(",")]
        print(json.dumps(predict(predictor, paths)))
