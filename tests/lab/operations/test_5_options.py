"""`juju config` on a running deployment: it takes effect, and restarts what it concerns alone."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from operating import Operator, wait_until

MASAKARI = "/etc/masakari/masakari.conf"
MONITORS = "/etc/masakarimonitors/masakarimonitors.conf"
HAPROXY = "/etc/haproxy/haproxy.cfg"
API = {"masakari-api"}
BOTH = {"masakari-api", "masakari-engine"}
Value = str | int | float | bool
TAKES = 120
"""Seconds until all units follow an option, on a busy machine."""


def on_every_unit(operator: Operator, application: str, command: str, text: str) -> bool:
    """Whether what a command prints holds a text on every unit's machine."""
    return all(
        text in machine.run(["/bin/sh", "-c", command], check=False).stdout
        for machine in operator.machines(application).values()
    )


def change(
    operator: Operator, application: str, options: dict[str, Value], done: Callable[[], bool]
) -> set[str]:
    """Set options; return the services that were restarted once all is done and quiet."""
    before = operator.starts()
    operator.juju.config(application, options)
    wait_until(f"{application} with {options}", done, TAKES)
    operator.settle()
    return operator.restarted(before)


def there_and_back(
    operator: Operator, application: str, options: dict[str, Value], file: str, line: str
) -> list[set[str]]:
    """Set options until a line is in a file on every unit, and reset them.

    Returns:
        The services that the one and the other has restarted.
    """

    def written() -> bool:
        return on_every_unit(operator, application, f"cat {file}", line)

    assert not written()
    there = change(operator, application, options, written)
    before = operator.starts()
    operator.juju.config(application, reset=list(options))
    wait_until(f"{application} without {options}", lambda: not written(), TAKES)
    operator.settle()
    return [there, operator.restarted(before)]


@pytest.fixture(autouse=True)
def _quiet(operator: Operator) -> None:
    """No hook of an earlier test may be taken for one of this."""
    operator.settle()


@pytest.mark.parametrize(
    ("option", "value", "file", "line", "restarted"),
    [
        ("debug", True, MASAKARI, "debug = True", BOTH),
        ("evacuation-delay", 3, MASAKARI, "wait_period_after_service_update = 3",
         {"masakari-engine"}),
        ("duplicate-notification-interval", 7, MASAKARI,
         "duplicate_notification_detection_interval = 7", API),
        ("process-all-instances", True, MASAKARI, "process_all_instances = True",
         {"masakari-engine"}),
        ("config-flags", "max_header_line=20000", MASAKARI, "max_header_line = 20000", BOTH),
        ("use-internal-endpoints", True, MASAKARI, "interface = internal",
         BOTH | {"masakari-fencing-notifier"}),
        ("haproxy-client-timeout", 61000, HAPROXY, "timeout client 61000", set()),
    ],
)  # fmt: skip
def test_masakari(
    operator: Operator, option: str, value: Value, file: str, line: str, restarted: set[str]
) -> None:
    assert there_and_back(operator, "masakari", {option: value}, file, line) == [restarted] * 2


def test_debugging_reaches_the_logs(operator: Operator) -> None:
    log = "/var/log/masakari/masakari-engine.log"
    for machine in operator.machines("masakari").values():
        machine.run(["truncate", "--size=0", log])
    operator.juju.config("masakari", {"debug": True})
    wait_until(
        "DEBUG in the engines' logs",
        lambda: on_every_unit(operator, "masakari", f"grep -m1 DEBUG {log}", "DEBUG"),
        TAKES,
    )
    operator.juju.config("masakari", reset="debug")
    operator.settle()


def test_the_number_of_api_processes(operator: Operator) -> None:
    cores = len(os.sched_getaffinity(0))
    usual = 1 + min(2 * cores, 4)  # one more starts the others
    count = "echo $(pgrep --count --full '[m]asakari-api --config-file') processes"

    def processes(number: int) -> Callable[[], bool]:
        return lambda: on_every_unit(operator, "masakari", count, f"{number} processes")

    assert processes(usual)()
    alone: dict[str, Value] = {"worker-multiplier": 1.0 / cores}
    assert change(operator, "masakari", alone, processes(1)) == API
    operator.juju.config("masakari", reset="worker-multiplier")
    wait_until("as many as before", processes(usual), TAKES)


def test_what_concerns_the_cluster_restarts_nothing(operator: Operator) -> None:
    member = next(iter(operator.machines("masakari").values()))

    def interval(seconds: int) -> Callable[[], bool]:
        def found() -> bool:
            cib = member.run(["cibadmin", "--query"], timeout=30).stdout
            return f'name="monitor" interval="{seconds}s"' in cib or (
                f'interval="{seconds}s" name="monitor"' in cib
            )

        return found

    assert change(operator, "masakari", {"remote-monitor-interval": 3}, interval(3)) == set()
    operator.juju.config("masakari", reset="remote-monitor-interval")
    wait_until("the usual interval", interval(1), TAKES)


@pytest.mark.parametrize(
    ("option", "value", "line", "restarted"),
    [
        ("monitoring-interval", 5, "monitoring_interval = 5", {"masakari-host-monitor"}),
        ("monitoring-samples", 3, "monitoring_samples = 3", {"masakari-host-monitor"}),
        ("guest-monitoring-interval", 9, "guest_monitoring_interval = 9", set()),
        ("use-internal-endpoints", True, "api_interface = internal",
         {"masakari-host-monitor", "masakari-instance-monitor"}),
        ("debug", True, "debug = true", {"masakari-host-monitor", "masakari-instance-monitor"}),
    ],
)  # fmt: skip
def test_monitors(
    operator: Operator, option: str, value: Value, line: str, restarted: set[str]
) -> None:
    found = there_and_back(operator, "masakari-monitors", {option: value}, MONITORS, line)
    assert found == [restarted] * 2


@pytest.mark.parametrize(
    ("option", "service", "usually"),
    [
        ("enable-host-monitor", "masakari-host-monitor", True),
        ("enable-instance-monitor", "masakari-instance-monitor", True),
        ("enable-process-monitor", "masakari-process-monitor", False),
    ],
)
def test_a_monitor_is_turned_off_and_on(
    operator: Operator, option: str, service: str, usually: bool
) -> None:
    def runs(wanted: bool) -> Callable[[], bool]:
        state = "is-active: active" if wanted else "is-active: inactive"
        command = f"echo is-active: $(systemctl is-active {service})"
        return lambda: on_every_unit(operator, "masakari-monitors", command, state)

    assert runs(usually)()
    try:
        changed = change(operator, "masakari-monitors", {option: not usually}, runs(not usually))
        assert changed == {service}
    finally:
        operator.juju.config("masakari-monitors", reset=option)
    wait_until(f"{service} as usual", runs(usually), TAKES)


def test_a_monitor_without_a_package_is_named_and_the_others_go_on(operator: Operator) -> None:
    """The lab's distribution has no package of the introspective monitor."""
    before = operator.starts("masakari-monitors")
    option = "enable-introspective-instance-monitor"
    operator.juju.config("masakari-monitors", {option: True})

    def blocked() -> bool:
        units = operator.juju.status().get_units("masakari-monitors").values()
        return all(
            unit.workload_status.current == "blocked"
            and "masakari-introspective-instance-monitor" in unit.workload_status.message
            for unit in units
        )

    try:
        wait_until("the status names the package", blocked, TAKES)
    finally:
        operator.juju.config("masakari-monitors", reset=option)
    operator.settle()
    assert operator.restarted(before) == set()


def test_fencing_is_turned_off_and_on(operator: Operator) -> None:
    member = next(iter(operator.machines("masakari").values()))

    def enabled(value: str) -> Callable[[], bool]:
        query = ["crm_attribute", "--query", "--name", "stonith-enabled", "--quiet"]
        return lambda: member.run(query, timeout=30, check=False).stdout.strip() == value

    def told() -> bool:
        return "STONITH is disabled" in operator.leader_says("masakari")

    assert enabled("true")()
    before = operator.starts("masakari-monitors", "pacemaker-remote")
    try:
        operator.juju.config("pacemaker-remote", {"enable-stonith": False})
        wait_until("fencing is off", enabled("false"), TAKES)
        wait_until("masakari says so", told, TAKES)
    finally:
        operator.juju.config("pacemaker-remote", {"enable-stonith": True})
    wait_until("fencing is on again", enabled("true"), TAKES)
    operator.settle()
    assert operator.restarted(before) == set()
