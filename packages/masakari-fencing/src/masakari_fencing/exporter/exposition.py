"""Prometheus' text format, version 0.0.4, of which three kinds of metrics are used here.

https://prometheus.io/docs/instrumenting/exposition_formats/

Not the library prometheus_client: this runs with the system's Python, where that is a package of
its own, and of another release on each Ubuntu. Recoveries must not depend on whether apt could
install it. The tests read with that library what is written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


@dataclass
class Metric:
    """A metric with all its series.

    Attributes:
        name: without a suffix such as `_bucket`.
        kind: `gauge`, `counter` or `histogram`.
        text: what it means.
        samples: suffix, labels and value of each.
    """

    name: str
    kind: str
    text: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> Metric:
        """Add a series, and return the metric."""
        self.samples.append(("", tuple(labels.items()), value))
        return self

    def observe(
        self, bounds: Sequence[float], counts: Sequence[int], total: float, **labels: str
    ) -> Metric:
        """Add a histogram, and return the metric.

        Args:
            bounds: upper bounds of the buckets, without the infinite one.
            counts: how many are in each bucket alone, with the infinite one.
            total: the sum of all that were observed.
            labels: of the series.
        """
        own, seen = tuple(labels.items()), 0
        for bound, count in zip([*map(_number, bounds), "+Inf"], counts, strict=True):
            seen += count
            self.samples.append(("_bucket", (*own, ("le", bound)), seen))
        self.samples += [("_sum", own, total), ("_count", own, seen)]
        return self


def render(metrics: Iterable[Metric]) -> str:
    """Write metrics; those without any series are left out."""
    lines: list[str] = []
    for metric in metrics:
        if metric.samples:
            text = metric.text.replace("\\", "\\\\").replace("\n", "\\n")
            lines += [f"# HELP {metric.name} {text}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [
                f"{metric.name}{suffix}{_labels(labels)} {_number(value)}"
                for suffix, labels, value in metric.samples
            ]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
