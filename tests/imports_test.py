"""Who may import whom, checked by walking the syntax trees."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PURE = {"kdjax.typing", "kdjax.maxima", "jax", "optax", "chex"}
PIPELINES = (
    "numpy scipy grain tensorflow_datasets av tqdm absl etils array_record onnxruntime"
)

# By the longest prefix of a module's name. The standard library is open to all, and so
# is a module's own package. NumPy holds the constants of skeletons and backbones:
# importing the library must touch no device.
RULES = {
    "kdjax": set(),
    "kdjax.typing": {"jax", "jaxtyping"},
    "kdjax.losses": PURE,
    "kdjax.heatmaps": PURE | {"kdjax.skeletons"},
    "kdjax.metrics": PURE,
    "kdjax.skeletons": PURE | {"numpy"},
    "kdjax.augment": {
        "kdjax.typing",
        "kdjax.heatmaps",
        "kdjax.poses",
        "kdjax.skeletons",
        "jax",
    },
    "kdjax.poses": {"kdjax.typing", "kdjax.skeletons", "jax", "numpy"},
    "kdjax.maxima": {"kdjax.typing", "jax"},
    "kdjax.models": {
        "kdjax.typing",
        "kdjax.maxima",
        "kdjax.skeletons",
        "flax.linen",
        "jax",
        "numpy",
    },
    "kdjax.accumulation": {"kdjax.typing", "jax"},
    "kdjax.core": {"kdjax.typing", "kdjax.accumulation", "jax", "optax"},
    "kdjax.parallel": {"kdjax.typing", "jax", "optax"},
    "kdjax.methods": {
        "kdjax.typing",
        "kdjax.core",
        "kdjax.losses",
        "kdjax.heatmaps",
        "kdjax.parallel",
        "jax",
    },
    "kdjax.interop": {
        "kdjax.typing",
        "kdjax.models",
        "kdjax.skeletons",
        "jax",
        "numpy",
        "etils",
        "safetensors",
    },
    "data_pipelines": set(PIPELINES.split()),
}
NEVER = {"kdjax": ("experiments", "data_pipelines", "tests"), "experiments": ("tests",)}


def module_name(path):
    """``kdjax/losses/__init__.py`` is ``kdjax.losses``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(source):
    """Dotted names of everything that a source imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            yield from (f"{dots}{node.module or ''}.{a.name}" for a in node.names)


def within(name, packages):
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def forbidden(module, source):
    """The imports of a module that no rule allows."""
    names = set(imported_names(source))
    if within(module, ["experiments"]):
        return {name for name in names if within(name, NEVER["experiments"])}
    rule = max((r for r in RULES if within(module, [r])), key=len)
    if rule == "kdjax" and module != "kdjax":
        pytest.fail(f"{module} has no rule: say in RULES what it may import")
    allowed = RULES[rule] | ({rule} if rule != "kdjax" else set())
    banned = NEVER.get(module.split(".")[0], ())
    return {
        name
        for name in names
        if within(name, banned)
        or not (within(name, allowed) or name.split(".")[0] in sys.stdlib_module_names)
    }


SOURCES = [
    path
    for package in ("kdjax", "data_pipelines", "experiments")
    for path in sorted((ROOT / package).rglob("*.py"))
]


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_keep_the_rules(path):
    assert not forbidden(module_name(path), path.read_text())


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("kdjax.losses.logits", "import flax.linen as nn"),
        ("kdjax.losses.logits", "from kdjax import core"),
        ("kdjax.models.agcn", "from kdjax.losses import logits"),
        ("kdjax.methods.pskd", "from kdjax.models import agcn"),
        ("kdjax.methods.pskd", "def f():\n    import data_pipelines.loader"),
        ("kdjax.core", "from . import losses"),
        ("kdjax.core", "from absl import logging"),
        ("kdjax", "import jax"),
        ("data_pipelines.loader", "import jax"),
        ("data_pipelines.loader", "from kdjax import skeletons"),
        ("experiments.run", "from tests import reference"),
    ],
)
def test_a_forbidden_import_is_seen(module, line):
    assert forbidden(module, line)


def test_flax_is_known_to_the_models_alone():
    outside = [path for path in SOURCES if "models" not in path.parts]
    library = [path for path in outside if path.is_relative_to(ROOT / "kdjax")]
    assert library
    for path in library:
        names = imported_names(path.read_text())
        assert not any(within(name, ["flax"]) for name in names), path


def test_importing_touches_no_device_flag_or_logger():
    modules = [module_name(p) for p in SOURCES if p.is_relative_to(ROOT / "kdjax")]
    program = f"""
import logging, jax
from jax._src import xla_bridge
before, handlers = dict(jax.config.values), list(logging.getLogger().handlers)
import {", ".join(modules)}
assert not xla_bridge.backends_are_initialized(), "a backend was initialised"
assert dict(jax.config.values) == before, "a flag of JAX was set"
assert logging.getLogger().handlers == handlers, "logging was configured"
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
