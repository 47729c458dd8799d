"""Figures of a report, drawn with matplotlib's objects: no display, no current figure.

Every figure is drawn twice, for light and for dark pages, in colours that colour-blind
readers can tell apart (Okabe and Ito). Drawing functions take the theme from
`matplotlib.rcParams`, a series its colour from its number: ``C0`` is the student.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from cycler import cycler
from etils import epath
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

DPI = 130
MARKERS, DASHES = "os^Dv<>P", ("-", "--", "-.", ":")
Series = tuple[np.ndarray, np.ndarray]


class Theme(NamedTuple):
    """Colours of a page: paper, ink, faint lines and series."""

    paper: str
    ink: str
    faint: str
    series: tuple[str, ...]


THEMES = {
    "light": Theme(
        "#ffffff",
        "#1f2430",
        "#c9ced6",
        ("#d55e00", "#0072b2", "#009e73", "#b5598b", "#b07a00", "#2f9bd8", "#6b7280"),
    ),
    "dark": Theme(
        "#171b22",
        "#dfe4ec",
        "#3d4552",
        ("#ff8a3c", "#56b4e9", "#2bc79a", "#e29bc4", "#e6b422", "#8fa8ff", "#9aa4b2"),
    ),
}


class Image(NamedTuple):
    """A figure that was saved: name of the file without ending, and size in pixels."""

    name: str
    width: int
    height: int


def style(theme: Theme) -> dict[str, object]:
    """Matplotlib's settings for a theme."""
    ink = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")
    paper = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    return {
        **dict.fromkeys(ink, theme.ink),
        **dict.fromkeys(paper, theme.paper),
        "axes.edgecolor": theme.faint,
        "axes.prop_cycle": cycler(color=theme.series),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 11.5,
        "axes.labelsize": 10.5,
        "font.size": 10,
        "grid.color": theme.faint,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "legend.fontsize": 10,
        "lines.solid_capstyle": "round",
        # A dollar in the name of a class is no formula.
        "text.parse_math": False,
    }


def save(folder: epath.Path, name: str, draw: Callable[[], Figure]) -> Image:
    """Draws a figure for both themes, as ``name.png`` and ``name_dark.png``.

    Args:
      folder: that exists.
      name: of the file, without its ending.
      draw: makes the figure anew in the theme that holds when it is called.

    Returns:
      What a page needs to show it.
    """
    for theme, suffix in (("light", ""), ("dark", "_dark")):
        with matplotlib.rc_context(style(THEMES[theme])):
            figure, buffer = draw(), io.BytesIO()
            figure.savefig(buffer, format="png", dpi=DPI)
        (folder / f"{name}{suffix}.png").write_bytes(buffer.getvalue())
    width, height = figure.get_size_inches() * DPI
    return Image(name, round(width), round(height))


def shorten(name: str, limit: int = 24) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= limit else name[: limit - 1] + "…"


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Centred moving average over the values that are finite; NaN where none is.

    Args:
      values: [n].
      window: odd number of values.

    Returns:
      [n], shorter windows at both ends.
    """
    finite, kernel = np.isfinite(values), np.ones(window)
    pad = (window - 1) // 2
    total, count = (
        np.convolve(np.pad(each, pad), kernel, mode="valid")
        for each in (np.where(finite, values, 0.0), finite.astype(float))
    )
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _axes(width: float, height: float, title: str, ylabel: str):
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set(xlabel="epoch", ylabel=ylabel)
    axes.grid(axis="y")
    axes.margins(x=0.02)
    return figure, axes


def _legend(figure: Figure, lines: Sequence, names: Sequence[str]) -> None:
    names = [shorten(name, 32) for name in names]
    # As many as fit: a line sample and ten-point letters, in inches.
    room = figure.get_figwidth() - 0.2
    columns = max(1, int(room / (0.65 + 0.085 * max(map(len, names)))))
    figure.legend(lines, names, loc="outside lower center", ncols=columns)


def terms(title: str, series: Mapping[str, Series]) -> Figure:
    """Training curves of a role's loss terms, smoothed over the raw values.

    Args:
      title: of the figure.
      series: epochs [n] and values [n] by the term's name; the first is the total.

    Returns:
      The figure; its axis is logarithmic where the terms are positive and far apart.
    """
    figure, axes = _axes(5.4, 3.7, title, "loss term")
    lines = []
    for index, (epochs, values) in enumerate(series.values()):
        window = 2 * (len(values) // 60) + 1
        colour = f"C{index}"
        if window > 1:
            axes.plot(epochs, values, color=colour, alpha=0.25, linewidth=0.8)
        dash, mark = DASHES[index % len(DASHES)], "o" if len(values) == 1 else None
        lines += axes.plot(
            epochs,
            smooth(values, window),
            color=colour,
            linestyle=dash,
            linewidth=2.2 if index == 0 else 1.6,
            marker=mark,
        )
    every = np.concatenate([values for _, values in series.values()])
    every = every[np.isfinite(every)]
    if every.size and every.min() > 0 and every.max() / every.min() > 50:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    _legend(figure, lines, list(series))
    return figure


def by_role(
    title: str, series: Mapping[str, Series], colours: Mapping[str, int], ylabel: str
) -> Figure:
    """Curves of one quantity, one a role.

    Args:
      title: of the figure.
      series: epochs [n] and values [n] by role.
      colours: number of each role's colour, dash and marker.
      ylabel: what the values are.

    Returns:
      The figure.
    """
    figure, axes = _axes(5.4, 3.7, title, ylabel)
    lines = []
    for role, (epochs, values) in series.items():
        number, many = colours[role], len(values) > 40
        lines += axes.plot(
            epochs,
            smooth(values, 2 * (len(values) // 60) + 1),
            color=f"C{number}",
            linestyle=DASHES[number % len(DASHES)],
            marker=None if many else MARKERS[number % len(MARKERS)],
            markersize=5,
            linewidth=1.9,
        )
    _legend(figure, lines, list(series))
    return figure


def confusion(
    counts: np.ndarray, classes: Sequence[str], title: str, *, others: bool = False
) -> Figure:
    """Confusion matrix, each row shaded by shares of the true class.

    Args:
      counts: [K K] by true class (row) and predicted class (column).
      classes: K names.
      title: of the figure.
      others: whether there is one more column, of all other classes.

    Returns:
      The figure, which grows with the number of classes; counts above zero are printed.
    """
    size = len(classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(2.4, 0.27 * size)
    figure = Figure(figsize=(side + 2.6, side + 2.3), layout="constrained")
    axes = figure.add_subplot()
    paper, ink = (matplotlib.rcParams[k] for k in ("axes.facecolor", "text.color"))
    shades = LinearSegmentedColormap.from_list("", [paper, THEMES["light"].series[1]])
    image = axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
    names = [shorten(name) for name in classes]
    columns = [*names, "any other"] if others else names
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=9)
    axes.set_yticks(range(size), names, fontsize=9)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.tick_params(which="both", length=0)
    axes.grid(which="minor", alpha=0.6)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_title(title)
    for row, column in np.argwhere(counts):
        colour = "#ffffff" if shares[row, column] > 0.5 else ink
        text = str(counts[row, column])
        place = dict(ha="center", va="center", color=colour)
        axes.text(column, row, text, fontsize=8.5 if len(text) < 4 else 6.5, **place)
    bar = figure.colorbar(image, shrink=min(1.0, 3 / side), aspect=18, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("share of the true class")
    return figure


def gains(
    values: np.ndarray, classes: Sequence[str], title: str, label: str, *, losses: int
) -> Figure:
    """Sorted bars of the gain of each class, the greatest on top.

    Args:
      values: [K] gains in percentage points; NaN leaves a class out.
      classes: K names.
      title: of the figure.
      label: what a value is.
      losses: number of the colour of bars below zero.

    Returns:
      The figure.
    """
    order = [k for k in np.argsort(values, kind="stable") if np.isfinite(values[k])]
    found = values[order]
    figure = Figure(figsize=(6.6, 1.3 + 0.27 * len(order)), layout="constrained")
    axes = figure.add_subplot()
    colours = ["C0" if value > 0 else f"C{losses}" for value in found]
    bars = axes.barh(range(len(order)), found, height=0.72, color=colours)
    texts = [f"{v:+.1f}".replace("-", "−") if v else "0" for v in found]
    axes.bar_label(bars, texts, padding=4, fontsize=9.5)
    names = [shorten(classes[k]) for k in order]
    axes.set_yticks(range(len(order)), names, fontsize=10)
    axes.axvline(0, color=matplotlib.rcParams["text.color"], linewidth=0.9)
    low, high = found.min(initial=0.0), found.max(initial=0.0)
    # Room for the numbers at the bars' ends.
    room = 0.16 * max(high - low, 1.0)
    axes.set_xlim(low - room if low else -0.1 * room, high + room)
    axes.set_ylim(-0.7, len(order) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_title(title)
    axes.set_xlabel(label)
    return figure
