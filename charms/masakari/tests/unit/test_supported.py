"""A release of Masakari or OpenStack that is not known is named, and nothing is touched."""

from __future__ import annotations

import re
from pathlib import Path

import ops
import pytest
import yaml
from ops import testing

from machine import Machine
from model import complete
from workload import package_sources, packages

REPOSITORY = Path(__file__).resolve().parents[4]


def install(machine: Machine, version: str) -> None:
    """Have another Masakari on the machine."""
    modules = machine.host.path("/usr/lib/python3/dist-packages")
    (known,) = modules.glob("masakari-*.egg-info")
    known.rename(modules / f"masakari-{version}.egg-info")


@pytest.mark.parametrize("version", ["12.0.3", "23.0.0", "9.1.1"])
def test_an_unknown_masakari_is_left_alone(
    ctx: testing.Context, machine: Machine, version: str
) -> None:
    install(machine, version)
    machine.forget()
    out = ctx.run(ctx.on.config_changed(), complete())
    assert isinstance(out.unit_status, ops.BlockedStatus)
    said = f"Masakari {version} is not supported, only 13 to 22 are (set openstack-origin)"
    assert said in out.unit_status.message
    assert not machine.host.path("/etc/masakari/masakari.conf").exists()
    assert machine.has_run("runuser") == []
    assert machine.has_run("cibadmin") == []


@pytest.mark.parametrize("major", packages.SUPPORTED)
def test_every_known_masakari_is_configured(
    ctx: testing.Context, machine: Machine, major: int
) -> None:
    install(machine, f"{major}.0.0")
    ctx.run(ctx.on.config_changed(), complete())
    text = machine.read("/etc/masakari/masakari.conf")
    # An option that a release does not know is nothing to oslo.config; each is there for those
    # that do. Without it, 22 delays every notification by up to 5 s.
    assert "notification_delay_max = 0" in text
    # Deprecated since 22; the middleware does the same in all of them.
    assert "use_forwarded_for" not in text
    assert "enable_proxy_headers_parsing = True" in text
    # Mandatory since 22.
    assert re.search(r"^\[taskflow\]\nconnection = mysql", text, re.MULTILINE)
    # Each answers there without a token; /healthcheck is there only from 21 on.
    assert "option httpchk GET /\n" in machine.read("/etc/haproxy/haproxy.cfg")
    unit = machine.read("/usr/local/lib/systemd/system/masakari-api.service")
    assert "masakari-wsgi" not in unit, "gone since 20"


@pytest.mark.parametrize(
    "text", ["victoria", "cloud:jammy-victoria", "cloud:noble-zulu", "xena/proposed"]
)
def test_an_unknown_openstack_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"OpenStack \w+ is not supported, only yoga to hibiscus"):
        package_sources.parse(text)


def test_a_new_unit_installs_nothing_of_an_unknown_openstack(
    ctx: testing.Context, machine: Machine
) -> None:
    machine.forget()
    out = ctx.run(
        ctx.on.config_changed(), complete(config={"openstack-origin": "cloud:jammy-victoria"})
    )
    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert "OpenStack victoria is not supported" in out.unit_status.message
    assert machine.has_run("add-apt-repository") == []


def test_the_overlays_ask_for_what_is_known() -> None:
    for path in [*REPOSITORY.glob("overlays/*.yaml"), *REPOSITORY.glob("bundles/*.yaml")]:
        applications = yaml.safe_load(path.read_text()).get("applications", {})
        for application in applications.values():
            origin = (application.get("options") or {}).get("openstack-origin")
            if origin:
                package_sources.parse(origin)
