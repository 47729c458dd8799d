"""From a config to what a run is made of: data, roles, schedule.

The import path is the registry: ``model.name`` is a module of `kdjax.models` with a
class ``Model``, ``method.name`` one of `kdjax.methods` with a factory ``make``,
``data.name`` one of `data_pipelines.datasets` with a function ``load``.
"""

import functools
import graphlib
import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import jax
import ml_collections
import optax
from jax.sharding import Mesh

from data_pipelines import loader
from data_pipelines.dataset import Dataset, Source, Transform
from data_pipelines.sources import Drawn, Held, Mapped
from data_pipelines.transforms.align import standardised
from experiments import optimizers
from experiments.errors import RunError
from experiments.roles import computed, parts_of, positive
from kdjax import augment, parallel
from kdjax.core import Method, Network


class Data(NamedTuple):
    """Splits of arrays of one shape, and what prepares another recording alike."""

    dataset: Dataset
    align: Transform
    sources: dict[str, Source]


class Phase(NamedTuple):
    """Roles that share each batch of one loader, and for how long."""

    roles: tuple[str, ...]
    epochs: int


class Role(NamedTuple):
    """One network of the experiment and how it is trained.

    Attributes:
      method: what is minimised.
      optimizer: of its own; advances on the role's own steps.
      teachers: roles whose variables its loss reads.
      batch_size: examples a step over all devices.
      epochs: in the whole schedule.
      steps_per_epoch: batches in one pass.
      trajectory: run folder whose saved epochs replace training; "" trains.
      keep: "all", "last" or "none" of its epochs are saved for other runs.
      stored_targets: outputs of its teachers that are asked for once, before its first
        step; none asks at every step.
      accumulate: parts that a batch is worked through in.
    """

    method: Method
    optimizer: optax.GradientTransformation
    teachers: tuple[str, ...]
    batch_size: int
    epochs: int
    steps_per_epoch: int
    trajectory: str
    keep: str
    stored_targets: tuple[str, ...]
    accumulate: int = 1


class Experiment(NamedTuple):
    """Everything that a config names, built once."""

    config: ml_collections.ConfigDict
    data: Data
    roles: dict[str, Role]
    phases: tuple[Phase, ...]


def named(package: str, name: str) -> ModuleType:
    """The module ``package.name``.

    Raises:
      RunError: where there is none.
    """
    path = f"{package}.{name}"
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise RunError(f"no {package.split('.')[-1]} module {path}") from error


def call(where: str, function: Any, **options: Any) -> Any:
    """Calls a factory with a config's values.

    Raises:
      RunError: where an option is unknown, missing or refused, naming the config key.
    """
    try:
        return function(**options)
    except (TypeError, ValueError) as error:
        raise RunError(f"config.{where}: {error}") from error


def build_data(config: ml_collections.ConfigDict) -> Data:
    """Reads the splits that ``config.data`` names and brings them to one shape.

    A transform that draws makes the training examples anew in every epoch; what is kept
    in memory is then all that it draws from.
    """
    options = config.data.to_dict()
    module = named("data_pipelines.datasets", options.pop("name"))
    align_options, cached = options.pop("align"), options.pop("cache")
    standardise = options.pop("standardise")
    transform = named("data_pipelines.transforms", options.pop("transform"))
    dataset = call("data", module.load, **options)
    align = call("data.align", transform.for_dataset, dataset=dataset, **align_options)
    if standardise:
        align = standardised(align, dataset.splits["train"])
    sources = {name: Mapped(source, align) for name, source in dataset.splits.items()}
    drawn = hasattr(align, "draw")
    if cached:
        fixed = set(sources) - {"train"} if drawn else sources
        sources |= {name: loader.cache(sources[name]) for name in sorted(fixed)}
    if drawn:
        train = dataset.splits["train"]
        if cached:
            # Some transforms make once what does not depend on chance.
            once = getattr(align, "opened", None)
            train = Held(Mapped(train, once) if once else train)
        sources["train"] = Drawn(train, align)
    return Data(dataset, align, sources)


def parse_schedule(config: ml_collections.ConfigDict) -> tuple[Phase, ...]:
    """``config.schedule`` times ``config.rounds``.

    Raises:
      RunError: where an entry names an unknown role or no positive number of epochs.
    """
    phases = []
    for entry in config.schedule:
        names, epochs = entry
        names = (names,) if isinstance(names, str) else tuple(names)
        unknown = sorted(set(names) - set(config.roles))
        if unknown:
            raise RunError(f"config.schedule names the unknown roles {unknown}")
        if not isinstance(epochs, int) or epochs < 1:
            raise RunError(f"config.schedule: {entry} has no positive number of epochs")
        phases.append(Phase(names, epochs))
    if config.rounds < 1:
        raise RunError(f"config.rounds is {config.rounds}, not positive")
    return tuple(phases) * config.rounds


def of_data(options: Mapping, dataset: Dataset) -> dict:
    """Options with the topology ``data`` replaced by the data set's."""
    named_data = options.get("topology") == "data"
    return {**options, "topology": dataset.topology} if named_data else dict(options)


def build_network(
    where: str, role: ml_collections.ConfigDict, dataset: Dataset
) -> Network:
    """The network of a role; its graph, where it has one, is the data's.

    What the model itself says of its computation goes before what the role says.
    """
    options, inputs = computed(where, role) | role.model.to_dict(), tuple(role.inputs)
    model = named("kdjax.models", options.pop("name")).Model
    steps = [of_data(step, dataset) for step in role.prepare]
    # What is prepared may have names of its own; their absence is found in tracing.
    unknown = sorted(set(inputs) - set(dataset.modalities))
    if unknown and not steps:
        raise RunError(f"config.{where}.inputs names {unknown}; the data has none")
    classes = len(dataset.classes)
    options = of_data(options, dataset)
    module = call(f"{where}.model", model, num_classes=classes, **options)
    prepare = call(
        f"{where}.prepare", lambda: augment.prepare(*steps, num_classes=classes)
    )
    clips = any(step["function"] == "video.clips" for step in steps)
    groups = positive(where, role, "statistics_groups")
    return Network(module, inputs, prepare, clips, groups)


def build_augment(
    where: str, role: ml_collections.ConfigDict, dataset: Dataset, module: str = ""
) -> augment.Step:
    """What happens to a role's batch in training; of one module's steps, where named."""
    steps = [
        of_data(step, dataset)
        for step in role.augment
        if not module or step["function"].startswith(f"{module}.")
    ]
    classes = len(dataset.classes)
    return call(f"{where}.augment", lambda: augment.make(*steps, num_classes=classes))


def build_method(
    where: str,
    role: ml_collections.ConfigDict,
    data: Data,
    methods: dict[str, Method],
    *,
    total_steps: int,
) -> Method:
    """The method of a role, its network, augmentation and teachers passed in.

    A method whose weights follow the training hears how long that is.
    """
    options = role.method.to_dict()
    make = named("kdjax.methods", options.pop("name")).make
    if "total_steps" in inspect.signature(make).parameters:
        options["total_steps"] = total_steps
    if role.teachers:
        options["teachers"] = {name: methods[name] for name in role.teachers}
    if "adapter" in options:
        adapter = options["adapter"]
        module = getattr(named("kdjax.models", "adapters"), adapter.pop("name"))
        options["adapter"] = functools.partial(module, **adapter)
    network = build_network(where, role, data.dataset)
    function = build_augment(where, role, data.dataset)
    return call(f"{where}.method", make, network=network, augment=function, **options)


def build_role(
    name: str, config: ml_collections.ConfigDict, data: Data, phases, methods
) -> Role:
    """One role, with the number of steps it takes in the schedule."""
    where = f"roles.{name}"
    role = config.roles[name]
    epochs = sum(phase.epochs for phase in phases if name in phase.roles)
    size, processes = len(data.sources["train"]), jax.process_count()
    if role.batch_size % processes or not 0 < role.batch_size <= size:
        raise RunError(
            f"config.{where}.batch_size is {role.batch_size}: it must divide by "
            f"{processes} processes and not exceed the {size} training examples"
        )
    steps = size // role.batch_size
    method = build_method(where, role, data, methods, total_steps=epochs * steps)
    optimizer, parts = optax.identity(), 1
    if not role.trajectory:
        parts = parts_of(where, config, role, method)
        optimizer = call(
            f"{where}.optimizer",
            optimizers.make,
            total_steps=epochs * steps,
            steps_per_epoch=steps,
            **role.optimizer.to_dict(),
        )
    return Role(
        method=method,
        optimizer=optimizer,
        teachers=tuple(role.teachers),
        batch_size=role.batch_size,
        epochs=epochs,
        steps_per_epoch=steps,
        trajectory=role.trajectory,
        keep=role.keep,
        stored_targets=tuple(role.stored_targets),
        accumulate=parts,
    )


def teachers_first(config: ml_collections.ConfigDict, phases) -> list[str]:
    """The roles of the schedule, every teacher before its students.

    A role that the schedule does not name is not built.

    Raises:
      RunError: where a teacher is no role, or two roles teach each other.
    """
    names = sorted({name for phase in phases for name in phase.roles})
    graph = {name: config.roles[name].teachers for name in names}
    for name, teachers in graph.items():
        unknown = sorted(set(teachers) - set(graph))
        if unknown:
            raise RunError(
                f"config.roles.{name}.teachers: the schedule has no {unknown}"
            )
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        raise RunError(
            f"config.roles: {' and '.join(error.args[1])} teach in a ring"
        ) from error


def check_stored(roles: dict[str, Role], phases: tuple[Phase, ...]) -> None:
    """Refuses stored targets of teachers that have not ended when they are asked.

    Raises:
      RunError: naming the role that would hear a teacher which still learns.
    """
    done = dict.fromkeys(roles, 0)
    for phase in phases:
        for name in phase.roles:
            for teacher in roles[name].teachers if roles[name].stored_targets else ():
                if done[teacher] < roles[teacher].epochs:
                    raise RunError(
                        f"config.roles.{name}.stored_targets: the schedule trains the "
                        f"{teacher} after the {name} has begun"
                    )
        for name in phase.roles:
            done[name] += phase.epochs


def build_mesh(config: ml_collections.ConfigDict) -> Mesh:
    """All devices: the batch is split over them, and its views where that is asked for.

    Raises:
      RunError: where the devices do not divide by ``config.view_devices``.
    """
    return call("view_devices", parallel.data_mesh, views=config.view_devices)


def build(config: ml_collections.ConfigDict, data: Data | None = None) -> Experiment:
    """Everything that a config names.

    Args:
      config: of the experiment.
      data: what `build_data` makes of it, where that was made before.

    Returns:
      The experiment.

    Raises:
      RunError: naming the config key that cannot be used.
    """
    phases = parse_schedule(config)
    data = build_data(config) if data is None else data
    roles, methods = {}, {}
    for name in teachers_first(config, phases):
        roles[name] = build_role(name, config, data, phases, methods)
        methods[name] = roles[name].method
    check_stored(roles, phases)
    return Experiment(config, data, roles, phases)
