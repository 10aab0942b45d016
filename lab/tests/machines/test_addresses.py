from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jujulab.machines import addresses
from jujulab.machines.addresses import MachineId


@pytest.mark.parametrize(
    ("text", "hostname", "fqdn", "parent", "slug"),
    [
        ("0", "node0", "node0.maas", None, "0"),
        ("12", "node12", "node12.maas", None, "12"),
        ("1/lxd/0", "juju-lab-1-lxd-0", "juju-lab-1-lxd-0.maas", "1", "1-lxd-0"),
    ],
)
def test_names_follow_from_the_identifier(text, hostname, fqdn, parent, slug):
    machine = MachineId.parse(text)
    assert str(machine) == text
    assert (machine.hostname, machine.fqdn, machine.parent, machine.slug) == (
        hostname,
        fqdn,
        parent,
        slug,
    )


@pytest.mark.parametrize(
    "text", ["", "a", "-1", "01", "1/lxd", "1/lxd/", "1/lxd/01", "1/kvm/0", "1/lxd/0/lxd/0", "1\n"]
)
def test_what_is_no_identifier_is_refused(text):
    with pytest.raises(ValueError, match="no machine identifier"):
        MachineId.parse(text)


def test_a_node_without_an_address_is_refused():
    assert MachineId.parse("89").host_part(()) == 99
    with pytest.raises(ValueError, match="90 nodes"):
        MachineId.parse("90")


@given(st.sets(st.integers(100, 249)))
def test_a_container_gets_the_lowest_free_part_or_none(taken):
    container = MachineId(1, 0)
    if len(taken) == 150:
        with pytest.raises(ValueError, match="no address is left"):
            container.host_part(taken)
        return
    part = container.host_part(taken)
    assert part in range(100, 250)
    assert part not in taken
    assert all(lower in taken for lower in range(100, part))


def test_a_machine_has_the_same_host_part_in_every_space():
    found = addresses.addresses(11)
    assert list(found) == ["public", "admin", "internal", "storage", "tenant"]
    assert str(found["public"]) == "10.77.1.11/24"
    assert str(found["tenant"]) == "10.77.5.11/24"


def test_the_gateway_is_the_first_address():
    assert addresses.gateway("admin") == IPv4Address("10.77.2.1")


def test_spaces_are_checked_and_ordered():
    assert addresses.check_spaces(["tenant", "public"]) == ("public", "tenant")
    assert addresses.check_spaces([]) == tuple(addresses.SPACES)
    with pytest.raises(ValueError, match="no space dmz, office; there are public"):
        addresses.check_spaces(["office", "public", "dmz"])
