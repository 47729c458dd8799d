import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from data_pipelines.errors import DataError
from experiments import plots, sample_clips, samples
from experiments.configs import cmmvl, rgb2ir
from experiments.errors import RunError
from kdjax import skeletons
from tests.experiments import fabricated
from tests.experiments.plots_test import assert_readable

KINECT = skeletons.get("kinect_v1")


def logits(guesses, sureness):
    """Rows whose highest score says what is guessed and how surely."""
    return np.eye(3)[np.array(guesses)] * np.array(sureness)[:, None]


def test_choices_are_mended_right_and_wrong():
    label = np.array([0, 1, 2, 0, 1, 2])
    mine = logits([0, 1, 2, 0, 0, 1], [3, 9, 5, 4, 2, 6])
    alone = logits([1, 1, 2, 0, 1, 1], [1] * 6)
    chosen = samples.choose(mine, label, alone)
    assert [choice.row for choice in chosen[:1]] == [0]
    assert chosen[0].why == "right, and wrong without distillation"
    # Class 0 has been shown: the surest of the others come first.
    assert [(c.row, c.why) for c in chosen[1:3]] == [(1, "right"), (2, "right")]
    assert [(c.row, c.why) for c in chosen[3:]] == [(5, "wrong"), (4, "wrong")]


def test_choices_without_a_reference():
    label = np.array([0, 1, 2])
    chosen = samples.choose(logits([0, 1, 2], [1, 3, 2]), label)
    assert [(choice.row, choice.why) for choice in chosen] == [
        (1, "right"),
        (2, "right"),
    ]


def test_no_example_is_chosen_twice():
    random = np.random.default_rng(2)
    label = random.integers(0, 3, 40)
    mine, alone = random.normal(size=(2, 40, 3))
    rows = [choice.row for choice in samples.choose(mine, label, alone)]
    assert len(set(rows)) == len(rows) == 7


def test_softmax_survives_large_logits():
    # 1 / (1 + e) and its complement, from the definition.
    found = samples.softmax(np.array([1000.0, 1001.0]))
    np.testing.assert_allclose(found, [0.2689414213699951, 0.7310585786300049])


def test_recordings_are_in_recorded_units():
    key = fabricated.KEYS[0]
    found = samples.recordings(fabricated.config(), "test", [key])
    example = found.examples[key]
    assert example["skeleton"].shape == (16, 1, 25, 3)
    assert example["inertial"].shape == (16, 3)
    # Metres in the camera's frame: a body two to four metres away, one to two tall.
    tall = np.ptp(example["skeleton"][..., 1], axis=2)
    assert (1 < tall).all() and (tall < 2.3).all()
    assert example["skeleton"][..., 2].min() > 1
    # Acceleration in g, gravity included.
    size = np.linalg.norm(example["inertial"], axis=-1).mean()
    assert 0.5 < size < 2
    assert found.topology == "kinect_v2"


def test_recordings_that_are_gone_are_named():
    with pytest.raises(RunError, match="'test' no longer has the example b"):
        samples.recordings(fabricated.config(), "test", [fabricated.KEYS[0], "b"])
    config = fabricated.config()
    config.data.subjects = 1
    with pytest.raises((RunError, DataError), match="empty"):
        samples.recordings(config, "test", list(fabricated.KEYS))


def example(persons=1):
    """A body of arbitrary shape that is carried sideways, and noise."""
    random = np.random.default_rng(3)
    clip = np.tile(random.uniform(0.5, 1.5, (persons, 20, 3)), (30, 1, 1, 1))
    clip[..., 0] += np.linspace(0, 3, 30)[:, None, None]
    return {"skeleton": clip, "inertial": random.normal(size=(30, 3))}


@pytest.mark.parametrize("name", ["walk", "a class with a very long name indeed"])
def test_a_sample_is_readable(name):
    top = [("basketball_shoot", 0.994), (name, 0.005), ("draw_circle_CCW", 0.001)]
    found = samples.Recordings({}, KINECT.name, {})
    with matplotlib.rc_context(plots.style(plots.THEMES["dark"])):
        assert_readable(samples.figure(example(), found, top, name))


@pytest.mark.parametrize(
    ("kept", "axes"), [(("skeleton",), 2), (("inertial",), 2), (("rgb",), 1)]
)
def test_a_sample_shows_what_the_data_has(kept, axes):
    shown = {k: v for k, v in example().items() if k in kept}
    found = samples.Recordings({}, KINECT.name, {})
    assert len(samples.figure(shown, found, [("a", 1.0)], "a").axes) == axes


def strip(clip, aspect=3.0):
    axes = Figure(figsize=(6, 2)).add_axes((0, 0, 1, 1))
    samples.strip(axes, clip, KINECT.limbs, aspect)
    return axes


def test_stick_figures_are_true_to_scale_and_apart():
    clip = example()["skeleton"][..., :2]
    axes = strip(clip)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert (right - left) / (high - low) == pytest.approx(3.0)
    x, y = axes.lines[0].get_data()
    joints = x.reshape(6, 20)
    cell = (right - left) / 6
    middle = (joints.min(axis=1) + joints.max(axis=1)) / 2
    np.testing.assert_allclose(middle, (np.arange(6) + 0.5) * cell, rtol=1e-9)
    assert np.ptp(joints, axis=1).max() < cell
    assert low < y.min() and y.max() < high
    np.testing.assert_allclose(np.ptp(y), np.ptp(clip[..., 1]))


def test_joints_that_were_not_seen_are_left_out():
    clip = example(persons=2)["skeleton"][..., :2]
    clip[:, 1] = np.nan
    clip[:, 0, 5] = np.nan
    bones = strip(clip).collections[0].get_segments()
    kept = [edge for edge in KINECT.limbs if 5 not in edge]
    assert len(bones) == 6 * len(kept)
    nothing = strip(np.full_like(clip, np.nan))
    assert not nothing.collections and not nothing.lines


def test_image_coordinates_are_turned_upwards():
    found = samples.Recordings({}, "coco", {})
    shown = example()
    axes = samples.figure(shown, found, [("a", 1.0)], "a").axes[0]
    y = axes.lines[0].get_ydata()
    np.testing.assert_allclose(y.max(), -shown["skeleton"][..., 1].min())


def test_instants_are_in_the_middle_of_equal_parts():
    # 60 steps in six parts of ten.
    assert samples.instants(60).tolist() == [5, 15, 25, 35, 45, 55]
    assert samples.instants(2).tolist() == [0, 0, 0, 1, 1, 1]


def test_video_shows_frames_the_pose_on_them_and_its_maps():
    config = cmmvl.get_config()
    config.data.update(subjects=2, trials_per_subject=1)
    key = "drink_s2_t1_c2"
    found = samples.recordings(config.lock(), "test", [key])
    shown = found.examples[key]
    assert shown["frames"].shape == (6, 48, 48, 3)
    assert shown["joint maps"].shape == shown["limb maps"].shape == (6, 24, 24)
    assert shown["joints"].shape == (6, 1, 25, 3)
    # The person stands in the picture, and the maps are theirs.
    assert (shown["joints"][..., :2].mean(axis=(0, 1, 2)) < 48).all()
    assert shown["joint maps"].max() > 0.5
    drawn = samples.figure(shown, found, [("drink", 0.9), ("eat", 0.1)], "drink")
    assert [axes.get_ylabel() for axes in drawn.axes[:3]] == [
        "frames",
        "joint maps",
        "limb maps",
    ]
    assert drawn.axes[0].collections, "the skeleton lies over the frames"
    # A performance of the training split, as its three cameras saw it.
    assert list(found.cameras) == [1, 2, 3]
    one, *others = (example["frames"] for example in found.cameras.values())
    assert all((other != one).any() for other in others)
    rows = sample_clips.draw_cameras(found.cameras, found.topology).axes
    titles = [f"camera {n}" for n in (1, 2, 3)]
    assert [axes.get_ylabel() for axes in rows[::2]] == titles


def test_a_pair_shows_both_cameras_at_the_same_instants():
    config = rgb2ir.get_config()
    config.data.update(subjects=2, trials_per_subject=1, cameras=1)
    key = "drink_s2_t1_c1"
    found = samples.recordings(config.lock(), "test", [key])
    shown = found.examples[key]
    assert shown["frames"].shape == (6, 64, 64, 3)
    assert shown["infrared"].shape == (6, 32, 32, 1)
    drawn = samples.figure(shown, found, [("drink", 0.9), ("eat", 0.1)], "drink")
    titles = [axes.get_ylabel() for axes in drawn.axes[:2]]
    assert titles == ["frames", "infrared"]


def test_data_of_one_camera_shows_no_cameras():
    config = cmmvl.get_config()
    config.data.update(subjects=2, trials_per_subject=1, cameras=1)
    found = samples.recordings(config.lock(), "test", ["drink_s2_t1_c1"])
    assert found.cameras == {}
