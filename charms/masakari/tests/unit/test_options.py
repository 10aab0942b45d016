"""Every option has an effect: none is offered that does nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ops import testing

import charm
import fakecluster
import machine as machine_module
import model
from model import CHARMCRAFT

OPTIONS = CHARMCRAFT["config"]["options"]
TLS = {"ssl_cert": model.b64(model.PEM), "ssl_key": model.b64(model.KEY)}
SECRET = testing.Secret(
    {"ssl-key": model.KEY, "maas-url": "http://maas/MAAS", "maas-credentials": "a:b:c"}
)
OUTSIDE = {"vip": "192.0.2.9"}
"""A virtual address in none of the machine's networks."""
DEVICE = """
<primitive id="st-maas" class="stonith" type="external/maas"><instance_attributes id="st-a">
  <nvpair id="st-h" name="hostnames" value="hv1 hv1.maas"/>
</instance_attributes></primitive></resources>
"""

OTHER: dict[str, tuple[Any, dict[str, Any]]] = {
    "action-managed-upgrade": (True, {"openstack-origin": "caracal"}),
    "config-flags": ("report_interval=7", {}),
    "dns-ha": (True, {"vip": "", "os-public-hostname": "api.example.com"}),
    "fence-reported-failed": ("always", {}),
    "fencing-limit-domains": ("zone=1", {}),
    "host-ha-metadata-key": ("Other", {}),
    "instance-ha-metadata-key": ("Other", {}),
    "maas-credentials-secret": (SECRET.id, {}),
    "openstack-origin": ("caracal", {}),
    "os-admin-hostname": ("api.example.com", {}),
    "os-admin-network": ("10.9.0.0/24", {"vip": "10.77.1.250 10.9.0.250"}),
    "os-internal-hostname": ("api.example.com", {}),
    "os-internal-network": ("10.9.0.0/24", {"vip": "10.77.1.250 10.9.0.250"}),
    "os-public-hostname": ("api.example.com", {}),
    "os-public-network": ("10.9.0.0/24", {"vip": "10.77.1.250 10.9.0.250"}),
    "recovery-destination": ("segment", {}),
    "recovery-retries": ("60", {}),
    "recovery-workflow": ("stock", {"allow-recovery-without-fencing": True}),
    "region": ("RegionTwo", {}),
    "recover-never": ("name:x", {}),
    "recover-only": ("name:x", {}),
    "restart-order-from": ("flavor", {}),
    "service-roles": ("masakari-recovery", {}),
    "storage-fencing": ("parallel", {}),
    "ssl_ca": (model.b64(model.PEM), {}),
    "ssl_cert": (model.b64(model.OTHER_PEM), TLS),
    "ssl_key": (model.b64(model.KEY.replace("S0VZ", "WUVL")), TLS),
    "ssl-key-secret": (SECRET.id, {"ssl_cert": TLS["ssl_cert"]}),
    "vip": ("10.77.1.251", {}),
    "vip_cidr": (25, OUTSIDE),
    "vip_iface": ("eth7", OUTSIDE),
    "worker-multiplier": (1.0, {}),
}
"""Another value for an option, and the options without which it does nothing."""

SAID = {"segment-host-failures"}
"""What only changes what is said; see `preflight/test_watch.py`."""


def other(name: str) -> tuple[Any, dict[str, Any]]:
    """A valid value that is not the default, and what it takes to have an effect."""
    if name in OTHER:
        return OTHER[name]
    option = OPTIONS[name]
    default = option.get("default", 0)
    return (not default if option["type"] == "boolean" else default + 1), {}


@pytest.fixture(scope="module")
def effect(
    ctx: testing.Context, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Mapping[str, Any]], object]:
    """What comes of options: files, what is published and what is told to the machine."""

    @functools.cache
    def outcome(options: frozenset[tuple[str, Any]]) -> object:
        machine = machine_module.make(tmp_path_factory.mktemp("machine"))
        for package in ("software-properties-common", "fence-agents"):
            machine.host.apt.archive[package] = "1"
        fakecluster.with_remote(machine)
        machine.cib.load(fakecluster.CIB.replace("</resources>", DEVICE))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(charm, "make_workload", machine.workload)
            state = model.complete(config=dict(options), secrets=[SECRET])
            out = ctx.run(ctx.on.config_changed(), state)
        root = machine.host.root
        return (
            {str(path.relative_to(root)): path.read_bytes() for path in files(root)},
            {relation.endpoint: relation.local_unit_data for relation in out.relations},
            [text for text in machine.host.runner.inputs if text],
            machine.host.apt.log,
        )

    return lambda options: outcome(frozenset(options.items()))


def files(root: Path) -> list[Path]:
    """The files that count: what the charm remembers for itself is no effect."""
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and "masakari-charm" not in path.parts
    ]


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - SAID))
def test_option_has_an_effect(name: str, effect: Callable[[Mapping[str, Any]], object]) -> None:
    """An option that is accepted and then ignored deceives the operator."""
    value, base = other(name)
    assert effect({**base, name: value}) != effect(base)


def test_all_guests_are_recovered_by_default_and_the_description_says_so() -> None:
    """Not the other way round, so that nobody turns off what they mean to turn on."""
    option = OPTIONS["evacuate-all-instances"]
    assert option["default"] is True
    assert option["description"].startswith("Recover all instances of a failed host")
    assert "If false, only" in " ".join(option["description"].split())
