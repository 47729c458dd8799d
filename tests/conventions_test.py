"""The conventions of the library, executed."""

import ast
import importlib
import inspect
import pathlib
import pkgutil
import typing

import pytest

import kdjax
from kdjax import losses

ROOT = pathlib.Path(kdjax.__file__).parent
SCALARS = {bool, int, float, str}
# A method's functions take the key last, as the step does that folds it.
KEY_LAST = ("kdjax.core", "kdjax.methods")


def public_functions(package):
    """All functions that the public modules of a package define, by full name."""
    found = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        module = importlib.import_module(info.name)
        for name, value in inspect.getmembers(module, inspect.isfunction):
            if value.__module__ == info.name and not name.startswith("_"):
                found[f"{info.name}.{name}"] = value
    return found


LOSSES = public_functions(losses)
NUMERIC = {
    **LOSSES,
    **{
        name: function
        for name, function in public_functions(kdjax).items()
        if name.startswith(("kdjax.metrics.", "kdjax.heatmaps.", "kdjax.poses."))
    },
}
RANDOM = {
    name: function
    for name, function in public_functions(kdjax).items()
    if not name.startswith(KEY_LAST) and "key" in inspect.signature(function).parameters
}


def is_hyper_parameter(parameter):
    """Whether a parameter is a setting and not an array."""
    annotation = parameter.annotation
    kinds = set(typing.get_args(annotation)) | {annotation}
    return parameter.default is not parameter.empty or bool(kinds & SCALARS)


def section(function, title):
    """The lines of a section of a docstring, without the title."""
    lines = inspect.getdoc(function).splitlines()
    if f"{title}:" not in lines:
        return ""
    rest = lines[lines.index(f"{title}:") + 1 :]
    ends = [i for i, line in enumerate(rest) if line and not line.startswith(" ")]
    return "\n".join(rest[: ends[0] if ends else None])


def by_name(functions):
    return pytest.mark.parametrize("function", functions.values(), ids=functions)


def test_there_are_losses_and_random_functions_to_check():
    assert "kdjax.losses.logits.kd_kl" in LOSSES
    assert "kdjax.augment.signals.mixup" in RANDOM


@by_name(NUMERIC)
def test_hyper_parameters_are_keyword_only(function):
    for parameter in inspect.signature(function).parameters.values():
        if is_hyper_parameter(parameter):
            assert parameter.kind is parameter.KEYWORD_ONLY, parameter.name


@by_name(NUMERIC)
def test_every_parameter_and_result_is_annotated(function):
    signature = inspect.signature(function)
    assert signature.return_annotation is not signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not parameter.empty, parameter.name


@by_name(NUMERIC)
def test_docstrings_describe_every_argument_and_the_result(function):
    arguments = section(function, "Args")
    for name in inspect.signature(function).parameters:
        assert f"  {name}: " in arguments, name
    if inspect.signature(function).return_annotation is not None:
        assert section(function, "Returns")


@by_name(LOSSES)
def test_losses_name_their_papers(function):
    references = section(function, "References")
    assert "*" in references, "the title stands between asterisks"
    assert any(year in references for year in map(str, range(1980, 2100)))


@by_name(NUMERIC)
def test_what_raises_says_so(function):
    tree = ast.parse(inspect.getsource(inspect.unwrap(function)).lstrip())
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(tree))
    checks = any(
        getattr(node.func, "id", "").startswith(("check_", "_check"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    )
    if raises or checks:
        assert "ValueError: " in section(function, "Raises")


@by_name(RANDOM)
def test_random_functions_take_the_key_first(function):
    assert next(iter(inspect.signature(function).parameters)) == "key"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.stem)
def test_the_library_never_calls_jit(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert getattr(node, "attr", None) != "jit", f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert "jit" not in [alias.name for alias in node.names]
