from ipaddress import IPv4Address

from jujulab.machines.root import BEGIN, END, render_hosts
from jujulab.machines.root import HostsEntry as Entry

NODE = Entry(IPv4Address("10.77.3.11"), "node1.maas", "node1")
OTHER = Entry(IPv4Address("10.77.3.100"), "juju-lab-1-lxd-0.maas", "juju-lab-1-lxd-0")


def test_the_full_name_comes_first():
    assert "\n10.77.3.11 node1.maas node1\n" in render_hosts("", [NODE])


def test_an_empty_file_gets_localhost():
    assert render_hosts("", []).startswith("127.0.0.1 localhost\n")


def test_entries_are_in_the_order_of_their_addresses():
    text = render_hosts("", [OTHER, NODE])
    assert text.index("10.77.3.11 ") < text.index("10.77.3.100 ")


def test_what_others_wrote_stays_and_the_block_is_replaced():
    mine = "127.0.0.1 localhost\n"
    first = render_hosts(mine, [NODE, OTHER]) + "10.77.3.250 vip\n"
    second = render_hosts(first, [NODE])
    assert mine in second
    assert "10.77.3.250 vip\n" in second
    assert OTHER.hostname not in second
    assert second.count(BEGIN) == second.count(END) == 1


def test_rendering_again_changes_nothing():
    once = render_hosts("127.0.0.1 localhost", [NODE])
    assert render_hosts(once, [NODE]) == once
