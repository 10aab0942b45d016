import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from instance_ha_common.machine import hostname
from instance_ha_common.testing import fake_host

KERNEL, CANONICAL = "node1", "node1.maas"


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: KERNEL)
    answer = [(None, None, None, CANONICAL, None)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: answer)
    return fake_host(tmp_path)


def nova(host, text):
    host.write(hostname.NOVA_CONF, text)


def test_the_operators_choice_comes_first(host):
    nova(host, "[DEFAULT]\nhost = other\n")
    assert hostname.nova_host_name(host, override="mine") == "mine"


@pytest.mark.parametrize(
    "text",
    [
        "[DEFAULT]\nhost = node1.cloud\n",
        "# comment\n[DEFAULT]\ndebug=False\nhost=node1.cloud\n[api]\nhost = wrong\n",
        "[api]\nx=1\n[DEFAULT]\nhost = old\n[DEFAULT]\nhost = 'node1.cloud'\n",
        "[DEFAULT]\nflag\nlogging_format = %(asctime)s\nhost: node1.cloud\n",
    ],
)
def test_novas_own_host_option(host, text):
    nova(host, text)
    assert hostname.nova_host_name(host, expect_nova=True) == "node1.cloud"


def test_without_that_option_nova_uses_the_kernels_name(host):
    nova(host, "[DEFAULT]\ntransport_url = rabbit://x\n")
    assert hostname.nova_host_name(host, expect_nova=True) == KERNEL


@pytest.mark.parametrize(
    "text",
    [None, "[DEFAULT]\nmy_ip = 192.0.2.2\n", "not ini at all", "[api]\nhost = x\n", "[DEFAULT\n"],
)
def test_packaged_or_missing_configuration_means_not_yet(host, text):
    if text is not None:
        nova(host, text)
    with pytest.raises(hostname.HostNameNotKnownYet):
        hostname.nova_host_name(host, expect_nova=True)


def test_a_machine_without_nova_has_its_canonical_name(host):
    assert hostname.nova_host_name(host) == CANONICAL


def test_pythons_guess_of_the_full_name_is_not_believed(host, monkeypatch):
    """Nova does not ask `getfqdn`, and where that differs, Nova is right."""
    monkeypatch.setattr(socket, "getfqdn", lambda *args: "guess.example")
    assert hostname.nova_host_name(host) == CANONICAL
    nova(host, "[DEFAULT]\ntransport_url = rabbit://x\n")
    assert hostname.nova_host_name(host) == KERNEL


def test_canonical_name_without_a_resolver(host, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no resolver")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert hostname.canonical_name() == KERNEL
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [(0, 0, 0, "", None)])
    assert hostname.canonical_name() == KERNEL


def test_nonsense_is_refused_with_where_it_is_from(host, monkeypatch):
    nova(host, "[DEFAULT]\nhost = node1; rm -rf\n")
    text = r"^host in /etc/nova/nova.conf is 'node1; rm -rf', not a host name: correct it$"
    with pytest.raises(ValueError, match=text):
        hostname.nova_host_name(host)
    host.write("/etc/nova/nova-compute.conf", "[DEFAULT]\nhost = my host\n")
    with pytest.raises(ValueError, match=r"^host in /etc/nova/nova-compute\.conf is 'my host', "):
        hostname.nova_host_name(host)
    with pytest.raises(ValueError, match=r"^the option that names this host is 'a b', not a host"):
        hostname.nova_host_name(host, override="a b")
    nova(host, "[DEFAULT]\ntransport_url = rabbit://x\n")
    host.remove("/etc/nova/nova-compute.conf")
    monkeypatch.setattr(socket, "gethostname", lambda: "_a.")
    with pytest.raises(ValueError, match=r"^the name of this machine is '_a\.', not a host name"):
        hostname.nova_host_name(host)


@pytest.mark.parametrize("name", ["a", "a.b", "node-1.maas", "x_y", "N1.MAAS"])
def test_valid_names(name):
    assert hostname.is_valid(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        "-a",
        "a-",
        "a b",
        "a'b",
        "a\n",
        "é",
        "a" * 64,
        "a." * 127 + "a",
        "a_",
        "_a",
    ],
)
def test_invalid_names(name):
    assert not hostname.is_valid(name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(text=st.text())
def test_any_content_of_novas_configuration_ends_in_a_name_or_a_known_error(host, text):
    nova(host, text.encode("utf-8", "replace"))
    try:
        name = hostname.nova_host_name(host, expect_nova=True)
    except (ValueError, hostname.HostNameNotKnownYet):
        return
    assert hostname.is_valid(name)
