"""Options: what is accepted, and what the operator is told about the rest."""

from __future__ import annotations

import dataclasses
import ipaddress
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

import model
from config import Config
from machine import Machine
from workload.package_sources import Origin, Sources, parse


def test_class_and_charmcraft_agree() -> None:
    options = model.CHARMCRAFT["config"]["options"]
    fields = Config.__dataclass_fields__
    assert {name.replace("-", "_") for name in options} == set(fields)
    for name, option in options.items():
        default = fields[name.replace("-", "_")].default
        assert ("default" in option) == (default is dataclasses.MISSING), name


def test_defaults_are_valid() -> None:
    config = model.config()
    assert config.origin == Origin()
    assert config.vips == ()
    assert config.certificate is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"vip": "10.0.0.1 no"}, "vip: 'no' is not an IP address"),
        ({"vip": 'fe80::1%"x="'}, "vip: 'fe80::1%\"x=\"' is not an IP address"),
        ({"os_admin_network": "fe80::%x/64"}, "os-admin-network: 'fe80::%x/64' has a zone id"),
        ({"vip": "10.0.0.1", "dns_ha": True}, "vip and dns-ha exclude each other: unset one"),
        ({"dns_ha": True}, "dns-ha: set at least one of os-public-hostname"),
        ({"os_public_network": "10.0.0.1/24"}, "os-public-network: 10.0.0.1/24 has host bits set"),
        ({"os_admin_hostname": "a b"}, "os-admin-hostname: 'a b' is not a host name"),
        ({"region": ""}, "region: must be one word"),
        ({"region": "a b"}, "region: must be one word, is 'a b'"),
        ({"region": "None"}, "region: must be one word"),
        ({"vip_iface": 'eth0"'}, "vip_iface: 'eth0\"' is not an interface"),
        ({"vip_cidr": 0}, "vip_cidr: must be at least 1, is 0"),
        (
            {"vip": "fd00::9 192.0.2.9", "vip_cidr": 33},
            "vip_cidr: must be at most 32 for an IPv4 vip, is 33",
        ),
        *(
            (
                {f"haproxy_{kind}_timeout": 2**31},
                f"haproxy-{kind}-timeout: must be at most 2147483647, is 2147483648",
            )
            for kind in ("server", "client", "queue", "connect")
        ),
        ({"worker_multiplier": 0.0}, "worker-multiplier: must be above 0 and at most 64"),
        ({"worker_multiplier": float("nan")}, "worker-multiplier: must be above 0"),
        ({"evacuation_delay": -1}, "evacuation-delay: must be at least 0, is -1"),
        ({"host_recovery_stagger": -1}, "host-recovery-stagger: must be at least 0, is -1"),
        ({"host_recovery_threads": 0}, "host-recovery-threads: must be at least 1, is 0"),
        ({"fencing_limit_share": 101}, "fencing-limit-share: must be at most 100"),
        (
            {"fencing_limit_domains": "rack=1"},
            "fencing-limit-domains: expected segment, zone, agg",
        ),
        (
            {"fencing_limit_domains": "zone"},
            "fencing-limit-domains: expected KIND=N or KIND=N%, s",
        ),
        ({"fencing_limit_domains": "zone=0"}, "fencing-limit-domains: expected KIND=N or KIND=N%"),
        ({"fencing_limit_domains": "zone=101%"}, "fencing-limit-domains: expected KIND=N or KIND"),
        ({"fencing_limit_domains": "zone=1,zone=2"}, "fencing-limit-domains: there are two limit"),
        ({"kdump_fencing_timeout": -1}, "kdump-fencing-timeout: must be at least 0, is -1"),
        ({"kdump_fencing_timeout": 601}, "kdump-fencing-timeout: must be at most 600"),
        ({"service_roles": "a, b c"}, "service-roles: each must be one word, found 'b c'"),
        ({"recovery_destination": "rack"}, "recovery-destination: expected segment, zone, aggreg"),
        ({"recovery_destination": "zone:a"}, "recovery-destination: expected segment, zone, aggr"),
        ({"report_limit_hosts": -1}, "report-limit-hosts: must be at least 0, is -1"),
        ({"restart_order_from": "server, volume"}, "restart-order-from: expected some of server"),
        ({"recover_never": "octavia"}, "recover-never: expected name:..., project:..., metadata"),
        ({"recover_only": "project:services"}, "recover-only: project: expected an ID (openst"),
        (
            {"recovery_retries": "1, soon"},
            "recovery-retries: expected at most 20 pauses in second",
        ),
        ({"restart_group_timeout": 0}, "restart-group-timeout: must be at least 1, is 0"),
        ({"restart_group_pause": -1}, "restart-group-pause: must be at least 0, is -1"),
        ({"report_limit_window": 0}, "report-limit-window: must be at least 1, is 0"),
        ({"recovery_workflow": "none"}, "recovery-workflow: must be one of fence-first, stock"),
        ({"fence_reported_failed": "maybe"}, "fence-reported-failed: must be one of never, con"),
        ({"config_flags": "debug=True"}, "config-flags: remove debug: the charm itself sets it"),
        ({"config_flags": "fencing/fencing_timeout=1"}, "config-flags: remove fencing/fencing_ti"),
        ({"config_flags": "database/connection=x"}, "config-flags: remove database/connection"),
        ({"config_flags": "Fencing/allow_unfenced_recovery=true"}, "remove fencing/allow_unfen"),
        ({"config_flags": "DATABASE/connection=x"}, "config-flags: remove database/connection"),
        ({"config_flags": "a/b/c=1"}, "config-flags: expected key=value or section/key=value pai"),
        ({"config_flags": "x"}, "config-flags: expected key=value or section/key=value pairs, fo"),
        ({"ssl_cert": model.b64(model.PEM)}, "ssl_cert and ssl_key (or ssl-key-secret): set both"),
        ({"ssl_key": model.b64(model.KEY)}, "ssl_cert and ssl_key (or ssl-key-secret): set both"),
        ({"ssl_key": model.b64("x")}, "ssl_key: not base64 of a PEM private key"),
        ({"ssl_key": "!"}, "ssl_key: not base64 of a PEM private key"),
        ({"ssl_cert": "!"}, "ssl_cert: not base64 of a PEM certificate"),
        ({"ssl_ca": model.b64("x")}, "ssl_ca: holds no PEM certificate"),
        ({"openstack_origin": "cloud:"}, "openstack-origin: 'cloud:' is none of distro"),
        ({"openstack_origin": "bob:s@x"}, "openstack-origin: the value is none of distro"),
    ],
)
def test_problem_names_option_and_cure(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError) as caught:
        model.config(**options)
    assert text in str(caught.value)


@pytest.mark.parametrize("account", ["bob:se/cret", "bob:se@cret", "bob:se cret", "bob:s e@cret"])
@pytest.mark.parametrize("before", ["deb ", "deb [arch=amd64] ", ""])
def test_a_password_that_is_not_encoded_is_never_shown(account: str, before: str) -> None:
    """Nor given to `add-apt-repository`, whose command line everybody can read."""
    line = f"{before}https://{account}@archive.example.com/ubuntu noble main"
    with pytest.raises(ValueError, match="openstack-origin: ") as caught:
        model.config(openstack_origin=line)
    assert "cret" not in str(caught.value) and "bob" not in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        model.config(vip="x", region="a b", evacuation_delay=-1)
    assert len(str(caught.value).split("; ")) == 3


def test_zero_and_false_are_values() -> None:
    config = model.config(evacuation_delay=0, evacuate_all_instances=False, fencing_limit_hosts=0)
    assert config.evacuation_delay == 0
    assert config.evacuate_all_instances is False


def test_vips_keep_their_order_and_lose_repetitions() -> None:
    config = model.config(vip=" fd00::10 10.0.0.2  10.0.0.1 10.0.0.2")
    assert [str(vip) for vip in config.vips] == ["fd00::10", "10.0.0.2", "10.0.0.1"]


def test_host_names_may_hold_the_applications_name() -> None:
    config = model.config(os_public_hostname="{service_name}.example.com", os_admin_hostname=" ")
    assert config.hostnames("masakari-a") == {"public": "masakari-a.example.com"}


def test_networks() -> None:
    config = model.config(os_internal_network="10.0.0.0/24")
    assert config.networks == {"internal": ipaddress.ip_network("10.0.0.0/24")}


def test_the_longest_there_is() -> None:
    assert model.config(vip="fd00::9", vip_cidr=128).vip_cidr == 128
    assert model.config(vip="192.0.2.9", vip_cidr=32).vip_cidr == 32
    assert model.config(haproxy_server_timeout=2147483647).haproxy_server_timeout == 2147483647


def test_certificate_with_chain() -> None:
    config = model.config(
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
        config = model.config(**options)
    except ValueError as error:
        assert str(error)
    else:
        flags = [
            part for found in config.flags.values() for pair in found.items() for part in pair
        ]
        for flag in (*config.flags, *flags, config.region):
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
        assert model.CHARMCRAFT["config"]["options"]["openstack-origin"]["default"] == "distro"

    @pytest.fixture
    def sources(self, machine: Machine) -> Sources:
        machine.host.apt.archive["software-properties-common"] = "1"
        return Sources(machine.host)

    def test_a_password_in_what_the_tool_says_is_not_told(
        self, sources: Sources, machine: Machine
    ) -> None:
        said = "E: cannot fetch https://me:s3cret@example.invalid/u/InRelease"
        machine.host.runner.answer(["add-apt-repository"], (1, said))
        with pytest.raises(ValueError, match=r"example\.invalid") as caught:
            sources.apply(parse("deb https://me:s3cret@example.invalid/u jammy main"))
        assert "s3cret" not in str(caught.value)
        with pytest.raises(ValueError, match="none of") as caught:
            parse("deb https://me:s3cret@example.invalid/u")
        assert "s3cret" not in str(caught.value)

    def test_an_archives_account_is_for_apt_alone(
        self, sources: Sources, machine: Machine
    ) -> None:
        line = "deb [arch=amd64] https://{}example.invalid/u/ jammy main"
        assert self.use(sources, line.format("me:s3%3Acret@"))
        assert self.repositories(machine) == [[line.format("")]], "everybody sees processes"
        (login,) = machine.host.path("/etc/apt/auth.conf.d").iterdir()
        assert login.suffix == ".conf"
        assert stat.S_IMODE(login.stat().st_mode) == 0o600
        entry = "machine https://example.invalid/u/ login me password s3:cret\n"
        assert login.read_text() == entry
        assert self.use(sources, line.format("me:another@")), "a new password is a change"
        assert "password another\n" in login.read_text()
        assert ["--remove", line.format("")] not in self.repositories(machine)
        assert self.use(sources, "distro")
        assert self.repositories(machine)[-1] == ["--remove", line.format("")]
        assert not login.exists()

    @pytest.mark.parametrize("account", ["me", "me:", ":pw", "me:a%20b"])
    def test_an_account_that_apt_cannot_have(self, account: str) -> None:
        with pytest.raises(ValueError, match="must be NAME:PASSWORD, without blanks"):
            parse(f"deb https://{account}@example.invalid/u jammy main")

    def use(self, sources: Sources, text: str) -> bool:
        """What the charm does; the packages come between the two."""
        changed = sources.apply(parse(text))
        sources.complete(parse(text))
        return changed

    def repositories(self, machine: Machine) -> list[list[str]]:
        return [argv[3:] for argv in machine.has_run("add-apt-repository")]

    def test_apply_and_change(self, machine: Machine, sources: Sources) -> None:
        """The new one comes first: without it the old one must not be gone."""
        assert self.use(sources, "cloud:jammy-antelope")
        assert not sources.differ_from(parse("antelope"))
        assert not self.use(sources, "antelope")
        assert self.use(sources, "caracal")
        assert self.repositories(machine) == [
            ["cloud-archive:antelope"],
            ["cloud-archive:caracal"],
            ["--remove", "cloud-archive:antelope"],
        ]
        assert self.use(sources, "distro")
        assert self.repositories(machine)[3:] == [["--remove", "cloud-archive:caracal"]]
        assert sources.current == ""

    def test_origin_that_cannot_be_added(self, machine: Machine, sources: Sources) -> None:
        self.use(sources, "antelope")
        machine.forget()
        said = "Adding\n'epoxy': not a valid cloud-archive name\n"
        machine.host.runner.answer(["add-apt-repository"], (1, said))
        text = (
            "openstack-origin: cannot be added, set another value:"
            " 'epoxy': not a valid cloud-archive name"
        )
        with pytest.raises(ValueError, match="openstack-origin: ") as caught:
            sources.apply(parse("epoxy"))
        assert str(caught.value) == text
        assert self.repositories(machine) == [["cloud-archive:epoxy"]]
        assert machine.host.apt.log == []
        with pytest.raises(ValueError, match="openstack-origin: ") as caught:
            sources.check(parse("epoxy"))
        assert str(caught.value) == text
        sources.check(parse("antelope"))
        assert sources.current == "cloud-archive:antelope"
        assert not self.use(sources, "antelope")
        machine.host.runner.answer(["add-apt-repository"], "")
        assert self.use(sources, "epoxy")
        sources.check(parse("epoxy"))

    def test_tool_that_says_nothing(self, machine: Machine, sources: Sources) -> None:
        machine.host.runner.answer(["add-apt-repository"], (3, ""))
        with pytest.raises(ValueError, match=r"set another value: exit code 3$"):
            sources.apply(parse("caracal"))

    def test_former_origin_that_cannot_be_removed(
        self, machine: Machine, sources: Sources
    ) -> None:
        """A newer Ubuntu does not know the cloud archives of the older one."""
        self.use(sources, "caracal")
        machine.host.runner.answer(
            ["add-apt-repository", "--yes", "--no-update", "--remove"], (1, "")
        )
        assert self.use(sources, "distro")
        assert sources.current == ""
        assert not sources.differ_from(Origin())

    @pytest.mark.parametrize("back", [False, True])
    def test_change_that_broke_off(self, machine: Machine, sources: Sources, back: bool) -> None:
        """Neither origin is taken for the one in use before the packages come from it."""
        self.use(sources, "antelope")
        sources.apply(parse("caracal"))
        assert sources.current == "cloud-archive:antelope"
        machine.forget()
        wanted, other = ("antelope", "caracal") if back else ("caracal", "antelope")
        assert sources.differ_from(parse(wanted))
        assert self.use(sources, wanted)
        assert self.repositories(machine) == [
            [f"cloud-archive:{wanted}"],
            ["--remove", f"cloud-archive:{other}"],
        ]
        assert not sources.differ_from(parse(wanted))

    @pytest.mark.parametrize(("series", "release"), [("jammy", "yoga"), ("noble", "caracal")])
    def test_own_release_is_the_distributions(
        self, machine: Machine, sources: Sources, series: str, release: str
    ) -> None:
        """No cloud archive has the release that the distribution itself brings."""
        machine.host.write("/etc/os-release", f"ID=ubuntu\nVERSION_CODENAME={series}\n")
        for text in (release, f"cloud:{series}-{release}"):
            assert not sources.differ_from(parse(text))
            assert not self.use(sources, text)
        assert sources.differ_from(parse(f"{release}/proposed"))
        assert sources.differ_from(parse(f"cloud:focal-{release}"))
        assert self.repositories(machine) == []

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
