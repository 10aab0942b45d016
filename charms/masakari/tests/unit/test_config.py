"""Options: what is accepted, and what the operator is told about the rest."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import model
from config import Config
from machine import Machine
from origin import Origin, Sources, parse

CHARMCRAFT = yaml.safe_load((Path(__file__).parents[2] / "charmcraft.yaml").read_text())


def test_class_and_charmcraft_agree() -> None:
    options = CHARMCRAFT["config"]["options"]
    fields = Config.__dataclass_fields__
    assert {name.replace("-", "_") for name in options} == set(fields)
    for name, option in options.items():
        if "default" in option:
            assert option["default"] == fields[name.replace("-", "_")].default, name


def test_defaults_are_valid() -> None:
    config = Config()
    assert config.origin == Origin()
    assert config.vips == ()
    assert config.certificate is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"vip": "10.0.0.1 no"}, "vip: 'no' is not an IP address"),
        ({"vip": "10.0.0.1", "dns_ha": True}, "vip and dns-ha exclude each other: unset one"),
        ({"dns_ha": True}, "dns-ha: set at least one of os-public-hostname"),
        ({"os_public_network": "10.0.0.1/24"}, "os-public-network: 10.0.0.1/24 has host bits set"),
        ({"os_admin_hostname": "a b"}, "os-admin-hostname: 'a b' is not a host name"),
        ({"region": ""}, "region: must be one word"),
        ({"region": "a b"}, "region: must be one word, is 'a b'"),
        ({"region": "None"}, "region: must be one word"),
        ({"vip_iface": 'eth0"'}, "vip_iface: 'eth0\"' is not an interface"),
        ({"vip_cidr": 0}, "vip_cidr: must be at least 1, is 0"),
        ({"worker_multiplier": 0.0}, "worker-multiplier: must be above 0 and at most 64"),
        ({"worker_multiplier": float("nan")}, "worker-multiplier: must be above 0"),
        ({"evacuation_delay": -1}, "evacuation-delay: must be at least 0, is -1"),
        ({"host_recovery_threads": 0}, "host-recovery-threads: must be at least 1, is 0"),
        ({"fencing_limit_share": 101}, "fencing-limit-share: must be at most 100"),
        ({"report_limit_hosts": -1}, "report-limit-hosts: must be at least 0, is -1"),
        ({"report_limit_window": 0}, "report-limit-window: must be at least 1, is 0"),
        ({"recovery_workflow": "none"}, "recovery-workflow: must be one of fence-first, stock"),
        ({"fence_reported_failed": "maybe"}, "fence-reported-failed: must be one of never, con"),
        ({"config_flags": "debug=True"}, "config-flags: the charm itself sets debug"),
        ({"config_flags": "x"}, "config-flags: expected key=value pairs, found 'x'"),
        ({"ssl_cert": model.b64(model.PEM)}, "ssl_cert and ssl_key: set both or neither"),
        ({"ssl_key": model.b64(model.KEY)}, "ssl_cert and ssl_key: set both or neither"),
        ({"ssl_key": model.b64("x")}, "ssl_key: not base64 of a PEM private key"),
        ({"ssl_key": "!"}, "ssl_key: not base64 of a PEM private key"),
        ({"ssl_cert": "!"}, "ssl_cert: not base64 of a PEM certificate"),
        ({"ssl_ca": model.b64("x")}, "ssl_ca: holds no PEM certificate"),
        ({"openstack_origin": "cloud:"}, "openstack-origin: 'cloud:' is none of distro"),
    ],
)
def test_problem_names_option_and_cure(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Config(**options)  # type: ignore[arg-type]
    assert text in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        Config(vip="x", region="a b", evacuation_delay=-1)
    assert len(str(caught.value).split("; ")) == 3


def test_zero_and_false_are_values() -> None:
    config = Config(evacuation_delay=0, evacuate_all_instances=False, fencing_limit_hosts=0)
    assert config.evacuation_delay == 0
    assert config.evacuate_all_instances is False


def test_vips_keep_their_order_and_lose_repetitions() -> None:
    config = Config(vip=" fd00::10 10.0.0.2  10.0.0.1 10.0.0.2")
    assert [str(vip) for vip in config.vips] == ["fd00::10", "10.0.0.2", "10.0.0.1"]


def test_host_names_may_hold_the_applications_name() -> None:
    config = Config(os_public_hostname="{service_name}.example.com", os_admin_hostname=" ")
    assert config.hostnames("masakari-a") == {"public": "masakari-a.example.com"}


def test_networks() -> None:
    config = Config(os_internal_network="10.0.0.0/24")
    assert config.networks == {"internal": ipaddress.ip_network("10.0.0.0/24")}


def test_certificate_with_chain() -> None:
    config = Config(
        ssl_cert=model.b64(model.PEM + model.CHAIN_PEM), ssl_key=model.b64("junk\n" + model.KEY)
    )
    assert config.certificate == (f"{model.PEM.strip()}\n{model.CHAIN_PEM}", model.KEY)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "openstack_origin": st.text(),
            "config_flags": st.text(),
            "region": st.text(),
            "vip": st.text(),
            "vip_iface": st.text(),
            "vip_cidr": st.integers(),
            "ssl_cert": st.text(),
            "ssl_key": st.text(),
            "ssl_ca": st.text(),
            "os_public_network": st.text(),
            "os_public_hostname": st.text(),
            "dns_ha": st.booleans(),
            "evacuation_delay": st.integers(),
            "worker_multiplier": st.floats(),
            "fence_reported_failed": st.text(),
        },
    )
)
def test_any_value_is_accepted_or_refused_with_a_reason(options: dict[str, object]) -> None:
    try:
        config = Config(**options)  # type: ignore[arg-type]
    except ValueError as error:
        assert str(error)
    else:
        for flag in (*config.flags, *config.flags.values(), config.region):
            assert "\n" not in flag


class TestOrigin:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("distro", Origin()),
            ("", Origin()),
            ("caracal", Origin("cloud-archive:caracal")),
            ("caracal/proposed", Origin("cloud-archive:caracal-proposed")),
            ("cloud:jammy-caracal", Origin("cloud-archive:caracal", "jammy")),
            ("cloud:jammy-updates/caracal", Origin("cloud-archive:caracal", "jammy")),
            ("cloud:jammy-proposed/caracal", Origin("cloud-archive:caracal-proposed", "jammy")),
            ("cloud:jammy-caracal/proposed", Origin("cloud-archive:caracal-proposed", "jammy")),
            ("ppa:me/mine", Origin("ppa:me/mine")),
            ("deb http://example.invalid/u jammy main", None),
            ("deb [arch=amd64] http://example.invalid/u jammy main x", None),
        ],
    )
    def test_known_forms(self, text: str, wanted: Origin | None) -> None:
        assert parse(text) == (wanted or Origin(text))

    @pytest.mark.parametrize(
        "text", ["cloud:jammy", "ppa:", "deb x", "deb x\ny z", "Caracal", "caracal/x", "deb a b|K"]
    )
    def test_other_forms_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="openstack-origin"):
            parse(text)

    def test_the_default_is_the_distribution(self) -> None:
        """A default that names one release upgrades or breaks clouds of all others."""
        assert CHARMCRAFT["config"]["options"]["openstack-origin"]["default"] == "distro"

    def test_apply_and_change(self, machine: Machine) -> None:
        sources = Sources(machine.host)
        machine.host.apt.archive["software-properties-common"] = "1"
        assert sources.apply(parse("cloud:jammy-antelope"))
        assert not sources.differ_from(parse("antelope"))
        assert not sources.apply(parse("antelope"))
        assert sources.apply(parse("caracal"))
        assert [argv[3:] for argv in machine.has_run("add-apt-repository")] == [
            ["cloud-archive:antelope"],
            ["--remove", "cloud-archive:antelope"],
            ["cloud-archive:caracal"],
        ]
        assert sources.apply(Origin())
        assert sources.current == ""

    def test_another_series_is_refused(self, machine: Machine) -> None:
        with pytest.raises(ValueError, match="is for noble, but this machine runs jammy"):
            Sources(machine.host).apply(parse("cloud:noble-flamingo"))
        assert machine.host.apt.log == []

    def test_ubuntus_archives_are_for_ubuntu(self, machine: Machine) -> None:
        machine.host.write("/etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")
        sources = Sources(machine.host)
        assert not sources.differ_from(parse("cloud:jammy-caracal"))
        assert not sources.apply(parse("cloud:jammy-caracal"))
        assert machine.has_run("add-apt-repository") == []
