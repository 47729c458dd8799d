import argparse
import html
import html.parser
import pathlib
import re

import pytest

from experiments import plots, report
from experiments.errors import RunError
from tests.experiments import fabricated

HOSTILE = ("<script>alert(1)</script>", "a$b$c", "'\"&amp;")


class Page(html.parser.HTMLParser):
    """What a page links to, its elements, and its text."""

    def __init__(self, path):
        super().__init__()
        self.links, self.tags, self.text = set(), set(), ""
        self.source = path.read_text()
        self.feed(self.source)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        named = ("src", "srcset", "href")
        self.links |= {value for name, value in attrs if name in named}

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that has ended, and its page."""
    workdir = fabricated.write(tmp_path_factory.mktemp("ended") / "my run")
    flags = argparse.Namespace(baseline="")
    report.main(fabricated.config(), workdir, flags)
    return workdir, Page(workdir / "report" / "index.html")


def test_the_page_stands_by_itself(whole):
    workdir, page = whole
    there = {path.name for path in (workdir / "report").iterdir()}
    assert page.links == there - {"index.html"}
    assert "script" not in page.tags and "link" not in page.tags
    assert "http" not in page.source


def test_every_figure_is_there_in_both_themes(whole):
    names = {link.removesuffix(".png") for link in whole[1].links}
    light = {name for name in names if not name.endswith("_dark")}
    assert names == light | {f"{name}_dark" for name in light}
    assert light == {
        *("loss_0", "loss_1", "loss_2", "loss_3", "accuracy_train", "grad_norm_train"),
        *("accuracy_test", "macro_f1_test", "gain_by_class"),
        *("confusion_0", "confusion_1", "confusion_2", "confusion_3"),
        *("similar_0", "similar_1"),
        *("sample_0", "sample_1", "sample_2", "sample_3", "sample_4"),
    }


def test_the_summary_compares_the_student(whole):
    # Examples 3 and 4 are won, 6 is lost: see `fabricated`.
    assert (
        "On the 6 examples of the test split, the distilled student (student) reaches "
        "an accuracy of 83.3 % (macro F1 82.2 %). Distillation brings +16.7 points of "
        "accuracy and +16.7 of macro F1 over the undistilled student (student_alone), "
        "which reaches 66.7 % (macro F1 65.6 %): 2 examples are right only with it, 1 "
        "only without (sign test p = 1, one run)."
    ) in whole[1].text
    words = "more often than by student_alone: 1; less often: 0; as often: 2."
    assert words in whole[1].text


def test_the_page_tells_how_it_was_made(whole):
    workdir, page = whole
    folder = f"'{workdir}'"
    assert f"python -m experiments.run --mode=train --workdir={folder}" in page.text
    assert "seed1" in page.text.replace(" ", "")
    assert "jax 0." in page.text
    assert '"teacher_floor": 0.5' in page.text


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are asked for and not drawn."""
    monkeypatch.setattr(
        plots, "save", lambda folder, name, draw: plots.Image(name, 100, 50)
    )


def test_main_prints_where_the_page_is_last(tmp_path, capsys, undrawn):
    workdir = fabricated.write(tmp_path / "run", ended=False)
    report.main(fabricated.config(), workdir, argparse.Namespace(baseline=""))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"report: {workdir}/report/index.html"
    page = Page(pathlib.Path(last.removeprefix("report: ")))
    assert "The run has not ended: its newest line is of student, epoch 2." in page.text
    assert "Results" not in page.text.replace("Results follow", "")
    assert {"loss_3.png", "accuracy_test.png"} <= page.links
    assert not any(link.startswith(("confusion", "sample")) for link in page.links)


def test_names_are_escaped_and_lost_data_is_told(tmp_path, undrawn):
    workdir = fabricated.write(tmp_path / "<b>run", classes=HOSTILE)
    config = fabricated.config()
    config.data.name = "utd_mhad"
    config.data = {
        **{
            k: config.data[k]
            for k in ("name", "align", "transform", "cache", "standardise")
        },
        "data_dir": str(tmp_path / "gone"),
    }
    page = Page(report.write(config, workdir))
    assert not page.tags & {"script"} and "<b>run" not in page.source
    assert html.escape(HOSTILE[0]) in page.source
    assert "The recordings cannot be read again: " in page.text
    assert str(tmp_path / "gone") in page.text
    assert "gain_by_class.png" in page.links
    assert not any(link.startswith("sample") for link in page.links)


def test_a_baseline_that_does_not_fit_leaves_no_page(tmp_path):
    workdir = fabricated.write(tmp_path / "run")
    with pytest.raises(RunError, match=r"there is no .*none/predictions/student_test"):
        report.write(fabricated.config(), workdir, str(tmp_path / "none"))
    assert not (workdir / "report").exists()
