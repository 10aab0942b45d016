"""Series for which each alert fires, and for which it does not, in promtool's notation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FIRST = {
    "juju_model": "cloud",
    "juju_model_uuid": "6f1b2f0e-1d6a-4f0e-8a55-0f4b7a1f2c3d",
    "juju_application": "masakari",
}
SECOND = {
    **FIRST,
    "juju_model": "other",
    "juju_model_uuid": "00000000-1d6a-4f0e-8a55-0f4b7a1f2c3d",
}
"""Another cloud, of which the same Prometheus knows."""

Series = tuple[str, dict[str, str], str]


@dataclass(frozen=True)
class Case:
    """What an alert does for some series.

    Attributes:
        alert: its name.
        text: what the case is.
        series: name, labels and values of each.
        fires: the labels of each alert that is to fire, beside those of the rule.
        after: when that is looked at.
    """

    alert: str
    text: str
    series: tuple[Series, ...]
    fires: tuple[dict[str, str], ...] = ()
    after: str = "10m"


def of(name: str, values: str, unit: int = 0, **labels: str) -> Series:
    """A series of one unit of the first cloud."""
    whole = {**FIRST, "juju_unit": f"masakari/{unit}", **labels}
    return f"masakari_{name}" if name != "up" else name, whole, values


def elsewhere(series: Series) -> Series:
    """The same of the other cloud."""
    return series[0], {**series[1], **SECOND}, series[2]


def both(
    alert: str, bad: str, good: str, name: str, after: str = "10m", **labels: Any
) -> list[Case]:
    """A metric that all units show alike, and with which an alert fires once."""
    told = {key: value for key, value in labels.items() if key in ("host", "segment")}
    units = tuple(of(name, bad, unit, **labels) for unit in range(3))
    quiet = tuple(of(name, good, unit, **labels) for unit in range(3))
    others = tuple(map(elsewhere, units))
    return [
        Case(alert, "three units, one alert", units, (told,), after),
        Case(alert, "nothing, and another cloud", (*quiet, *others), (), after),
    ]


def each(alert: str, name: str, after: str = "10m") -> list[Case]:
    """A metric of one unit alone, which is to be 1."""
    one = (of(name, "0x20", 0), of(name, "1x20", 1))
    whose = {"juju_unit": "masakari/0"}
    well = (of(name, "1x20", 0), elsewhere(of(name, "0x20", 0)))
    return [
        Case(alert, "one of two units", one, (whose,), after),
        Case(alert, "a moment", (of(name, "1x8 0 1x10", 0),), (), "9m"),
        Case(alert, "nothing, and another cloud", well, (), after),
    ]


LOST = of("hypervisor_unclean", "1x20", host="n1")
LEFT = of("host_left", "1x20", host="n1")
DISARMED = of("disarmed_until_timestamp_seconds", "90000x20", segment="rack1")
REFUSED = of("recovery_refused_timestamp_seconds", "1000x20", host="n1")
WANTED = of("segment_survives_wanted", "1x40", segment="rack1")
SHORT = of("segment_survives", "0x40", segment="rack1")
ROOM = of("segment_survives", "1x40", segment="rack1")
RECOVERED = {"outcome": "recovered"}

CASES: list[Case] = [
    *each("MasakariMetricsMissing", "up"),
    *each("MasakariClusterSilent", "cluster_up"),
    *each("MasakariClusterWithoutQuorum", "cluster_quorum"),
    *both("MasakariClusterMemberOffline", "1x20", "0x20", "cluster_members", state="offline"),
    *both("MasakariFencingDisabled", "0x20", "1x20", "cluster_stonith_enabled"),
    *both("MasakariClusterInMaintenance", "1x60", "0x60", "cluster_maintenance", "40m"),
    *both(
        "MasakariDisarmedForLong",
        "90000x300",
        "90000x60",
        "disarmed_until_timestamp_seconds",
        "250m",
        segment="rack1",
    ),
    *both("MasakariHostNotFenced", "1x20", "0x20", "hypervisor_unclean", host="n1"),
    Case("MasakariHostNotFenced", "left alone while disarmed", (LOST, LEFT)),
    Case(
        "MasakariHostNotFenced",
        "another one was left alone",
        (LOST, of("host_left", "1x20", host="n2")),
        ({"host": "n1"},),
    ),
    *both("MasakariFencingStopped", "1x20", "0x20", "fencing_stopped"),
    *both(
        "MasakariPowerControllerSilent",
        "0x40",
        "1x40",
        "power_controller_answers",
        "20m",
        host="n1",
    ),
    *both(
        "MasakariHostOutOfService",
        "1x90",
        "1x30",
        "host_out_of_service",
        "70m",
        host="n1",
        reason="forced_down",
    ),
    *both(
        "MasakariHostMisnamed",
        "1x20",
        "1x3",
        "host_out_of_service",
        "15m",
        host="n1",
        reason="misnamed",
    ),
    Case(
        "MasakariHostMisnamed",
        "it is only in maintenance",
        (of("host_out_of_service", "1x20", host="n1", reason="maintenance"),),
    ),
    *both("MasakariHostLeftAlone", "1x20", "0x20", "host_left", host="n1"),
    Case("MasakariHostLeftAlone", "still disarmed", (LEFT, DISARMED)),
    Case(
        "MasakariHostLeftAlone",
        "another cloud is disarmed",
        (LEFT, elsewhere(DISARMED)),
        ({"host": "n1"},),
    ),
    Case(
        "MasakariHostRecovered",
        "one unit's engine has done it",
        (
            of("recoveries_total", "0x5 1x20", 0, **RECOVERED),
            of("recoveries_total", "3x25", 1, **RECOVERED),
        ),
        ({},),
    ),
    Case(
        "MasakariHostRecovered",
        "long ago, or not at all",
        (
            of("recoveries_total", "3x25", 1, **RECOVERED),
            of("recoveries_total", "0x5 9x20", 1, outcome="failed"),
            elsewhere(of("recoveries_total", "0x5 1x20", 0, **RECOVERED)),
        ),
    ),
    *both("MasakariRecoveryFailed", "2x20", "2x1", "recovery_failed", host="n1"),
    Case("MasakariRecoveryRefused", "nothing proves it", (REFUSED,), ({"host": "n1"},)),
    Case(
        "MasakariRecoveryRefused",
        "it is fenced, and has failed: one alert is enough",
        (REFUSED, of("recovery_failed", "2x20", 1, host="n1"), elsewhere(REFUSED)),
    ),
    *both("MasakariRecoveryTakesLong", "1x60", "1x5", "recovery_running", "40m", host="n1"),
    *both("MasakariFencingUndelivered", "1x20", "1x1", "fencings_undelivered", host="n1"),
    Case("MasakariSegmentShortOfRoom", "none", (SHORT, WANTED), ({"segment": "rack1"},), "20m"),
    Case(
        "MasakariSegmentShortOfRoom",
        "as much as it must, or a segment of no guests; another cloud",
        (
            ROOM,
            WANTED,
            of("segment_survives", "0x40", segment="rack2"),
            of("segment_survives_wanted", "0x40", segment="rack2"),
            elsewhere(SHORT),
            elsewhere(WANTED),
        ),
        (),
        "20m",
    ),
    *both("MasakariCheckFindsProblems", "2x40", "0x40", "check_problems", "20m"),
    Case("MasakariNotChecked", "an hour", (of("check_timestamp_seconds", "60x90"),), ({},), "80m"),
    Case(
        "MasakariNotChecked",
        "again and again; never, where nothing is to be fenced",
        (
            of("check_timestamp_seconds", "60+60x90"),
            elsewhere(of("check_timestamp_seconds", "60x90")),
            of("check_timestamp_seconds", "0x90", 1),
        ),
        (),
        "80m",
    ),
]
