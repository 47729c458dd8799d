import numpy as np
import pytest

from experiments import findings, outcome
from tests.experiments import fabricated


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return outcome.read(fabricated.write(tmp_path_factory.mktemp("findings") / "run"))


@pytest.fixture(scope="module")
def reference(run):
    return outcome.undistilled(run, "")


def test_counts_have_true_classes_in_rows(run):
    # The one mistake: a walk taken for a clap.
    expected = [[2, 0, 0], [0, 2, 0], [1, 0, 1]]
    counts = findings.counts(run.predictions["student"])
    np.testing.assert_array_equal(counts, expected)


def test_gain_by_class(run, reference):
    # The student finds both claps, alone it finds one of the two.
    np.testing.assert_allclose(findings.gain_by_class(run, reference), [50, 0, 0])


def test_a_class_without_examples_has_no_gain(run, reference):
    def without_clap(found):
        return found._replace(label=np.maximum(found.label, 1))

    few = run._replace(
        predictions={"student": without_clap(run.predictions["student"])}
    )
    found = reference._replace(predictions=without_clap(reference.predictions))
    gains = findings.gain_by_class(few, found)
    assert np.isnan(gains[0]) and np.isfinite(gains[1:]).all()


def test_mended_examples_and_the_sign_test(run, reference):
    # Of three that differ, two or more heads are as likely as not: p = 1.
    assert findings.mended(run, reference) == (2, 1, 1.0)
    same = reference._replace(predictions=run.predictions["student"])
    assert findings.mended(run, same) == (0, 0, 1.0)


def test_confused_pairs_name_both_counts(run, reference):
    pair = {"true": "walk", "guess": "clap", "count": 1, "of": 2, "before": 1}
    mended = {"true": "clap", "guess": "squat", "count": 0, "of": 2, "before": 1}
    assert findings.confused_pairs(run, reference) == [pair, mended]
    assert findings.confused_pairs(run, None) == [{**pair, "before": None}]
    assert findings.confused_pairs(run, None, limit=0) == []


def test_similar_classes_are_those_confused_before(run, reference):
    # Alone it takes a clap for a squat and a walk for a clap.
    assert findings.similar(run, reference) == [0, 1, 2]
    assert findings.similar(run, reference, limit=2) == [0, 1]
    teacher = reference._replace(predictions=run.predictions["teacher_fusion"])
    assert findings.similar(run, teacher) == []


def test_accuracy_by_camera(run):
    assert findings.by_camera(run) == []
    numbers = {"accuracy": 0.5, "accuracy_camera_1": 0.25, "accuracy_camera_3": 0.75}
    roles = {**run.results["roles"], "student": {"test": numbers}}
    filmed = run._replace(results={**run.results, "roles": roles})
    (row,) = findings.by_camera(filmed)
    assert (row["role"], row["cameras"]) == ("student", {"1": 0.25, "3": 0.75})
    assert findings.by_camera(run._replace(results=None)) == []


def test_the_table_has_a_row_a_role_and_the_other_run(run, reference):
    rows = findings.table(run, reference)
    assert [row["role"] for row in rows] == list(run.roles)
    assert rows[0]["inputs"] == "skeleton + inertial"
    assert (rows[-1]["method"], rows[-1]["epochs"]) == ("pskd", 2)
    assert rows[-1]["numbers"]["accuracy"] == 5 / 6
    rows = findings.table(run, reference._replace(name="student of other", colour=4))
    assert rows[-1]["role"] == "student of other"
    # Four of six; F1 as in `fabricated`.
    assert rows[-1]["numbers"]["accuracy"] == pytest.approx(4 / 6)
    assert rows[-1]["numbers"]["macro_f1"] == pytest.approx(59 / 90)


def test_tiles_show_student_reference_gain_and_teachers(run, reference):
    tiles = findings.tiles(run, reference)
    assert [tile.label for tile in tiles] == [
        *("Distilled student", "Undistilled student", "Gain", "Teacher", "Teacher")
    ]
    assert [tile.value for tile in tiles[:3]] == ["83.3\u00a0%", "66.7\u00a0%", "+16.7"]
    assert len(findings.tiles(run, None)) == 3
    assert findings.tiles(run._replace(results=None), None) == []


def test_a_loss_is_said_to_be_one(run, reference):
    swapped = dict(run.results["roles"])
    swapped["student"], swapped["student_alone"] = (
        swapped["student_alone"],
        swapped["student"],
    )
    worse = run._replace(results={**run.results, "roles": swapped})
    text = findings.summary(worse, reference)
    assert "Distillation brings −16.7 points of accuracy" in text


def test_the_summary_without_reference_or_teachers(run):
    text = findings.summary(run, None)
    assert "brings" not in text
    assert text.endswith(
        "What taught it: teacher_skeleton 100.0\u00a0% (macro F1 100.0\u00a0%) and "
        "teacher_fusion 100.0\u00a0% (macro F1 100.0\u00a0%)."
    )
    config = {"roles": {**run.config["roles"], "student": {}}}
    text = findings.summary(run._replace(config=config), None)
    assert "the network (student)" in text and "taught" not in text


def test_the_summary_of_a_run_that_is_going(run):
    going = run._replace(results=None, log=[])
    assert findings.summary(going, None) == "The run has begun and logged nothing yet."


def test_values_that_are_not_finite_are_told_once(run):
    log = [
        {"role": "student", "split": "train", "step": 1, "epoch": 1.0, "kl": 0.5},
        {"role": "student", "split": "train", "step": 2, "epoch": 2.0, "kl": "nan"},
        {"role": "student", "split": "train", "step": 3, "epoch": 3.0, "kl": "inf"},
    ]
    found = findings.not_finite(run._replace(log=log))
    assert found == ["student: kl not finite at step 2."]
    assert findings.not_finite(run) == []


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_lists_read_as_sentences(parts, sentence):
    assert findings.listed(parts) == sentence
