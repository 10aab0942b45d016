"""What a hypervisor records about its own Nova."""

from __future__ import annotations

import json
import os
from typing import Any

import hypervisor
import pytest
from instance_ha_common.machine.commands import Runner
from instance_ha_common.machine.host import Host
from instance_ha_common.testing import FakeHost
from ops import testing
from workload import compute

CONF = "/etc/nova/nova.conf"
USERS = "/var/lib/nova/instances/compute_nodes"
NOW = 1_700_000_000.0


MOUNTS = """\
/dev/vda1 / ext4 rw 0 0
/dev/vdb /var/lib/nova xfs rw 0 0
tmpfs /var/lib/nova/instances-of-others tmpfs rw 0 0
nas:/vms /srv/vms nfs4 rw 0 0
"""


def on(host: FakeHost, text: str, mounts: str = MOUNTS) -> dict[str, Any]:
    host.write(CONF, text)
    host.write("/proc/self/mounts", mounts)
    found: dict[str, Any] = json.loads(compute.found(host, NOW) or "null")
    return found


def test_a_plain_one(host: FakeHost) -> None:
    assert on(host, "[DEFAULT]\n") == {"resumes": "", "disks": "xfs", "sharing": []}


@pytest.mark.parametrize(
    ("text", "path", "disks"),
    [
        ("[DEFAULT]\ninstances_path = /srv/vms\n", "/srv/vms", "nfs4"),
        ("[DEFAULT]\nstate_path = /srv\n", "/srv/instances", "ext4"),
        (
            "[DEFAULT]\nstate_path = /srv\ninstances_path = $state_path/vms/a\n",
            "/srv/vms/a",
            "nfs4",
        ),
    ],
)
def test_another_directory(host: FakeHost, text: str, path: str, disks: str) -> None:
    host.write(f"{path}/compute_nodes", json.dumps({"b": NOW - 60, "a": NOW}))
    assert on(host, text) == {"resumes": "", "disks": disks, "sharing": ["a", "b"]}


def test_a_directory_that_is_a_link(host: FakeHost) -> None:
    host.path("/srv/vms").mkdir(parents=True)
    host.path("/var/lib/nova").mkdir(parents=True, exist_ok=True)
    host.path("/var/lib/nova/instances").symlink_to(host.path("/srv/vms"))
    assert on(host, "[DEFAULT]\n")["disks"] == "nfs4"


def test_mounts_that_nobody_can_read(host: FakeHost) -> None:
    assert on(host, "[DEFAULT]\n", "nonsense\n")["disks"] == ""


@pytest.mark.parametrize("kind", ["rbd", "lvm"])
def test_disks_that_are_no_files(host: FakeHost, kind: str) -> None:
    assert on(host, f"[libvirt]\nimages_type = {kind}\n")["disks"] == kind


def test_hosts_that_have_left(host: FakeHost) -> None:
    host.write(USERS, json.dumps({"a": NOW - 60, "gone": NOW - 90_000}))
    assert on(host, "[DEFAULT]\n")["sharing"] == ["a"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "x"}', '{"a": null}'])
def test_a_list_of_hosts_that_nobody_can_read(host: FakeHost, text: str) -> None:
    host.write(USERS, text)
    assert on(host, "[DEFAULT]\n")["sharing"] == []


def test_before_nova_is_configured(host: FakeHost) -> None:
    host.remove(CONF)
    assert compute.found(host) == ""


@pytest.fixture
def real(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> Host:
    """One that is looked at by the real command."""
    monkeypatch.undo()
    return Host(host.root, Runner(), host.apt, host.systemd, host.ownership)


def test_the_command_that_looks(real: Host, host: FakeHost) -> None:
    host.write("/proc/self/mounts", MOUNTS)
    host.path("/srv/vms").mkdir(parents=True)
    host.path("/var/lib/nova").mkdir(parents=True)
    host.path("/var/lib/nova/instances").symlink_to(host.path("/srv/vms"))
    for users in (None, json.dumps({"b": NOW, "a": NOW})):
        if users is not None:
            host.write(USERS, users)
        found = compute.found(real, NOW)
        assert found is not None
        assert found == compute.found(host, NOW)
    assert json.loads(found) == {"resumes": "", "disks": "nfs4", "sharing": ["a", "b"]}


def test_a_directory_that_does_not_answer(real: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as on NFS whose server is away: each hook hung there, as long as it was."""
    monkeypatch.setattr(compute, "_LOOK", "sleep 600")
    monkeypatch.setattr(compute, "_PATIENCE", 0.1)
    assert compute.found(real, NOW) is None


def test_nobody_opens_what_is_no_file(real: Host, host: FakeHost) -> None:
    host.path(USERS).parent.mkdir(parents=True)
    os.mkfifo(host.path(USERS))
    found = compute.found(real, NOW)
    assert found is not None
    assert json.loads(found)["sharing"] == []


def test_a_directory_that_is_a_link_to_itself(real: Host, host: FakeHost) -> None:
    host.path("/var/lib/nova").mkdir(parents=True)
    host.path("/var/lib/nova/instances").symlink_to("instances")
    found = compute.found(real, NOW)
    assert found is not None
    assert json.loads(found)["sharing"] == []


def _recorded(host: FakeHost) -> list[Any]:
    calls = [call for call in host.runner.calls if call[0] == "crm_attribute"]
    return [call[call.index("--name") + 2 :] for call in calls if compute.ATTRIBUTE in call]


def test_the_cluster_is_told_once_and_when_it_changes(ctx: Any, host: FakeHost) -> None:
    hypervisor.connect(host, machine="3", compute="")
    relation = hypervisor.hacluster()
    out = ctx.run(ctx.on.relation_changed(relation, remote_unit=0), hypervisor.state(relation))
    (first,) = _recorded(host)
    assert first == ["--update", compute.found(host)]
    hypervisor.connect(host, machine="3", compute=first[1])
    ctx.run(ctx.on.update_status(), out)
    assert len(_recorded(host)) == 1
    host.write("/etc/nova/nova.conf.d/x.conf", "[DEFAULT]\nresume_guests_state_on_host_boot = 1\n")
    ctx.run(ctx.on.update_status(), out)
    assert '"resumes":"/etc/nova/nova.conf.d/x.conf"' in _recorded(host)[-1][1]


@pytest.mark.parametrize("answer", [(124, ""), (137, ""), (1, "readlink: Too many levels"), ""])
def test_what_was_told_stays_while_the_directory_does_not_answer(
    ctx: Any, host: FakeHost, answer: Any
) -> None:
    said = compute.found(host)
    _, out = hypervisor.joined(ctx, host)
    host.runner.answer(["timeout"], answer)
    hypervisor.connect(host, machine="3", compute=said)
    out = ctx.run(ctx.on.update_status(), out)
    assert _recorded(host) == []
    assert out.unit_status == testing.ActiveStatus("Unit is ready")
