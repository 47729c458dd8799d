import itertools

import matplotlib
import numpy as np
import pytest
from etils import epath
from matplotlib.figure import Figure
from matplotlib.text import Text

from data_pipelines.datasets.utd_mhad import CLASSES
from experiments import plots

LONG = tuple(f"a class with a very long name, number {k}" for k in range(27))


def shown(axis):
    """Tick labels within the view; the others exist and are not drawn."""
    low, high = sorted(axis.get_view_interval())
    pairs = zip(axis.get_majorticklocs(), axis.get_majorticklabels())
    return [label for place, label in pairs if low <= place <= high]


def texts(figure: Figure) -> list[Text]:
    """Every text that can be read."""
    found = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title]
        if axes.get_legend() is not None:
            found += axes.get_legend().get_texts()
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                found += [axis.label, *shown(axis)]
    return [text for text in found if text.get_text() and text.get_visible()]


def assert_readable(figure: Figure) -> None:
    """No text covers another or leaves the figure."""
    figure.draw_without_rendering()
    boxes = {text: text.get_window_extent() for text in texts(figure)}
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text.get_text()
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, text.get_text()
    for (one, a), (two, b) in itertools.combinations(boxes.items(), 2):
        # A hair's breadth is the rounding of glyphs.
        over = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(over) < 1.5, (one.get_text(), two.get_text())


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context(plots.style(plots.THEMES["light"])):
        yield


def curves(*names, steps=100):
    epochs = np.linspace(0, 60, steps)
    return {n: (epochs, np.exp(-epochs / (k + 9))) for k, n in enumerate(names)}


@pytest.mark.parametrize("classes", [CLASSES, LONG, ("a$b$", "c")])
def test_confusion_is_readable(classes):
    counts = np.random.default_rng(0).integers(0, 120, (len(classes),) * 2)
    figure = plots.confusion(counts, classes, "student on the test split")
    assert_readable(figure)
    printed = [text.get_text() for text in figure.axes[0].texts]
    assert printed == [str(count) for count in counts.ravel() if count]


def test_confusion_is_shaded_by_rows():
    counts = np.array([[3, 1], [0, 0]])
    image = plots.confusion(counts, ("a", "b"), "").axes[0].images[0]
    # Three of four; a class without examples stays blank.
    np.testing.assert_array_equal(image.get_array(), [[0.75, 0.25], [0, 0]])


@pytest.mark.parametrize(("classes", "sign"), [(CLASSES, 1), (LONG, -1)])
def test_gains_are_readable_and_sorted(classes, sign):
    values = sign * np.linspace(-60, 12.5, 27)
    values[3] = np.nan
    figure = plots.gains(values, classes, "student", "points", losses=1)
    assert_readable(figure)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == sorted(widths) and len(widths) == 26
    top = figure.axes[0].get_yticklabels()[-1].get_text()
    assert top == plots.shorten(classes[int(np.nanargmax(values))])


def test_gains_without_any_change_are_readable():
    assert_readable(plots.gains(np.zeros(3), ("a", "b", "c"), "none", "x", losses=1))


def test_terms_are_readable_on_a_logarithmic_axis():
    figure = plots.terms("Training: student", curves("loss", "ce", "kl", "semantic"))
    assert_readable(figure)
    axis = figure.axes[0].yaxis
    assert figure.axes[0].get_yscale() == "log"
    assert "$" not in "".join(label.get_text() for label in shown(axis))


def test_terms_of_both_signs_have_a_linear_axis():
    series = {"loss": (np.arange(3.0), np.array([-1.0, np.nan, 100.0]))}
    assert plots.terms("", series).axes[0].get_yscale() == "linear"


def test_curves_by_role_are_readable_and_keep_their_colours():
    names = ("teacher_skeleton", "teacher_fusion", "student_alone", "student")
    colours = dict(zip(names, (3, 2, 1, 0)))
    figure = plots.by_role("Accuracy", curves(*names, steps=6), colours, "accuracy (%)")
    assert_readable(figure)
    lines = figure.axes[0].lines
    cycle = plots.THEMES["light"].series
    found = [matplotlib.colors.to_hex(line.get_color()) for line in lines]
    assert found == [cycle[number] for number in colours.values()]
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 4


def contrast(one, two):
    """WCAG 2.2 contrast ratio of two colours."""
    shades = []
    for colour in (one, two):
        rgb = np.array(matplotlib.colors.to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        shades.append(linear @ (0.2126, 0.7152, 0.0722) + 0.05)
    return max(shades) / min(shades)


@pytest.mark.parametrize("theme", plots.THEMES.values(), ids=plots.THEMES)
def test_colours_stand_out_from_the_paper(theme):
    # WCAG 2.2: 4.5 for text (1.4.3), 3 for graphics (1.4.11).
    assert contrast(theme.ink, theme.paper) > 4.5
    for colour in theme.series:
        assert contrast(colour, theme.paper) > 3, colour


@pytest.mark.parametrize("window", [1, 3, 7])
def test_smooth_agrees_with_a_loop(window):
    values = np.random.default_rng(1).normal(size=20)
    values[[0, 4, 5, 6]] = np.nan
    reach = window // 2
    for k, found in enumerate(plots.smooth(values, window)):
        part = values[max(k - reach, 0) : k + reach + 1]
        part = part[np.isfinite(part)]
        expected = part.mean() if part.size else np.nan
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_save_draws_both_themes_and_leaves_no_trace(tmp_path):
    before, papers = dict(matplotlib.rcParams), []

    def draw():
        papers.append(matplotlib.rcParams["figure.facecolor"])
        return Figure(figsize=(2, 1))

    image = plots.save(epath.Path(tmp_path), "name", draw)
    assert image == ("name", 260, 130)
    assert papers == [plots.THEMES["light"].paper, plots.THEMES["dark"].paper]
    for path in (tmp_path / "name.png", tmp_path / "name_dark.png"):
        header = path.read_bytes()[:24]
        assert header[:8] == b"\x89PNG\r\n\x1a\n"
        size = [int.from_bytes(header[k : k + 4], "big") for k in (16, 20)]
        assert size == [260, 130]
    assert dict(matplotlib.rcParams) == before


def test_long_names_are_shortened():
    assert plots.shorten("squat") == "squat"
    assert plots.shorten("x" * 25) == "x" * 23 + "…"
