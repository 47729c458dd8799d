"""Teachers asked once: the same student, refused when they are another teacher's."""

import jax
import numpy as np
import pytest
from etils import epath

from experiments import build, state, targets, train
from experiments.errors import Interrupted, RunError
from kdjax import parallel
from tests.experiments import tiny_runs

DISTILL = dict(name="distill", term="logit", term_weight=1.0, kl_weight=0.5)


def config(stored=("logits",), **changes):
    return tiny_runs.pair(
        **{
            "rounds": 1,
            "roles__student__method": DISTILL,
            "roles__student__stored_targets": stored,
            **changes,
        }
    )


def run(folder, **options):
    return train.train(build.build(config(**options)), epath.Path(folder))


def students(folder, **options):
    ended = state.Run(build.build(config(**options)), epath.Path(folder))
    ended.close()
    return jax.device_get(ended.states["student"].params)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    run(folder)
    return folder


def test_the_student_is_that_of_a_teacher_asked_at_every_step(whole, tmp_path):
    run(tmp_path, stored=())
    assert not (tmp_path / "targets").exists()
    for ours, theirs in zip(
        jax.tree.leaves(students(whole)),
        jax.tree.leaves(students(tmp_path, stored=())),
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_the_file_holds_one_row_an_example(whole):
    experiment = build.build(config())
    with np.load(whole / "targets" / "teacher_skeleton.npz") as found:
        assert found["logits"].shape == (24, len(experiment.data.dataset.classes))
        keys = [row.key for row in experiment.data.dataset.splits["train"].rows]
        assert list(found["key"]) == keys


def test_a_run_that_stopped_goes_on_with_them(whole, tmp_path, monkeypatch):
    take = train.take_step

    def stop(current, phase, steps):
        take(current, phase, steps)
        if current.step == 5:
            raise Interrupted("enough")

    with monkeypatch.context() as patch:
        patch.setattr(train, "take_step", stop)
        with pytest.raises(Interrupted):
            run(tmp_path)
    run(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, students(tmp_path), students(whole))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("digest", "another teacher"),
        ("key", "other examples"),
        (None, "cannot be read"),
    ],
)
def test_what_is_stale_or_damaged_is_refused(tmp_path, change, message):
    path = tmp_path / "targets" / "teacher_skeleton.npz"
    path.parent.mkdir()
    experiment = build.build(config())
    mesh = parallel.data_mesh()
    states = state.init_states(experiment, mesh)

    def stored():
        args = "teacher_skeleton", states["teacher_skeleton"], mesh
        return targets.stored(experiment, epath.Path(tmp_path), *args)

    want = stored()
    np.testing.assert_array_equal(stored()["logits"], want["logits"])
    if change is None:
        path.write_bytes(path.read_bytes()[:100])
    else:
        with np.load(path) as found:
            arrays = dict(found)
        arrays[change] = arrays[change][::-1] if change == "key" else np.array("0")
        np.savez(path, **arrays)
    size = path.stat().st_size
    with pytest.raises(RunError, match=message):
        stored()
    assert path.stat().st_size == size, "nothing of the user's is lost"


def test_features_are_stored_beside_logits(tmp_path):
    """Attention transfer reads stages, which are parts of one output."""
    method = dict(name="distill", term="attention", term_weight=10.0)
    options = dict(roles__student__method=method, stored=("logits", "stages"))
    for name in ("once", "live"):
        (tmp_path / name).mkdir()
    run(tmp_path / "once", **options)
    with np.load(tmp_path / "once" / "targets" / "teacher_skeleton.npz") as found:
        stages = [found[name] for name in sorted(found) if name.startswith("stages/")]
    assert len(stages) > 1 and all(len(stage) == 24 for stage in stages)
    live = {**options, "stored": ()}
    run(tmp_path / "live", **live)
    for ours, theirs in zip(
        jax.tree.leaves(students(tmp_path / "once", **options)),
        jax.tree.leaves(students(tmp_path / "live", **live)),
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_an_output_that_is_none_is_refused():
    experiment = build.build(config(stored=("logits", "maps")))
    with pytest.raises(RunError, match=r"roles\.student: .*no 'maps'"):
        state.blank_targets(experiment, "student")


def test_a_teacher_that_still_learns_cannot_be_stored():
    with pytest.raises(RunError, match="trains the teacher_skeleton after"):
        build.build(config(schedule=(("student", 1), ("teacher_skeleton", 1))))
