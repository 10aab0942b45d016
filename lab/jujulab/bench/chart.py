"""The benchmark's picture: an SVG without a library, because it is a few rectangles and words.

Above, both configurations on one scale; below, ours alone on a scale on which its phases can be
told apart. Each bar is a median, cut into its phases.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from html import escape

from jujulab.bench.results import OURS, UPSTREAM, Results

_PHASES = {
    "detected": ("until the loss is noticed", "#8d99ae"),
    "fenced": ("until the host is fenced", "#d1495b"),
    "evacuating": ("until its guests are evacuated", "#edae49"),
    "active": ("until the last is ACTIVE", "#30936f"),
}
"""Phase -> what its part of a bar stands for, and its colour."""

_NAMES = {OURS: "this project", UPSTREAM: "upstream charms"}

_WIDTH = 880
_LEFT = 290
_RIGHT = 120
_ROW = 26
_BAR = 15
_TITLE = 40
_AXIS = 26
_INK, _FAINT, _GRID = "#22272e", "#57606a", "#d8dee4"

_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:" + _INK + "}"
    ".t{font-weight:600;font-size:15px}.s{fill:" + _FAINT + ";font-size:12px}"
)


@dataclass(frozen=True)
class Bar:
    """One median.

    Attributes:
        label: what it is of.
        parts: end of each phase in seconds, by its name, in their order.
        note: what stands beside it.
    """

    label: str
    parts: dict[str, float]
    note: str

    @property
    def length(self) -> float:
        """The end of the last phase, in seconds."""
        return max(self.parts.values())


@dataclass
class _Canvas:
    """Elements so far, and the height that they take."""

    elements: list[str] = field(default_factory=list)
    height: float = 16.0

    def text(self, x: float, y: float, words: str, look: str = "", anchor: str = "start") -> None:
        attributes = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
        attributes += f' class="{look}"' if look else ""
        self.elements.append(f"<text {attributes}>{escape(words)}</text>")

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        size = f'x="{x:.1f}" y="{y:g}" width="{max(width, 0.5):.1f}" height="{height:g}"'
        self.elements.append(f'<rect {size} fill="{colour}"/>')


def draw(results: Results, titles: dict[str, str]) -> str:
    """Return the picture as SVG.

    Args:
        results: the runs.
        titles: scenario -> what it is, in the order of the bars.
    """
    canvas = _Canvas()
    both = [
        bar
        for scenario, title in titles.items()
        if results.spread(scenario, UPSTREAM, "active")
        for mode in (OURS, UPSTREAM)
        for bar in _bars(results, scenario, mode, f"{title}: {_NAMES[mode]}")
    ]
    ours = [bar for name, title in titles.items() for bar in _bars(results, name, OURS, title)]
    if both:
        _panel(canvas, "Side by side, seconds until all guests run again", both)
    if ours:
        _panel(canvas, "This project, seconds until all guests run again", ours)
    _legend(canvas)
    height = canvas.height + 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" '
        f'width="{_WIDTH}" height="{height:g}" role="img">'
        "<title>Seconds from a failure until the guests run again</title>"
        f"<style>{_STYLE}</style>"
        f'<rect width="{_WIDTH}" height="{height:g}" rx="8" fill="#ffffff"/>'
        + "".join(canvas.elements)
        + "</svg>\n"
    )


def _bars(results: Results, scenario: str, mode: str, label: str) -> list[Bar]:
    """Return the bar of a scenario, or none where it was not measured to its end."""
    spreads = {phase: results.spread(scenario, mode, phase) for phase in _PHASES}
    end = spreads["active"]
    if end is None:
        return []
    parts = {phase: spread.median for phase, spread in spreads.items() if spread is not None}
    note = f"{end.median:.1f} s"
    ratio = results.ratio(scenario, "active")
    if mode == UPSTREAM and ratio is not None:
        note += f", {ratio:.1f} times"
    return [Bar(label, parts, note)]


def _panel(canvas: _Canvas, title: str, bars: list[Bar]) -> None:
    top = canvas.height + _TITLE
    bottom = top + _ROW * len(bars)
    step = tick_step(max(bar.length for bar in bars))
    ticks = math.ceil(max(bar.length for bar in bars) / step)
    scale = (_WIDTH - _LEFT - _RIGHT) / (ticks * step)
    canvas.text(16, canvas.height + 14, title, "t")
    for number in range(ticks + 1):
        x = _LEFT + number * step * scale
        canvas.box(x, top - 4, 0.5, bottom - top + 4, _GRID)
        canvas.text(x, bottom + 14, f"{number * step:g}", "s", "middle")
    for row, bar in enumerate(bars):
        y = top + row * _ROW
        canvas.text(_LEFT - 10, y + 12, bar.label, anchor="end")
        ends = [0.0, *itertools.accumulate(bar.parts.values(), max)]
        for (start, end), phase in zip(itertools.pairwise(ends), bar.parts, strict=True):
            if end > start:
                colour = _PHASES[phase][1]
                canvas.box(_LEFT + start * scale, y, (end - start) * scale, _BAR, colour)
        canvas.text(_LEFT + bar.length * scale + 8, y + 12, bar.note)
    canvas.height = bottom + _AXIS


def tick_step(longest: float) -> float:
    """Return the distance of a scale's ticks, a round number, for about six of them."""
    rough = longest / 6
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _legend(canvas: _Canvas) -> None:
    y, x = canvas.height + 8, 16.0
    for words, colour in _PHASES.values():
        canvas.box(x, y, 12, 12, colour)
        canvas.text(x + 18, y + 11, words, "s")
        x += 34 + 6.4 * len(words)
    canvas.height = y + 16
