"""A release of Masakari's monitors that is not known is named, and nothing of it is touched."""

import pytest
from hypervisor import READY, conf, files, keystone, running, state
from ops import testing
from workload.monitors import SUPPORTED


def archive(host, version):
    host.apt.archive = dict.fromkeys(host.apt.archive, version)


@pytest.mark.parametrize("major", SUPPORTED)
def test_every_known_release_is_configured(ctx, host, major):
    """No template for each of them ends before the cloud does: one does for all."""
    archive(host, f"{major}.0.0")
    out = ctx.run(ctx.on.update_status(), running(ctx, host, config_flags="tempdir=/x"))
    assert out.workload_version == f"{major}.0.0"
    assert out.unit_status == READY
    assert conf(host)["DEFAULT"]["tempdir"] == "/x"


@pytest.mark.parametrize("version", ["14.0.0-1.1", "2:16.0.0-0ubuntu1~cloud0", "21.0.0~rc1-1"])
def test_versions_as_packages_have_them(ctx, host, version):
    archive(host, version)
    out = ctx.run(ctx.on.update_status(), running(ctx, host))
    assert out.unit_status == READY


@pytest.mark.parametrize("version", ["12.1.0-0ubuntu1", "1:23.0.0-1", "9.0.0", "99.0.0"])
def test_an_unknown_release_is_not_configured(ctx, host, version):
    archive(host, version)
    out = ctx.run(ctx.on.config_changed(), state(keystone()))
    assert isinstance(out.unit_status, testing.BlockedStatus)
    said = f"Masakari's monitors {version} are not supported, only 13 to 22 are"
    assert said in out.unit_status.message
    assert not [entry for entry in host.systemd.log if entry[0] in ("start", "restart")]
    assert host.read("/etc/masakarimonitors/masakarimonitors.conf") is None


def test_what_runs_goes_on_as_it_is_under_an_unknown_release(ctx, host):
    before = running(ctx, host)
    was = files(host)
    host.systemd.log.clear()
    host.apt.present = dict.fromkeys(host.apt.present, "23.0.0-1")
    out = ctx.run(ctx.on.config_changed(), state(keystone(), monitoring_interval=7))
    assert "23.0.0-1 are not supported" in out.unit_status.message
    assert files(host) == was
    assert host.systemd.log == []
    host.apt.present = dict.fromkeys(host.apt.present, "18.0.0")
    assert ctx.run(ctx.on.config_changed(), before).unit_status == READY
