"""The overlay on a running cloud, as an operator sees it with the `juju` command."""

from __future__ import annotations

import subprocess

import jubilant
import pytest
from jujulab.cloud.console import JUJU, StepError, stall_lines
from jujulab.files import REPOSITORY
from jujulab.juju.names import REAL_JUJU
from jujulab.trials.deployment import BASE, OVERLAY, SEGMENT, Deployment

OURS = {
    "masakari": ["haproxy", "masakari-api", "masakari-engine"],
    "masakari-monitors": ["masakari-host-monitor", "masakari-instance-monitor"],
    "pacemaker-remote": ["pacemaker_remote"],
}


def unit_of(juju: jubilant.Juju, application: str) -> str:
    """Return a unit's name; subordinates are below their principals."""
    units = juju.status().get_units(application)
    return sorted(units)[0]


def started(juju: jubilant.Juju, unit: str, services: list[str]) -> str:
    """Return when the services were started: a restart changes it."""
    names = " ".join(services)
    command = f"systemctl show -p Id,InvocationID {names}"
    return juju.exec(command, unit=unit).stdout


@pytest.mark.parametrize("application", OURS)
def test_every_unit_is_ready(demo: Deployment, juju: jubilant.Juju, application: str) -> None:
    def states(status: jubilant.Status) -> list[tuple[str, str]]:
        units = status.get_units(application).values()
        return [(u.workload_status.current, u.workload_status.message) for u in units]

    ready = [("active", "Unit is ready")] * 3
    juju.wait(lambda status: states(status) == ready, timeout=90)


@pytest.mark.skipif(REAL_JUJU, reason="only the lab's own Juju sees each hook")
def test_the_deployment_never_stood_still(demo: Deployment) -> None:
    """No unit waited a minute for an event that does not come."""
    assert stall_lines(since=0) == []


def test_deploying_again_changes_nothing(demo: Deployment, juju: jubilant.Juju) -> None:
    site = str(demo.lab.home / "demo" / "site.yaml")
    command = ["deploy", BASE, "--overlay", OVERLAY, "--overlay", site, "--map-machines=existing"]
    before = juju.status()
    result = subprocess.run(
        [str(JUJU), *command], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0
    lines = (result.stdout + result.stderr).splitlines()
    changes = [line for line in lines if line.startswith("- ")]
    # Juju has given the cloud's applications an architecture, which their bundle does not name.
    assert all(line.startswith("- set constraints for ") for line in changes), changes
    assert changes or "No changes to apply." in lines
    after = juju.status()
    assert set(after.apps) == set(before.apps)
    assert set(after.machines) == set(before.machines)


@pytest.mark.parametrize("application", OURS)
def test_a_hook_without_a_change_restarts_nothing(
    demo: Deployment, juju: jubilant.Juju, application: str
) -> None:
    unit = unit_of(juju, application)
    hook = "JUJU_DISPATCH_PATH=hooks/update-status ./dispatch"
    juju.exec(hook, unit=unit)
    before = started(juju, unit, OURS[application])
    juju.exec(hook, unit=unit)
    assert started(juju, unit, OURS[application]) == before


def test_a_wrong_option_is_blocked_with_the_cure(demo: Deployment, juju: jubilant.Juju) -> None:
    juju.config("masakari", {"evacuation-delay": "-1"})

    def blocked(status: jubilant.Status) -> bool:
        units = status.apps["masakari"].units.values()
        return all(
            unit.workload_status.current == "blocked"
            and "evacuation-delay" in unit.workload_status.message
            for unit in units
        )

    try:
        juju.wait(blocked, timeout=60)
    finally:
        if REAL_JUJU:  # 4.0.15 tells no unit of an option that is only reset
            juju.config("masakari", {"evacuation-delay": "0"})
        juju.config("masakari", reset="evacuation-delay")
    juju.wait(lambda status: jubilant.all_active(status, "masakari"), timeout=60)


def test_a_bundle_error_names_the_file_and_changes_nothing(
    demo: Deployment, juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory
) -> None:
    overlay = tmp_path_factory.mktemp("overlay") / "wrong.yaml"
    overlay.write_text("applications:\n  masakari-monitors:\n    num_units: 2\n")
    before = set(juju.status().apps)
    site = str(demo.lab.home / "demo" / "site.yaml")
    with pytest.raises(jubilant.CLIError) as error:
        juju.cli(
            *("deploy", BASE, "--overlay", OVERLAY, "--overlay", site),
            *("--overlay", str(overlay), "--map-machines=existing"),
        )
    assert "masakari-monitors" in error.value.stderr
    assert set(juju.status().apps) == before


def test_creating_a_segment_again_is_no_error(demo: Deployment) -> None:
    hosts = sorted(service["host"] for service in demo.cloud.compute_services())
    demo.console.run_action(
        "masakari/leader", "create-segment", f"name={SEGMENT}", f"hosts={','.join(hosts)}"
    )
    segments = demo.cloud.get("instance-ha", "/segments")["segments"]
    assert [segment["name"] for segment in segments] == [SEGMENT]


def test_an_unknown_host_is_named_by_the_failing_action(demo: Deployment) -> None:
    with pytest.raises(StepError, match=r"nosuch\.maas"):
        demo.console.run_action(
            "masakari/leader", "add-hosts", f"segment={SEGMENT}", "hosts=nosuch.maas"
        )
