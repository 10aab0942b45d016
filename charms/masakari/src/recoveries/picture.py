"""A recovery or a drill as a picture: a bar for each instance, and a line for each phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from xml.sax.saxutils import escape

from masakari_fencing.records import progress

from recoveries.reports import Report

_WIDTH, _LEFT, _ROW, _TOP = 960, 330, 18, 56  # pixels
_MOST = 200  # instances

Bar = tuple[str, float, float, bool]
"""An instance: words, begin and end in seconds since the epoch, and whether it is up."""


def draw(report: Report) -> str:
    """The picture of a recovery, as SVG.

    The bar of an instance ends when the engine has told of it, and is as long as its evacuation
    took.
    """
    title = f"{report.host}: {report.status}, {report.uuid}"
    return picture(title, report.phases, _bars(report))


def picture(title: str, phases: Mapping[str, float], every: Iterable[Bar]) -> str:
    """A picture of what went on, as SVG.

    Args:
        title: what it is.
        phases: when each phase was reached, in the order of time, in seconds since the epoch.
        every: the instances.
    """
    bars = list(every)[:_MOST]
    begin = min([*phases.values(), *(start for _, start, _, _ in bars)], default=0.0)
    end = max([*phases.values(), *(stop for _, _, stop, _ in bars), begin + 1.0])
    scale = (_WIDTH - _LEFT - 20) / (end - begin)

    def x(moment: float) -> str:
        return f"{_LEFT + (moment - begin) * scale:.1f}"

    height = _TOP + _ROW * len(bars) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="10" y="16" font-size="13">{escape(title)}</text>',
    ]
    for number, (name, moment) in enumerate(phases.items()):
        y = 28 + 9 * (number % 3)
        parts.append(f'<path d="M{x(moment)} {y}V{height - 6}" stroke="#888" fill="none"/>')
        text = f"{name} {moment - begin:.1f} s"
        anchor = "end" if moment - begin > (end - begin) * 0.8 else "start"
        parts.append(f'<text x="{x(moment)}" y="{y}" text-anchor="{anchor}">{text}</text>')
    for row, (label, start, stop, good) in enumerate(bars):
        y = _TOP + _ROW * row
        color = "#2a7" if good else "#c33"
        parts.append(f'<text x="10" y="{y + 11}">{escape(label)}</text>')
        wide = max(1.0, (stop - start) * scale)
        parts.append(
            f'<rect x="{x(start)}" y="{y}" width="{wide:.1f}" height="12" fill="{color}"/>'
        )
    return "".join([*parts, "</svg>"])


def _bars(report: Report) -> Iterator[Bar]:
    """What became of each instance in each attempt."""
    for line in report.lines:
        found = progress.read_moved(line.text)
        if found is not None:
            label = f"{found.uuid} {found.host or found.after or 'not recovered'}"
            yield label, line.time - found.seconds, line.time, not found.problem
