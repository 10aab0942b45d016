"""Which files nova-compute reads, and which of them has the last word."""

import pytest
from instance_ha_common.machine import hostname, nova
from instance_ha_common.testing import fake_host

ON = "[DEFAULT]\nresume_guests_state_on_host_boot = {}\n"
MAIN, COMPUTE = "/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"
SNIPPET, COMPUTES = "/etc/nova/nova.conf.d/50-x.conf", "/etc/nova/nova-compute.conf.d/1.conf"


@pytest.fixture
def host(tmp_path):
    return fake_host(tmp_path)


@pytest.mark.parametrize("value", ["true", "True", "1", "on", "YES"])
@pytest.mark.parametrize("path", [MAIN, COMPUTE, SNIPPET, COMPUTES])
def test_guests_that_are_resumed(host, path, value):
    host.write(path, ON.format(value))
    assert nova.resumes_guests(host) == path


@pytest.mark.parametrize("value", ["false", "False", "0", "off", "", "$other"])
def test_guests_that_are_not(host, value):
    host.write(MAIN, ON.format(value))
    assert nova.resumes_guests(host) is None


def test_without_any_file_they_are_not(host):
    assert nova.resumes_guests(host) is None


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (MAIN, COMPUTE),
        (SNIPPET, MAIN),  # oslo.config reads its own directories before the command line's files
        (SNIPPET, COMPUTES),
        (COMPUTES, COMPUTE),
        (SNIPPET, "/etc/nova/nova.conf.d/60-y.conf"),
    ],
)
def test_the_last_word(host, first, last):
    host.write(first, ON.format("true"))
    host.write(last, ON.format("false"))
    assert nova.resumes_guests(host) is None
    host.write(first, ON.format("false"))
    host.write(last, ON.format("true"))
    assert nova.resumes_guests(host) == last


def test_only_the_first_of_the_directories_of_one_name_counts(host):
    host.write("/etc/nova.conf.d/a.conf", ON.format("true"))
    assert nova.resumes_guests(host) == "/etc/nova.conf.d/a.conf"
    host.write("/etc/nova/nova.conf.d/b.conf", "[DEFAULT]\n")
    assert nova.resumes_guests(host) is None


@pytest.mark.parametrize(
    "text",
    [
        "[DEFAULT]\n# resume_guests_state_on_host_boot = true\n",
        "[libvirt]\nresume_guests_state_on_host_boot = true\n",
        "resume_guests_state_on_host_boot = true\n",
        "not ini",
        f"{ON.format('true')}enabled_apis\n  osapi_compute\n",
        f"{ON.format('true')}resume_guests_state_on_host_boot = 0\n",
    ],
)
def test_what_sets_nothing(host, text):
    host.write(MAIN, text)
    assert nova.resumes_guests(host) is None


def test_the_hosts_name_is_the_one_of_the_last_file(host):
    host.write(MAIN, "[DEFAULT]\nhost = first\n")
    host.write(COMPUTE, "[DEFAULT]\nhost = node1.maas\n")
    assert hostname.nova_host_name(host, expect_nova=True) == "node1.maas"
