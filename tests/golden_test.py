"""Numbers of the public reference code, one test for every file of a folder.

The folder is ``tests/golden`` unless ``KDJAX_GOLDEN_DIR`` names another one. A file
``<kind>__<case>.npz`` is computed again by the module ``tests/golden_kinds/<kind>.py``;
the import path is the registry, and a kind without a module fails. Such a module has

    compute(meta, inputs, weights) -> dict of np.ndarray

``meta`` is the parsed description of the file (``meta["hyper"]``, ``meta["shapes"]``),
``inputs`` its input arrays by name, ``weights`` the reference's tensors by checkpoint
name (empty where the kind has none). Everything is in the reference's own layout, and
so must the answer be. The answer holds every ``out_<name>`` of the file as ``<name>``
and every gradient under the file's own name, ``grad_<input>`` or
``grad_<output>__<input>``. Names that the file lacks are checked to be finite.

A module may also have ``check(meta, inputs, want, got)`` for what a tolerance cannot
say (the support of a heatmap); ``want`` holds the file's whole arrays by those names.
"""

import importlib
import os
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.golden import fill

FOLDER = Path(os.environ.get("KDJAX_GOLDEN_DIR", Path(__file__).parent / "golden"))
FILES = sorted(FOLDER.glob("*.npz"))


def handler(kind):
    """The module that computes a kind, or a failure that names the missing file."""
    if not kind.isidentifier():
        pytest.fail(f"the kind {kind!r} is not a module name")
    name = f"tests.golden_kinds.{kind}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        pytest.fail(f"unknown kind {kind!r}: there is no tests/golden_kinds/{kind}.py")


def close(name, got, want, *, rtol, atol, scale=None):
    """Fails unless max|got - want| <= atol + rtol * max|want| over the whole array."""
    got, want = np.asarray(got), np.asarray(want)
    if want.dtype.kind in "iub":
        np.testing.assert_array_equal(got, want, err_msg=name)
        return
    finite = np.isfinite(want)
    assert np.isfinite(got).all(), f"{name} has values that are not finite"
    if not finite.any():
        return  # the reference itself breaks down here: ours only has to be finite
    scale = np.abs(want[finite]).max() if scale is None else scale
    error = np.abs(got.astype(np.float64) - want)[finite].max()
    limit = atol + rtol * scale
    assert error <= limit, f"{name}: error {error:.3g} exceeds {limit:.3g}"


def compare(name, got, file, key, shape, tolerance):
    """Compares one answer with the stored array or with its stored sample."""
    if key in file.files:
        assert got.shape == file[key].shape, f"{name}: {got.shape}, {file[key].shape}"
        close(name, got, file[key], **tolerance)
        return
    assert got.shape == tuple(shape), f"{name}: {got.shape}, {shape}"
    want = file[f"{key}_val"]
    close(name, got.reshape(-1)[file[f"{key}_idx"]], want, **tolerance)
    scale = np.abs(want).max()
    for statistic in ("mean", "std"):
        value = getattr(got.astype(np.float64), statistic)()
        expected = file[f"{key}_{statistic}"]
        close(f"{statistic} of {name}", value, expected, scale=scale, **tolerance)


def stored_keys(file):
    """Keys of the expected arrays, a sampled one under the name of the whole."""
    keys = [k.removesuffix("_idx") for k in file.files if k != "meta"]
    samples = {k.removesuffix("_idx") for k in file.files if k.endswith("_idx")}
    parts = {f"{k}_{part}" for k in samples for part in ("val", "mean", "std")}
    kinds = ("out_", "out64_", "grad_", "grad64_")
    return [k for k in keys if k.startswith(kinds) and k not in parts]


def answer_name(key):
    """``out_x`` and ``out64_x`` ask for ``x``; ``grad64_x`` asks for ``grad_x``."""
    kind, _, name = key.partition("_")
    return f"grad_{name}" if kind.startswith("grad") else name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path):
    with np.load(path, allow_pickle=False) as file:
        meta = fill.load_meta(file)
        module = handler(meta["kind"])
        inputs = fill.load_inputs(file, meta)
        weights = fill.fill_all(meta) if "weights" in meta else {}
        with jax.default_matmul_precision("highest"):
            got = module.compute(meta, inputs, weights)
        got = {name: np.asarray(value) for name, value in got.items()}
        limits = meta["tolerance"]
        keys = stored_keys(file)
        assert keys, f"{path.name} expects nothing"
        for key in keys:
            name = answer_name(key)
            assert name in got, f"the kind {meta['kind']} does not compute {name}"
            gradient = key.startswith("grad")
            rtol = limits.get("grad_rtol", limits["rtol"]) if gradient else None
            tolerance = {"rtol": rtol or limits["rtol"], "atol": limits["atol"]}
            shape = meta.get("shapes", {}).get(key)
            compare(f"{key} of {path.stem}", got[name], file, key, shape, tolerance)
        for name, value in got.items():
            if value.dtype.kind == "f" and f"out_{name}" not in file.files:
                assert np.isfinite(value).all(), f"{name} is not finite"
        if hasattr(module, "check"):
            want = {answer_name(k): file[k] for k in keys if k in file.files}
            module.check(meta, inputs, want, got)


def test_the_folder_has_files():
    assert FILES, f"{FOLDER} holds no .npz file"


def test_the_random_streams_are_those_of_the_fixtures():
    fill.selftest()


def test_an_unknown_kind_fails():
    with pytest.raises(pytest.fail.Exception, match="unknown kind 'no_such_kind'"):
        handler("no_such_kind")


def test_a_difference_above_the_tolerance_fails():
    want = np.array([1.0, -2.0])
    close("x", want + 1.9e-5, want, rtol=1e-5, atol=0.0)
    with pytest.raises(AssertionError, match="exceeds"):
        close("x", want + 2.1e-5, want, rtol=1e-5, atol=0.0)
    with pytest.raises(AssertionError, match="finite"):
        close("x", np.array([1.0, np.nan]), want, rtol=1e-5, atol=0.0)
