"""What the exporter shows, as one check of Nagios: `python3 -m masakari_fencing.exporter.nagios`.

The relation `nrpe-external-master` has NRPE run it, as its own account, for those who do not have
Prometheus. It says what the alert rules say that need no history. Text and exit codes are as in
https://nagios-plugins.org/doc/guidelines.html.
"""

from __future__ import annotations

import re
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from masakari_fencing.exporter import server

OK, WARNING, CRITICAL = 0, 1, 2
TIMEOUT = 9.0
"""Seconds: NRPE itself gives a check ten by default."""

_NAMES = {OK: "OK", WARNING: "WARNING", CRITICAL: "CRITICAL"}
_SERIES = re.compile(r"masakari_(\w+?)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Rule:
    """What is wrong if a metric has a certain value.

    Attributes:
        level: how bad it is.
        metric: its name, without `masakari_`.
        bad: whether a value is.
        text: what is so, and what to do; with the labels in braces.
        only: values of the label `reason` that count; all, without any.
    """

    level: int
    metric: str
    bad: Callable[[float], bool]
    text: str
    only: tuple[str, ...] = ()


def _no(value: float) -> bool:
    return value == 0


def _yes(value: float) -> bool:
    return value > 0


_DOWN = ("maintenance", "forced_down")
RULES = (
    Rule(CRITICAL, "cluster_up", _no, "Pacemaker does not answer (systemctl status pacemaker)"),
    Rule(CRITICAL, "cluster_quorum", _no, "no quorum (bring the other units back)"),
    Rule(CRITICAL, "cluster_stonith_enabled", _no, "nothing is fenced (set enable-stonith)"),
    Rule(CRITICAL, "hypervisor_unclean", _yes, "{host} is lost and not fenced (juju status)"),
    Rule(CRITICAL, "fencing_stopped", _yes, "fencing has stopped (allow-fencing, readmit-hosts)"),
    Rule(CRITICAL, "recovery_failed", _yes, "{host} is not recovered (show-recovery)"),
    Rule(CRITICAL, "recovery_refused_timestamp_seconds", _yes, "{host} is not proven dead"),
    Rule(CRITICAL, "fencings_undelivered", _yes, "the fence of {host} cannot be reported"),
    Rule(CRITICAL, "host_left", _yes, "{host} failed while disarmed (recover-host)"),
    Rule(CRITICAL, "power_controller_answers", _no, "the BMC of {host} does not answer"),
    Rule(CRITICAL, "check_problems", _yes, "hypervisors cannot be fenced (run check)"),
    Rule(WARNING, "cluster_maintenance", _yes, "the cluster is in maintenance mode"),
    Rule(WARNING, "host_out_of_service", _yes, "{host} is out of service (return-host)", _DOWN),
    Rule(
        CRITICAL, "host_out_of_service", _yes, "Nova calls {host} by another name", ("misnamed",)
    ),
    Rule(
        WARNING,
        "disarmed_until_timestamp_seconds",
        _yes,
        "nothing is fenced or recovered by an operator's word (arm)",
    ),
)

Series = tuple[str, dict[str, str], float]


def read(text: str) -> Iterator[Series]:
    """Read what the exporter shows: each metric's name, labels and value."""
    for match in filter(None, map(_SERIES.fullmatch, text.splitlines())):
        yield match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])


def judge(series: Iterable[Series]) -> tuple[int, str]:
    """Return the exit code, and what is wrong, the worst first."""
    every = list(series)
    left = {labels["host"] for name, labels, value in every if name == "host_left" and value}
    disarmed = any(name == "disarmed_until_timestamp_seconds" for name, _, _ in every)
    found: list[tuple[int, str]] = []
    survives: dict[str, dict[str, float]] = {}
    for name, labels, value in every:
        if name.startswith("segment_survives"):
            survives.setdefault(labels["segment"], {})[name] = value
        if (name == "hypervisor_unclean" and labels["host"] in left) or (
            name == "host_left" and disarmed
        ):
            continue  # as an operator wants it
        found += [
            (rule.level, rule.text.format(**labels))
            for rule in RULES
            if rule.metric == name
            and rule.bad(value)
            and (not rule.only or labels.get("reason") in rule.only)
        ]
    for segment, room in sorted(survives.items()):
        if room.get("segment_survives", 0) < room.get("segment_survives_wanted", 0):
            found.append((WARNING, f"{segment} has no room for the next failure (run check)"))
    worst = max((level for level, _ in found), default=OK)
    texts = dict.fromkeys(text for _, text in sorted(found, key=lambda one: -one[0]))
    return worst, "; ".join(texts) or "hypervisors can be fenced and recovered"


def main(url: str = f"http://{server.ADDRESS}:{server.PORT}/metrics") -> int:
    """Look, say it, and return the exit code."""
    # Whatever proxy there is, this is no question for it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT) as answer:
            code, text = judge(read(answer.read().decode()))
    except OSError as error:
        code, text = CRITICAL, f"no metrics (systemctl status masakari-fencing-exporter): {error}"
    print(f"MASAKARI {_NAMES[code]} - {text}")
    return code


if __name__ == "__main__":  # pragma: no cover
    sys.exit(main())
