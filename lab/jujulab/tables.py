"""Rows of text in columns."""

from collections.abc import Collection, Iterable, Sequence


def aligned(rows: Iterable[Sequence[object]], right: Collection[int] = ()) -> list[list[str]]:
    """Return the cells of rows, a heading first, each as wide as the widest of its column.

    Args:
        rows: all of them as long as each other.
        right: numbers of the columns that are aligned to the right.
    """
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]


def framed(rows: Iterable[Sequence[object]], corner: str = "|") -> list[str]:
    """Return rows, a heading first and a rule behind it, between bars: Markdown's table."""
    cells = aligned(rows)
    lines = [f"| {' | '.join(line)} |" for line in cells]
    rule = corner.join("-" * (len(cell) + 2) for cell in cells[0])
    return [lines[0], f"{corner}{rule}{corner}", *lines[1:]]
