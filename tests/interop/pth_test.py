import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.interop import pth
from tests.interop import pth_files
from tests.interop.pth_files import FORMATS, Call, Name

RNG = np.random.default_rng(0)
FLOATS = RNG.standard_normal((3, 2)).astype(np.float32)
formats = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)


@pytest.fixture
def written(tmp_path):
    """A function that writes a file and gives its path."""

    def write(data):
        path = tmp_path / "model.pth"
        path.write_bytes(data)
        return path

    return write


def same(got, expected):
    assert list(got) == list(expected)
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_array_equal(got[name], array)


@formats
def test_tensors_of_every_type_come_back(form, written):
    arrays = {
        name: (4 * RNG.standard_normal((2, 3, 1))).astype(np.dtype(dtype))
        for name, dtype in [*((n, n) for n in pth_files.STORAGES if n != "bfloat16")]
    }
    arrays["bfloat16"] = FLOATS.astype(jnp.bfloat16)
    arrays["scalar"] = np.array(7, np.int64)
    arrays["empty"] = np.zeros((0, 3), np.float32)
    path = written(form(pth_files.state_dict(arrays), list(arrays.values())))
    same(pth.read(path), arrays)


@formats
def test_a_training_checkpoint_gives_its_weights(form, written):
    content = {
        "meta": {"epoch": 24, "classes": ["drink", "eat"], "config": "lr = 0.4"},
        "state_dict": pth_files.state_dict({"fc.weight": FLOATS}),
    }
    same(pth.read(written(form(content, [FLOATS]))), {"fc.weight": FLOATS})


@formats
def test_views_and_parameters_are_what_they_show(form, written):
    base = np.arange(12, dtype=np.float32)
    transposed = pth_files.tensor(base, 0, size=(2, 3), stride=(1, 4), offset=1)
    parameter = Call(
        Name("torch._utils", "_rebuild_parameter"),
        (pth_files.tensor(base, 0), True, None),
    )
    got = pth.read(written(form({"a": transposed, "b": parameter}, [base])))
    expected = base[1:].reshape(-1)[: 3 * 4 - 1]
    expected = np.array([[expected[i + 4 * j] for j in range(3)] for i in range(2)])
    same(got, {"a": expected, "b": base})


@formats
@pytest.mark.parametrize(
    "name",
    [
        Name("os", "system"),
        Name("posix", "system"),
        Name("builtins", "eval"),
        Name("builtins", "getattr"),
        Name("torch", "load"),
        Name("numpy.core.multiarray", "_reconstruct"),
    ],
)
def test_a_program_is_refused_by_name_and_does_not_run(form, name, written, tmp_path):
    command = f"touch {tmp_path / 'it_ran'}"
    content = {"a": pth_files.tensor(FLOATS, 0), "b": Call(name, (command,))}
    with pytest.raises(
        ValueError, match=f"asks for {name.module}.{name.name}"
    ) as error:
        pth.read(written(form(content, [FLOATS])))
    assert "model.pth" in str(error.value)
    assert not (tmp_path / "it_ran").exists()


def test_a_bare_pickle_that_would_run_is_refused(written, tmp_path):
    call = Call(Name("os", "system"), (f"touch {tmp_path / 'it_ran'}",))
    with pytest.raises(ValueError, match="asks for os.system"):
        pth.read(written(pth_files.pickled(call)))
    assert not (tmp_path / "it_ran").exists()


def test_a_pickle_cannot_change_the_reader(written):
    # Opcode b sets attributes: here defaults of the function that rebuilds tensors.
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    change = (
        pth_files.opcodes(rebuild)
        + b"N"
        + pth_files.opcodes({"__defaults__": (1, 2, 3, 4)})
    )
    data = b"\x80\x02" + change + b"\x86b."
    with pytest.raises(ValueError, match="no weights file"):
        pth.read(written(data))
    assert pth._tensor.__defaults__ is None


@formats
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (4, 2)}, "reaches beyond its storage"),
        ({"offset": 1}, "reaches beyond its storage"),
        ({"stride": (3, 1)}, "reaches beyond its storage"),
        ({"size": (2**40,), "stride": (0,)}, "reaches beyond its storage"),
        ({"stride": (-1, 1)}, "no tensor has size"),
        ({"size": (3,)}, "no tensor has size"),
        ({"count": 5}, "storage"),
        ({"count": 2**50}, "storage"),
    ],
)
def test_tensors_outside_their_storage_are_refused(form, options, message, written):
    content = {"a": pth_files.tensor(FLOATS, 0, **options)}
    with pytest.raises(ValueError, match=message):
        pth.read(written(form(content, [FLOATS])))


@pytest.mark.parametrize(
    "pid",
    [
        ("storage", Name("torch", "FloatStorage"), "0", "cpu", 6, ("1", 0, 6)),
        ("storage", Name("torch", "Size"), "0", "cpu", 6),
        ("storage", Name("torch", "FloatStorage"), "0", "cpu", "6"),
        ("module", Name("torch", "FloatStorage"), "0", "cpu", 6),
    ],
)
def test_references_to_other_things_are_refused(pid, written):
    content = {"a": pth_files.Persistent(pid)}
    with pytest.raises(ValueError, match="which is no whole storage"):
        pth.read(written(pth_files.zipped(content, [FLOATS])))


@formats
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no tensors by name"),
        ([1], "holds no tensors by name"),
        ({"epoch": 3, "model": {}}, r"no tensors are \['epoch', 'model'\]"),
    ],
)
def test_what_holds_no_weights_is_refused(form, content, message, written):
    with pytest.raises(ValueError, match=message):
        pth.read(written(form(content, [])))


@formats
@pytest.mark.parametrize("kept", [0, 3, 60, -20, -1])
def test_a_cut_file_is_refused_with_its_size(form, kept, written):
    path = written(form(pth_files.state_dict({"a": FLOATS}), [FLOATS])[:kept])
    size = path.stat().st_size
    with pytest.raises(ValueError, match=rf"model.pth \({size} bytes\) is refused"):
        pth.read(path)


def test_other_layouts_of_bytes_are_refused(written):
    content, storages = pth_files.state_dict({"a": FLOATS}), [FLOATS]
    packed = pth_files.zipped(content, storages, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="compressed"):
        pth.read(written(packed))
    with pytest.raises(ValueError, match="not little-endian"):
        pth.read(written(pth_files.zipped(content, storages, byteorder=b"big")))
    with pytest.raises(ValueError, match="no weights file"):
        pth.read(written(pth_files.legacy(content, storages, little_endian=False)))
