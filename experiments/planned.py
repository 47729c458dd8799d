"""One training step, compiled and not run: what `experiments.plan` runs as a process.

    python -m experiments.planned RESULT < REQUEST

The request is JSON: ``config``, ``role`` and ``topology``, "" for this machine's devices.
The result, written to the file RESULT, has ``error``, one sentence, where there is none
to be had. The compiler may crash or need hours: neither must happen to whoever asks.
"""

import functools
import json
import re
import sys
import time
from typing import Any

import jax
import ml_collections
from jax.sharding import Mesh

from data_pipelines import stored
from data_pipelines.datasets import outline
from data_pipelines.errors import DataError
from experiments import chips, compiled, flops, machine, topologies
from experiments.build import Experiment, build, call
from experiments.errors import RunError
from experiments.state import fresh_states, naming, role_key, step_shapes
from experiments.train import compile_steps
from experiments.workdir import tuples
from kdjax import parallel


def outlined(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """The config on data that need not be there, where it is not prepared.

    Nothing is kept in memory: a step that is not run reads one example.
    """
    config = ml_collections.ConfigDict(config.to_dict())
    config.data.cache = False
    name = config.data.name
    folder = stored.folder_of(name, config.data.get("data_dir"))
    if name in outline.OUTLINES and not folder.is_dir():
        config.data.update(name="outline", of=name)
    return config.lock()


def mesh_of(config: ml_collections.ConfigDict, topology: str) -> Mesh:
    """The mesh of a slice of TPUs, or of this machine's devices.

    Raises:
      RunError: where the devices do not divide by ``config.view_devices``.
    """
    devices = topologies.devices(topology) if topology else jax.devices()
    views = config.view_devices
    return call("view_devices", parallel.data_mesh, devices=devices, views=views)


def check_batch(name: str, rows: int, mesh: Mesh) -> None:
    """Refuses a batch that the mesh does not divide.

    Raises:
      RunError: naming the config key.
    """
    parts = mesh.shape["data"]
    if rows % parts:
        nearest = -(-rows // parts) * parts
        raise RunError(
            f"config.roles.{name}.batch_size is {rows} and does not divide by the "
            f"{parts} parts that {mesh.size} devices make of it; {nearest} does"
        )


def arguments(experiment: Experiment, name: str, mesh: Mesh) -> tuple:
    """What a role's step is called with: shapes and where they lie, no arrays."""
    states = jax.eval_shape(functools.partial(fresh_states, experiment))
    key = jax.eval_shape(functools.partial(role_key, experiment, name))
    key = jax.ShapeDtypeStruct(key.shape, key.dtype, sharding=parallel.replicated(mesh))
    return *step_shapes(experiment, name, states, mesh), key


def memory(program: jax.stages.Compiled) -> dict[str, int]:
    """Bytes that one device needs, and what they are.

    Arguments that are donated hold results as well.
    """
    stats = program.memory_analysis()
    if stats is None:
        return {}
    parts = {
        "arguments": stats.argument_size_in_bytes,
        "outputs": stats.output_size_in_bytes - stats.alias_size_in_bytes,
        "temporaries": stats.temp_size_in_bytes,
    }
    return {**parts, "peak": sum(parts.values())}


def too_large(error: Exception) -> str | None:
    """What the compiler says of a program that does not fit; None of other errors."""
    text = str(error)
    if "RESOURCE_EXHAUSTED" not in text and "Ran out of memory" not in text:
        return None
    used = re.search(r"[Uu]sed ([\d.]+\w) of ([\d.]+\w)", text) or re.search(
        r"\(([\d.]+\w)\) exceeds available \w+ \(([\d.]+\w)\)", text
    )
    return f"{used[1]} of {used[2]}" if used else text.splitlines()[0]


def described(experiment: Experiment, name: str, mesh: Mesh, batch: dict) -> dict:
    """What is compiled, in words and numbers that need no compiler."""
    role, data = experiment.roles[name], experiment.data
    hosts = {device.process_index for device in mesh.devices.flat}
    return {
        "batch_size": role.batch_size,
        "batch": {key: f"{v.dtype}{list(v.shape)}" for key, v in batch.items()},
        "teachers": list(role.teachers),
        "training_examples": len(data.sources["train"]),
        "outline": experiment.config.data.name == "outline",
        # Of a slice that is not here these are its hosts.
        "device": machine.device(mesh) | {"processes": len(hosts)},
    }


def planned(
    config: ml_collections.ConfigDict, name: str, topology: str
) -> dict[str, Any]:
    """Compiles a role's training step and says what the compiler knows of it.

    Args:
      config: of the experiment.
      name: role.
      topology: slice of TPUs, or "" for this machine's devices.

    Returns:
      Numbers by name; where ``fits`` is false the compiler found too little memory,
      ``needs`` says how much it wanted, and nothing is known of the program.

    Raises:
      RunError: where the step cannot be compiled.
    """
    mesh = mesh_of(config, topology)
    check_batch(name, config.roles[name].batch_size, mesh)
    start = time.perf_counter()
    experiment = build(outlined(config))
    given = arguments(experiment, name, mesh)
    platform = mesh.devices.flat[0].platform
    with naming(name):
        traced = compile_steps(experiment, mesh)[name].trace(*given)
    _, _, batch, _ = given
    found = described(experiment, name, mesh, batch)
    total, kinds = flops.of_step(experiment, name, mesh, given, traced)
    precision = jax.config.jax_default_matmul_precision
    found |= {
        "model_flops": total / mesh.size,
        "products": sorted(kinds),
        "arithmetic": chips.arithmetic(platform, kinds, precision),
    }
    try:
        program = traced.lower().compile()
    except jax.errors.JaxRuntimeError as error:
        needs = too_large(error)
        if needs is None:
            sentence = str(error).splitlines()[0]
            raise RunError(f"config.roles.{name}: {sentence}") from error
        return {**found, "fits": False, "needs": needs}
    return {
        **found,
        "fits": True,
        "compile_seconds": time.perf_counter() - start,
        "bytes_accessed": (program.cost_analysis() or {}).get("bytes accessed"),
        "memory": memory(program),
        **compiled.summary(program.as_text()),
    }


def main() -> None:
    """Answers the request on the standard input."""
    request = json.load(sys.stdin)
    config = ml_collections.ConfigDict(tuples(request["config"]))
    try:
        found = planned(config, request["role"], request["topology"])
    except (RunError, DataError) as error:
        found = {"error": str(error)}
    with open(sys.argv[1], "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
