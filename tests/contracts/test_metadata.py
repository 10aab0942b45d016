"""What a refresh from the older charms finds again, and what every option and action has."""

import pytest
from charm_sources import OWN, charmcraft

STRING, INT, BOOLEAN, FLOAT = "string", "int", "boolean", "float"
SECRET = "secret"
OPTIONS = {
    "masakari": {
        **dict.fromkeys(("openstack-origin", "region", "vip", "vip_iface"), STRING),
        **dict.fromkeys(("ssl_cert", "ssl_key", "ssl_ca"), STRING),
        **{f"os-{kind}-network": STRING for kind in ("public", "admin", "internal")},
        **{f"os-{kind}-hostname": STRING for kind in ("public", "admin", "internal")},
        **{f"haproxy-{what}-timeout": INT for what in ("server", "client", "queue", "connect")},
        **dict.fromkeys(("action-managed-upgrade", "debug", "use-syslog", "dns-ha"), BOOLEAN),
        **dict.fromkeys(("use-internal-endpoints", "evacuate-all-instances"), BOOLEAN),
        **dict.fromkeys(("vip_cidr", "evacuation-delay"), INT),
        **dict.fromkeys(("notification-expiration", "check-expired-interval"), INT),
        "worker-multiplier": FLOAT,
    },
    "masakari-monitors": {
        **dict.fromkeys(("debug", "use-syslog", "use-internal-endpoints"), BOOLEAN),
        **dict.fromkeys(("ssl_ca", "region", "config-flags"), STRING),
    },
    "pacemaker-remote": {"enable-stonith": BOOLEAN, "enable-resources": BOOLEAN},
}
"""Options of the older charms that do something."""

ACTIONS = {
    "masakari": {"pause", "resume", "restart-services", "openstack-upgrade", "package-upgrade"},
    "masakari-monitors": {"pause", "resume", "restart-services"},
    "pacemaker-remote": set(),
}
ENDPOINTS = {
    "masakari": {"shared-db", "amqp", "identity-service", "ha", "certificates", "cluster"},
    "masakari-monitors": {"identity-credentials", "container", "certificates"},
    "pacemaker-remote": {"juju-info", "pacemaker-remote"},
}


@pytest.mark.parametrize("charm", OWN)
def test_options_have_a_type_and_a_description(charm):
    """One that is only a name with a default is read as anything and explains nothing."""
    for name, option in charmcraft(charm)["config"]["options"].items():
        assert option["type"] in (STRING, INT, BOOLEAN, FLOAT, SECRET), name
        assert len(option["description"].split()) >= 3, name


@pytest.mark.parametrize("charm", OWN)
def test_actions_say_what_they_do(charm):
    for name, action in charmcraft(charm)["actions"].items():
        assert len(action["description"].split()) >= 3, name


@pytest.mark.parametrize("charm", OWN)
def test_a_refresh_keeps_the_options_that_operators_have_set(charm):
    options = charmcraft(charm)["config"]["options"]
    assert {name: options[name]["type"] for name in OPTIONS[charm]} == OPTIONS[charm]


@pytest.mark.parametrize("charm", OWN)
def test_a_refresh_keeps_actions_and_endpoints(charm):
    metadata = charmcraft(charm)
    kinds = ("requires", "provides", "peers")
    assert ACTIONS[charm] <= set(metadata["actions"])
    assert ENDPOINTS[charm] <= {name for kind in kinds for name in metadata.get(kind, {})}
