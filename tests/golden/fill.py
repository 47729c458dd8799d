"""Deterministic weight and input regeneration for the numeric fixtures (pure numpy).

Weights are never stored.  A fixture's meta lists `weights` = {name: shape}, `weight_seed`
and `weight_gain`; `fill_all(meta)` rebuilds the float32 arrays in the reference's own layout.
Inputs larger than 300 kB are listed in meta `inputs` = {name: {"key":, "shape":}} and are
rebuilt with `make_input(key, shape, meta["input_seed"])`; `load_inputs(npz, meta)` hides this.
"""

import json
import zlib

import numpy as np


def fill(name, shape, seed, gain=1.0):
    """Weight tensor `name` as float32.  `gain` only scales tensors with two or more axes."""
    shape = tuple(int(s) for s in shape)
    rng = np.random.default_rng([int(seed), zlib.crc32(name.encode())])
    n = rng.standard_normal(shape)
    if name.endswith("running_var"):
        w = 0.5 + np.abs(n)
    elif name.endswith("running_mean"):
        w = 0.1 * n
    elif len(shape) >= 2:
        w = n * (gain * np.sqrt(1.0 / np.prod(shape[1:])))
    elif name.endswith("weight"):
        w = 1.0 + 0.1 * n
    elif name.endswith("bias"):
        w = 0.05 * n
    else:
        w = 0.02 * n
    return np.asarray(w, dtype=np.float32)


def fill_all(meta):
    """Ordered dict name -> float32 array for a fixture's meta."""
    gain = meta.get("weight_gain", 1.0)
    return {
        k: fill(k, s, meta["weight_seed"], gain) for k, s in meta["weights"].items()
    }


def make_input(key, shape, seed):
    """Input tensor as float32.  `key` is "<kind>" or "<kind>:<input name>"; the part before
    the colon selects the value distribution, the whole key enters the random stream."""
    shape = tuple(int(s) for s in shape)
    rng = np.random.default_rng([int(seed), zlib.crc32(("input/" + key).encode())])
    n = rng.standard_normal(shape)
    kind = key.split(":")[0]
    if kind in (
        "posec3d",
        "i3d",
        "resnet18",
        "resnet50",
    ):  # axes (B, C, ...): add a per-channel level
        n = 0.7 * n + rng.standard_normal(shape[:2] + (1,) * (len(shape) - 2))
    if kind == "posec3d":  # sparse values in [0, 1]
        x = np.clip(n - 1.0, 0.0, 1.0)
    elif kind == "i3d":  # in (-1, 1)
        x = np.tanh(n)
    elif kind == "ast_fbank":  # last axis is time at 16 kHz: noise plus a 440 Hz tone
        t = np.arange(shape[-1]) / 16000.0
        x = 0.1 * n + 0.3 * np.sin(2 * np.pi * 440.0 * t)
    elif kind == "agcn":
        x = 0.5 * n
    else:
        x = n
    return np.asarray(x, dtype=np.float32)


def load_meta(npz):
    return json.loads(str(npz["meta"]))


def load_inputs(npz, meta=None):
    """All inputs of an opened npz (stored and regenerated ones), names without the in_ prefix."""
    meta = meta or load_meta(npz)
    out = {k[3:]: npz[k] for k in npz.files if k.startswith("in_")}
    for name, d in meta.get("inputs", {}).items():
        out[name] = make_input(d["key"], d["shape"], meta["input_seed"])
    return out


def expected(npz, name):
    """(flat C-order indices or None, values) of output `name`; None means the full array."""
    if "out_" + name in npz.files:
        return None, npz["out_" + name]
    return npz["out_" + name + "_idx"], npz["out_" + name + "_val"]


_CHECK = [  # first three values of streams, to detect a changed random generator
    ("w", "a.weight", (4, 3), 7, [0.3268773, 0.24306978, 0.74720031]),
    ("w", "b.running_var", (5,), 7, [0.83094442, 1.46208501, 1.32591152]),
    ("i", "i3d:x", (1, 2, 3), 3, [0.47418472, -0.85405362, -0.48559901]),
    ("i", "ast_fbank:wave", (6,), 3, [-0.13972959, 0.0874702, 0.04501329]),
]


def selftest():
    for t, name, shape, seed, want in _CHECK:
        a = fill(name, shape, seed) if t == "w" else make_input(name, shape, seed)
        got = [float(v) for v in a.ravel()[:3]]
        if not np.allclose(got, want, rtol=1e-6, atol=1e-7):
            raise AssertionError(f"random stream changed for {name}: {got} != {want}")


if __name__ == "__main__":
    selftest()
    print("fill.py: ok")
