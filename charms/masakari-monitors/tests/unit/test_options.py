"""Every option has an effect: none is offered that does nothing."""

import functools
from pathlib import Path

import charm
import hypervisor
import pytest
import yaml
from hypervisor import ARCHIVE, PEM, b64
from instance_ha_common.testing import fake_host

CHARMCRAFT = yaml.safe_load((Path(__file__).parents[2] / "charmcraft.yaml").read_text())
OPTIONS = CHARMCRAFT["config"]["options"]
AGENTS = {"consul-storage-agents": "10.0.4.10"}
NEVER = [{"health": [health], "action": []} for health in ("up", "down")]
"""A matrix that calls for no recovery."""

OTHER = {
    "config-flags": ("tempdir=/x", {}),
    "consul-management-agents": ("10.0.3.10", {}),
    "consul-storage-agents": ("10.0.4.10", {}),
    "consul-tenant-agents": ("10.0.5.10", AGENTS),
    "hostname": ("other", {}),
    "keystone-endpoint": ("admin", {}),
    "network-matrix": (yaml.safe_dump({"sequence": ["storage"], "matrix": NEVER}), AGENTS),
    "process-list": (
        "[{process_name: x, start_command: start x, restart_command: restart x}]",
        {},
    ),
    "region": ("RegionTwo", {}),
    "ssl_ca": (b64(PEM), {}),
}
"""Another value for an option, and the options without which it does nothing."""


def other(name):
    """A valid value that is not the default, and what it takes to have an effect."""
    option = OPTIONS[name]
    default = option["default"]
    return OTHER.get(name) or (not default if option["type"] == "boolean" else default + 1, {})


@pytest.fixture(scope="module")
def effect(tmp_path_factory):
    """What comes of options: files, and services that run."""

    @functools.cache
    def outcome(options):
        host = fake_host(tmp_path_factory.mktemp("machine"), archive=ARCHIVE)
        host.write("/etc/nova/nova.conf", f"[DEFAULT]\nhost = {hypervisor.NAME}\n")
        host.apt.on_install = lambda names: hypervisor.install(host, names)
        host.systemd.services["masakari-network-witness"] = hypervisor.FakeService()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(charm.MasakariMonitorsCharm, "make_host", staticmethod(lambda: host))
            patch.setattr(charm.MasakariMonitorsCharm, "ask_witness", staticmethod(lambda: {}))
            ctx = hypervisor.make_context()
            ctx.run(
                ctx.on.config_changed(), hypervisor.state(hypervisor.keystone(), **dict(options))
            )
        texts = {
            path.relative_to(host.root): text for path, (_, text) in hypervisor.files(host).items()
        }
        return texts, {name for name in host.systemd.services if host.systemd.running(name)}

    return lambda options: outcome(frozenset(options.items()))


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_option_has_an_effect(name, effect):
    """An option that is accepted and then ignored deceives the operator."""
    value, base = other(name)
    assert effect({**base, name: value}) != effect(base)
