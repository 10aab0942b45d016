"""What is written for the monitors, without Juju."""

import socket

import pytest
import yaml
from hypervisor import HOST, INSTANCE, INTROSPECTIVE, PROCESS, conf, keystone, running, state
from workload.files import AS_HOST, CONF, PROCESS_LIST, SENDER, SUDOERS
from workload.sender import DIRECTORY
from workload.table import MONITORS


def drop_in(host, service):
    return host.read(f"/etc/systemd/system/{service}.service.d/10-charm.conf")


def processes(host):
    return {p["process_name"]: p for p in yaml.safe_load(host.read(PROCESS_LIST))}


@pytest.mark.parametrize("monitor", MONITORS, ids=lambda monitor: monitor.service)
def test_every_service_reads_the_file_that_the_charm_writes(ctx, host, monitor):
    running(ctx, host)
    text = drop_in(host, monitor.service)
    assert "\nExecStart=\n" in text
    assert f"{SENDER} {monitor.program} --config-file {CONF}\n" in text
    assert host.mode(SENDER) == 0o755


def test_monitors_that_report_the_kernels_name_get_novas(ctx, host):
    running(ctx, host)
    for service in (PROCESS, INTROSPECTIVE):
        assert f"ExecStart=!{AS_HOST} node1.maas masakari masakari" in drop_in(host, service)
    for service in (HOST, INSTANCE):
        assert AS_HOST not in drop_in(host, service)


def test_what_masakari_has_not_taken_outlasts_a_restart_of_the_instance_monitor(ctx, host):
    running(ctx, host)
    text = drop_in(host, INSTANCE)
    assert f"RuntimeDirectory={INSTANCE}\n" in text
    assert "RuntimeDirectoryPreserve=restart\n" in text
    assert f"Environment={DIRECTORY}=%t/{INSTANCE}\n" in text
    assert "RuntimeDirectory" not in drop_in(host, HOST)


def test_where_the_names_agree_they_run_as_usual(ctx, host, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "node1.maas")
    running(ctx, host)
    assert AS_HOST not in drop_in(host, PROCESS)


def test_only_the_hypervisors_are_watched_and_pacemaker_fences(ctx, host):
    """No interface of somebody else's machines is written into the configuration."""
    running(ctx, host)
    section = conf(host)["host"]
    assert section["pacemaker_node_type"] == "remote"
    assert section["restrict_to_remotes"] == "true"
    assert section["disable_ipmi_check"] == "true"
    assert not [key for key in section if key.startswith("corosync")]


def test_one_bad_sample_is_not_enough_by_default(ctx, host):
    running(ctx, host)
    assert int(conf(host)["host"]["monitoring_samples"]) > 1


def test_the_default_list_watches_what_runs_here(ctx, host):
    """The process monitor has a list to read, which names what is there."""
    running(ctx, host, enable_process_monitor=True)
    assert conf(host)["process"]["process_list_path"] == PROCESS_LIST
    found = processes(host)
    assert list(found) == [
        "/usr/sbin/libvirtd",
        "/usr/bin/nova-compute",
        "/usr/bin/masakari-hostmonitor",
        "/usr/bin/masakari-instancemonitor",
    ]
    nova = found["/usr/bin/nova-compute"]
    assert nova["restart_command"] == "systemctl restart nova-compute"
    assert nova["run_as_root"] is True


def test_the_operators_list(ctx, host):
    text = (
        "- process_name: sshd\n  start_command: systemctl start ssh\n"
        "  restart_command: systemctl restart ssh\n  run_as_root: false\n"
    )
    running(ctx, host, enable_process_monitor=True)
    host.systemd.log.clear()
    ctx.run(
        ctx.on.config_changed(),
        state(keystone(), enable_process_monitor=True, process_list=text),
    )
    (entry,) = processes(host).values()
    assert entry["run_as_root"] is False
    assert entry["pre_start_command"] is None, "the monitor reads every key"
    assert [name for verb, name in host.systemd.log if verb == "restart"] == [PROCESS]


def test_privileges_are_for_the_monitors_own_helper_only(ctx, host):
    """The rule without which the monitors may not ask Pacemaker is really written."""
    running(ctx, host)
    assert host.mode(SUDOERS) == 0o440
    rule = host.read(SUDOERS).splitlines()[-1]
    assert rule.startswith(
        f"masakari ALL = (root) NOPASSWD: /usr/bin/privsep-helper --config-file {CONF} "
    )


def test_only_the_monitor_that_needs_it_is_in_a_group_and_once_that_exists(ctx, host):
    """Pacemaker's and libvirt's groups are as good as root."""
    host.write("/etc/group", "root:x:0:\n")
    out = running(ctx, host)
    assert "SupplementaryGroups" not in drop_in(host, INTROSPECTIVE), "it would not start"
    host.write("/etc/group", "haclient:x:7:\nlibvirt:x:8:\n")
    ctx.run(ctx.on.update_status(), out)
    assert "SupplementaryGroups=libvirt\n" in drop_in(host, INTROSPECTIVE)
    assert f"{AS_HOST} node1.maas masakari masakari,libvirt " in drop_in(host, INTROSPECTIVE)
    for service in (HOST, INSTANCE, PROCESS):
        assert "libvirt" not in drop_in(host, service).replace("libvirt's", "")
    assert "haclient" not in "".join(drop_in(host, monitor.service) for monitor in MONITORS)


def test_the_account_leaves_the_groups_that_older_versions_put_it_into(ctx, host):
    host.write("/etc/group", "haclient:x:7:masakari,other\nlibvirt:x:8:nova,masakari\n")
    out = running(ctx, host)
    assert host.read("/etc/group") == "haclient:x:7:other\nlibvirt:x:8:nova\n"
    host.write("/etc/group", "haclient:x:7:masakari\n")
    ctx.run(ctx.on.stop(), out)
    assert host.read("/etc/group") == "haclient:x:7:\n"
    assert not host.path(SENDER).exists()
