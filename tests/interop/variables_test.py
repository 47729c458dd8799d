import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from kdjax.interop import variables as files


class Pair(NamedTuple):
    params: dict
    state: dict


def example():
    return {
        "params": {
            "conv": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}
        },
        "state": {"batch_stats": {"mean": jnp.zeros(())}, "step": jnp.int32(3)},
    }


def assert_same(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected)):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "teacher.safetensors"
    files.save_variables(path, example(), {"probe": "0.5", "umlaut": "ä"})
    return path


def test_names_and_back():
    flat = files.flatten(example())
    assert set(flat) == {
        "params/conv/kernel",
        "params/conv/bias",
        "state/batch_stats/mean",
        "state/step",
    }
    assert_same(files.unflatten(flat), example())
    assert_same(files.unflatten(flat, Pair(**example())), Pair(**example()))
    with pytest.raises(ValueError, match="missing .*state/step.*unexpected .*'x'"):
        files.unflatten({**dict(list(flat.items())[:3]), "x": 1}, example())
    with pytest.raises(ValueError, match="one name"):
        files.flatten({"a/b": 1, "a": {"b": 2}})


def test_what_differs_is_named():
    other = example()
    del other["params"]["conv"]["bias"]
    other["params"]["conv"]["kernel"] = jnp.zeros((3, 2))
    other["state"]["step"] = jnp.float32(3)
    other["extra"] = jnp.zeros(1)
    files.check_same_tree(example(), example())
    with pytest.raises(ValueError) as error:
        files.check_same_tree(example(), other)
    text = str(error.value)
    assert "missing ['params/conv/bias']" in text
    assert "unexpected ['extra']" in text
    assert "params/conv/kernel is float32[3, 2] instead of float32[2, 3]" in text
    assert "state/step is float32[] instead of int32[]" in text


def test_round_trip(path):
    loaded, metadata = files.load_variables(path, Pair(**example()))
    assert_same(loaded, Pair(**example()))
    assert metadata == {"probe": "0.5", "umlaut": "ä"} == files.read_metadata(path)
    assert_same(files.load_variables(path)[0], example())
    shapes = jax.eval_shape(example)
    assert_same(files.load_variables(path, shapes)[0], example())


def test_a_network_without_state_keeps_its_empty_container(tmp_path):
    tree = {"params": {"w": jnp.ones(2)}, "state": {}}
    files.save_variables(tmp_path / "a", tree, {})
    assert_same(files.load_variables(tmp_path / "a")[0], tree)
    assert_same(files.load_variables(tmp_path / "a", tree)[0], tree)


def test_other_variables_are_refused_by_name(path):
    other = example()
    other["params"]["conv"]["bias"] = jnp.ones(4)
    with pytest.raises(
        ValueError, match=r"teacher.safetensors: .*conv/bias is float32"
    ):
        files.load_variables(path, other)


def test_every_flipped_byte_is_noticed(path):
    sound = path.read_bytes()
    for position in range(0, len(sound), 7):
        data = bytearray(sound)
        data[position] ^= 1
        path.write_bytes(bytes(data))
        with pytest.raises(ValueError, match="teacher.safetensors"):
            files.load_variables(path)


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_truncated_file_is_refused(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="teacher.safetensors is damaged"):
        files.read_metadata(path)


def test_changed_metadata_is_refused(path):
    path.write_bytes(path.read_bytes().replace(b'"0.5"', b'"0.9"'))
    with pytest.raises(ValueError, match="does not match its checksum"):
        files.read_metadata(path)


def test_a_foreign_file_is_refused(tmp_path):
    save_file({"w": np.ones(2, np.float32)}, tmp_path / "a", metadata={"x": "y"})
    with pytest.raises(ValueError, match="no checksum"):
        files.load_variables(tmp_path / "a")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_neither_written_nor_read(
    tmp_path, monkeypatch, value
):
    tree, path = {"w": jnp.asarray([1.0, value])}, tmp_path / "a"
    with pytest.raises(ValueError, match=r"a is not written: not finite are \['w'\]"):
        files.save_variables(path, tree, {})
    assert not path.exists()
    with monkeypatch.context() as patch:
        patch.setattr(files, "_not_finite", lambda arrays: [])
        files.save_variables(path, tree, {})
    with pytest.raises(ValueError, match=r"a is refused: not finite are \['w'\]"):
        files.load_variables(path)


@pytest.mark.parametrize("metadata", [{"epoch": 3}, {"kdjax.checksum": "x"}])
def test_other_metadata_is_refused(tmp_path, metadata):
    # The annotation says the same where it is checked.
    with pytest.raises((ValueError, TypeError)):
        files.save_variables(tmp_path / "a", example(), metadata)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_alone(path, monkeypatch):
    before = path.read_bytes()

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(type(files.epath.Path(path)), "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        files.save_variables(path, example(), {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_header_is_plain_safetensors(path):
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert header["params/conv/kernel"]["shape"] == [2, 3]
    assert header["__metadata__"]["probe"] == "0.5"
