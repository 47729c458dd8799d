"""Settings of the whole suite: eight host devices, strict shapes, no network."""

import gc
import os
import pathlib

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Programs run for milliseconds here: to optimise them would take longer than it saves,
# and the older emitters take half the time of those that write faster code.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "true")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_cpu_use_fusion_emitters=false"
    + " --xla_force_host_platform_device_count=8"
).strip()

import jax
import pytest
from jaxtyping import install_import_hook

ROOT = pathlib.Path(__file__).parent.parent
DATA = pathlib.Path(os.environ.get("KDJAX_DATA_DIR", ROOT.parent / "shared" / "data"))

install_import_hook("kdjax", "beartype.beartype")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")
# A folder to a process: entries aren't written at once, and another's half is a warning.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
jax.config.update("jax_compilation_cache_dir", str(ROOT / ".jax_cache" / WORKER))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


# What a suite keeps is not garbage: looked for less often, a twelfth of the time is saved.
gc.freeze()
gc.set_threshold(100_000, 20, 100)


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """What a file compiled goes with it: a collector that walks it all slows the next."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture
def optimised():
    """For tests of the last bits: programs are compiled as users' are."""
    name = "jax_disable_most_optimizations"
    before = jax.config.read(name)
    jax.config.update(name, False)
    yield
    jax.config.update(name, before)


@pytest.fixture
def real_data():
    """Folder of a real data set by name, or a skip that says what is missing."""

    def find(name: str) -> pathlib.Path:
        folder = DATA / name
        if not folder.is_dir():
            pytest.skip(f"real recordings not found: {folder} (set KDJAX_DATA_DIR)")
        return folder

    return find
