import json

import pytest
from jujulab.machines.addresses import SPACES, addresses
from jujulab.machines.network import Network, NetworkError, group, mac, port


class Iproute:
    """Knows namespaces (as files, like ip) and the interfaces in the bridges' namespace."""

    def __init__(self, folder):
        self.folder = folder
        self.interfaces = {"lo"}
        self.batches = {}
        self.fail = False

    def __call__(self, argv, text):
        match argv:
            case ["ip", "netns", "add", name]:
                (self.folder / name).write_text("namespace")
            case ["ip", "netns", "del", name]:
                (self.folder / name).unlink()
            case ["ip", "-netns", name, "-json", "link", "show"]:
                path = self.folder / name
                if not path.exists() or path.read_text() != "namespace":
                    raise NetworkError("Invalid argument")
                return json.dumps([{"ifname": name} for name in self.interfaces])
            case ["ip", "-netns", name, "-force", "-batch", "-"]:
                self.batches.setdefault(name, []).extend(text.splitlines())
            case _:
                raise AssertionError(argv)
        return ""


@pytest.fixture
def iproute(tmp_path):
    return Iproute(tmp_path)


@pytest.fixture
def network(iproute):
    return Network("lab", iproute, iproute.folder)


def test_port_names_fit_the_kernel():
    assert port("1-lxd-0", "internal") == "1-lxd-0.int"
    assert len(port("89-lxd-149", "public")) <= 15
    assert len({port("0", space) for space in SPACES}) == len(SPACES)


def test_every_machine_has_a_group_of_its_own():
    slugs = ["0", "1", "10", "0-lxd-0", "0-lxd-1", "1-lxd-0", "10-lxd-0", "1-lxd-998"]
    assert len({group(slug) for slug in slugs} | {0}) == len(slugs) + 1


def test_up_makes_a_bridge_with_an_address_per_space(network, iproute):
    network.up()
    lines = iproute.batches["lab"]
    for space, subnet in SPACES.items():
        assert f"link add {space} type bridge stp_state 0 forward_delay 0" in lines
        assert f"addr replace {subnet.network_address + 1}/24 dev {space}" in lines
        own = mac(subnet.network_address + 1)
        assert f"link set {space} address {own} up" in lines, "it stays when a port goes"


def test_up_again_adds_only_the_missing_bridge(network, iproute):
    network.up()
    iproute.batches.clear()
    iproute.interfaces |= set(SPACES) - {"storage"}
    network.up()
    added = [line for line in iproute.batches["lab"] if line.startswith("link add")]
    assert added == ["link add storage type bridge stp_state 0 forward_delay 0"]


def test_up_replaces_what_an_interrupted_ip_left(network, iproute):
    (iproute.folder / "lab").touch()
    network.up()
    assert (iproute.folder / "lab").read_text() == "namespace"


def test_attach_connects_every_space_but_the_cut_ones(network, iproute):
    network.up()
    network.attach("1", addresses(11), cut={"storage"})
    outside, inside = iproute.batches["lab"], iproute.batches["lab.1"]
    assert (
        "link add 1.int type veth peer name internal address 02:00:0a:4d:03:0b netns lab.1"
        in outside
    )
    assert f"link set 1.sto master storage group {group('1')}" in outside
    assert "link set 1.int up" in outside
    assert "link set 1.sto up" not in outside
    assert "addr add 10.77.3.11/24 dev internal" in inside
    assert network.machines() == {"1"}


def test_detach_frees_the_names_of_the_cables_at_once(network, iproute):
    network.up()
    network.attach("1", addresses(11))
    iproute.interfaces |= {"1.int", "1.pub", "11.pub", "internal"}
    iproute.batches.clear()
    network.detach("1")
    number = group("1")
    assert iproute.batches["lab"] == [
        f"link set 1.int group {number}",
        f"link set 1.pub group {number}",
        f"link del group {number}",
    ]
    assert network.machines() == set()


def test_plugging_skips_machines_that_are_off(network, iproute):
    network.up()
    network.attach("1", addresses(11))
    iproute.batches.clear()
    network.plug(["1", "2"], ["public", "tenant"], connected=False)
    assert iproute.batches["lab"] == ["link set 1.pub down", "link set 1.ten down"]


def test_down_leaves_other_labs_alone(network, iproute):
    for name in ("lab", "lab.1", "lab.1-lxd-0", "lab-a1b2c3", "lab-a1b2c3.1", "laboratory"):
        (iproute.folder / name).touch()
    network.down()
    left = {path.name for path in iproute.folder.iterdir()}
    assert left == {"lab-a1b2c3", "lab-a1b2c3.1", "laboratory"}
