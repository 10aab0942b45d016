from pathlib import Path

from instance_ha_common.juju.pause import PauseFlag
from instance_ha_common.machine.host import Host
from instance_ha_common.testing import fake_host


def test_paths_of_the_machine_lie_below_the_root(tmp_path):
    host = fake_host(tmp_path)
    assert host.path("/etc", "nova") == tmp_path / "etc/nova"
    assert Host.local().path("/etc/nova") == Path("/etc/nova")


def test_reading_what_is_not_there(tmp_path):
    host = fake_host(tmp_path)
    assert host.read("/etc/x") is None
    host.write("/etc/x", "y")
    assert host.read("/etc/x") == "y"
    assert host.read("/etc/x/z") is None
    assert host.read("/etc") is None


def test_the_groups_of_the_machine_and_who_is_in_them(tmp_path):
    host = fake_host(tmp_path)
    assert host.groups == {}
    host.write("/etc/group", "haclient:x:120:hacluster,nova\nkvm:x:108:\ntorn:x\n")
    assert host.groups == {"haclient": {"hacluster", "nova"}, "kvm": set()}


def test_write_and_remove(tmp_path):
    host = fake_host(tmp_path)
    assert host.write("/etc/key", b"k", mode=0o440, group="haclient")
    assert host.owner("/etc/key") == ("root", "haclient")
    assert host.mode("/etc/key") == 0o440
    assert host.remove("/etc/key")
    assert not host.remove("/etc/key")


def test_pause_flag_outlives_the_object(tmp_path):
    host = fake_host(tmp_path)
    assert not PauseFlag(host, "x")
    PauseFlag(host, "x").set()
    assert PauseFlag(host, "x")
    assert not PauseFlag(host, "y")
    PauseFlag(host, "x").clear()
    PauseFlag(host, "x").clear()
    assert not PauseFlag(host, "x")


def test_an_upgrade_of_the_machine_does_not_end_a_pause(tmp_path):
    host = fake_host(tmp_path)
    flag = PauseFlag(host, "x")
    flag.set()
    assert not flag.upgrading
    flag.begin_upgrade()
    assert PauseFlag(host, "x").upgrading
    flag.end_upgrade()
    assert flag
    flag.begin_upgrade()
    flag.clear()
    assert flag, "the machine is still being upgraded"
    flag.end_upgrade()
    assert not flag
