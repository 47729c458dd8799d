"""Raw examples to one shape: index maps, units, statistics, faults."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

from data_pipelines.dataset import Dataset
from data_pipelines.errors import DataError
from data_pipelines.sources import Mapped
from data_pipelines.transforms import align as module
from data_pipelines.transforms import inertial, resample, skeleton
from data_pipelines.transforms.align import Align


def example(frames=40, samples=107, joints=20, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "key": f"e{seed}",
        "label": seed % 3,
        "subject": 1,
        "skeleton": rng.standard_normal((frames, 1, joints, 3)).astype(np.float32),
        "inertial": rng.standard_normal((samples, 6)).astype(np.float32),
    }


def examples(count):
    return [example(30 + i, 80 + 3 * i, seed=i) for i in range(count)]


def test_every_modality_has_the_same_number_of_steps():
    got = Align()(example())
    assert sorted(got) == ["inertial", "key", "label", "skeleton"]
    assert got["skeleton"].shape == (128, 1, 20, 3)
    assert got["inertial"].shape == (128, 3)
    assert {got[m].dtype for m in ("skeleton", "inertial")} == {np.dtype("float32")}


def test_an_event_meets_in_both_modalities():
    # A movement that starts in the middle of a trial, seen at 41 and at 107 frames.
    raw = example(41, 107)
    raw["skeleton"][:] = np.linspace(0, 1, 41)[:, None, None, None] > 0.5
    raw["inertial"][:] = np.linspace(0, 1, 107)[:, None] > 0.5
    got = Align(root=None)(raw)
    onset = [
        np.argmax(got[m].reshape(128, -1)[:, 0] > 0.5)
        for m in got
        if m != "key" and m != "label"
    ]
    assert abs(onset[0] - onset[1]) <= 2


def test_six_channels_add_the_rate_of_turn():
    raw = example()
    got = Align(channels=6, modalities=("inertial",))(raw)
    where = resample.positions(107, 128)
    np.testing.assert_array_equal(
        got["inertial"], resample.linear(raw["inertial"], where)
    )
    assert "skeleton" not in got


def test_time_stamps_are_used_where_there_are_any():
    raw = example(samples=5)
    raw["inertial_time"] = np.array([0.0, 0.1, 0.2, 0.3, 2.0])
    raw["inertial"] = np.repeat(raw["inertial_time"][:, None], 3, 1)
    got = Align(modalities=("inertial",), length=21)(raw)
    np.testing.assert_allclose(got["inertial"][:, 0], np.linspace(0, 2, 21), atol=1e-6)


def test_the_root_is_subtracted_unless_it_is_none():
    raw = example(frames=128)
    assert not Align()(raw)["skeleton"][:, :, 2].any()
    np.testing.assert_allclose(
        Align(root=None)(raw)["skeleton"], raw["skeleton"], atol=1e-6
    )


def test_statistics_standardise_the_training_split():
    train = examples(7)
    align = module.standardised(Align(channels=6), train)
    aligned = [align(e) for e in train]
    signal = np.stack([e["inertial"] for e in aligned])
    np.testing.assert_allclose(signal.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(signal.std((0, 1)), 1, atol=1e-4)
    clips = np.stack([e["skeleton"] for e in aligned])
    seen = clips[:, :, :, [j for j in range(20) if j != 2]]
    np.testing.assert_allclose(seen.mean((0, 1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(seen.std((0, 1, 2, 3)), 1, atol=1e-4)
    assert not clips[:, :, :, 2].any()


def test_statistics_are_those_of_the_aligned_training_examples_alone():
    # By the definition, in one NumPy expression over all steps.
    train, test = examples(4), example(seed=99)
    plain = Align(modalities=("inertial",))
    values = np.concatenate([plain(e)["inertial"] for e in train]).astype(np.float64)
    table = module.statistics(train, plain)
    np.testing.assert_allclose(table["inertial"][0], values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(table["inertial"][1], values.std(0), rtol=1e-5)
    fitted = dataclasses.replace(plain, statistics=table)
    wanted = (plain(test)["inertial"] - values.mean(0)) / values.std(0)
    np.testing.assert_allclose(fitted(test)["inertial"], wanted, atol=1e-5)


def test_statistics_ignore_statistics_already_there():
    train = examples(3)
    once = module.standardised(Align(), train)
    again = module.standardised(once, train)
    np.testing.assert_array_equal(
        once.statistics["skeleton"], again.statistics["skeleton"]
    )


def test_a_constant_channel_is_not_blown_up():
    raw = example()
    raw["inertial"][:, 1] = 0.1
    table = module.statistics([raw], Align(modalities=("inertial",)))
    assert table["inertial"][1][1] == 1


def test_a_transform_survives_json_exactly():
    align = module.standardised(Align(root=(0, 1)), examples(3))
    words = json.loads(json.dumps(module.described(align)))
    again = module.restored(words, ("inertial",))
    assert again.modalities == ("inertial",) and again.root == (0, 1)
    for name, pair in align.statistics.items():
        np.testing.assert_array_equal(again.statistics[name], pair)


def test_fusion_gcn_pads_normalises_and_scales():
    raw = example(frames=40)
    got = Align(prep="fusiongcn", channels=6)(raw)
    padded = np.zeros((128, 1, 20, 3))
    padded[:40] = raw["skeleton"]
    wanted = skeleton.normalise(padded, origin=2, z=(3, 2), x=(4, 8))
    np.testing.assert_array_equal(got["skeleton"], wanted)
    signal = np.zeros((128, 6))
    signal[:40] = raw["inertial"][np.rint(np.arange(40) * 106 / 39).astype(int)]
    np.testing.assert_allclose(got["inertial"], inertial.min_max(signal), atol=1e-6)
    # The padding is one constant: where zero lies between the extremes.
    assert len(np.unique(got["inertial"][40:])) == 1


def test_an_example_without_label_is_aligned_for_prediction():
    raw = example()
    del raw["label"], raw["subject"]
    assert "label" not in Align()(raw)


def test_alignment_pickles_and_maps_a_source():
    align = pickle.loads(pickle.dumps(module.standardised(Align(), examples(2))))
    assert Mapped(examples(2), align)[1]["skeleton"].shape == (128, 1, 20, 3)


@pytest.mark.parametrize(
    ("topology", "root", "spatial"),
    [
        ("kinect_v1", (2,), 3),
        ("kinect_v2", (1,), 3),
        ("coco", (5, 6), 2),
        ("none", None, 3),
    ],
)
def test_a_topology_brings_its_origin(topology, root, spatial):
    dataset = Dataset("tiny", ("a",), {}, topology, ("inertial",))
    align = module.for_dataset(dataset, length=64)
    assert (align.root, align.spatial, align.length) == (root, spatial, 64)
    assert align.modalities == ("inertial",)
    assert module.for_dataset(dataset, root=7).root == 7


def broken(**fields):
    return {**example(), **fields}


@pytest.mark.parametrize(
    ("raw", "options", "message"),
    [
        ({"key": "e0", "inertial": np.ones((4, 6))}, {}, "e0 has no skeleton"),
        (broken(inertial=np.zeros((0, 6))), {}, "the inertial of e0 is empty"),
        (broken(inertial=np.full((4, 6), np.nan)), {}, "inertial of e0 .* not finite"),
        (
            broken(skeleton=np.full((4, 1, 20, 3), np.inf)),
            {},
            "skeleton of e0 .*finite",
        ),
        (broken(inertial=np.ones((9, 3))), {"channels": 6}, "e0 has 3 channels, 6 are"),
        (example(frames=129), {"prep": "fusiongcn"}, "e0 has 129 frames.*pads to 128"),
        (example(joints=25), {"prep": "fusiongcn"}, "e0 has 25 joints"),
        (
            {"key": "e0", "inertial": np.ones((4, 6))},
            {"prep": "fusiongcn", "modalities": ("inertial",)},
            "e0 has no skeleton, whose length",
        ),
    ],
)
def test_a_fault_names_the_example(raw, options, message):
    with pytest.raises(DataError, match=message):
        Align(**options)(raw)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prep": "none"}, "whole_trial or fusiongcn, not 'none'"),
        ({"modalities": ("audio",)}, "no modality 'audio'"),
        ({"length": 1}, "at least 2, not 1"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        Align(**options)


def test_no_examples_have_no_statistics():
    with pytest.raises(DataError, match="no examples"):
        module.statistics([], Align())
