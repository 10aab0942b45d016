import os
import threading
from pathlib import Path

import pytest
from jujulab.image import image, layer
from jujulab.machines.lab import Lab, LabError, nova_owner


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A lab with an image that only has a user nova; nothing in it can be started."""
    root = tmp_path / "image"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text(
        f"nova:x:{os.getuid()}:{os.getgid()}::/var/lib/nova:/bin/sh\n"
    )
    monkeypatch.setattr(image, "ensure", lambda cache: root)
    return Lab(tmp_path / "home", tmp_path / "cache")


def test_a_machine_is_created_once_and_found_by_any_name(lab):
    node = lab.create("1")
    assert lab.create("1").addresses == node.addresses
    assert [m.id for m in lab.machines()] == ["1"]
    for name in ("1", "node1", "node1.maas"):
        assert lab.find(name).id == "1"
    assert (node.hostname, node.fqdn, node.parent) == ("node1", "node1.maas", None)
    assert str(node.addresses["internal"]) == "10.77.3.11/24"
    assert node.juju_dir.is_dir()
    assert node.state == "off"
    assert node.boot_id is None


def test_containers_belong_to_their_node_and_get_free_addresses(lab):
    for identifier in ("1", "2", "1/lxd/0", "2/lxd/0", "1/lxd/1"):
        lab.create(identifier)
    assert lab.machine("1").children == ["1/lxd/0", "1/lxd/1"]
    assert lab.machine("1/lxd/0").children == []
    parts = [m.host_part for m in lab.machines()]
    assert sorted(parts) == [11, 12, 100, 101, 102]
    lab.machine("2/lxd/0").destroy()
    assert lab.create("2/lxd/7").host_part == 101


def test_a_lab_keeps_the_storage_that_it_was_made_with(lab, monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_STORAGE", "cephh")
    with pytest.raises(LabError, match="LAB_STORAGE=cephh: there is only ceph"):
        lab._wanted_storage()
    monkeypatch.setenv("LAB_STORAGE", "ceph")
    assert lab._wanted_storage() == "ceph"
    lab.create("1")
    with pytest.raises(LabError, match="made without LAB_STORAGE=ceph: `make clean` first"):
        lab._wanted_storage()
    assert lab.storage == ""


def test_a_storages_packages_are_a_layer_between_the_image_and_the_machine(
    lab, monkeypatch, tmp_path
):
    monkeypatch.setattr(layer, "ensure", lambda name, cache: cache / name)
    lab.create("1")
    (lab.home / "storage").write_text("ceph")
    lab.create("2")
    found = [lab.machine(name)._definition["image"] for name in ("1", "2")]
    image_root = tmp_path / "image"
    assert found == [str(image_root), f"{lab.cache / 'ceph'}:{image_root}"]


def test_machines_come_in_the_order_of_their_numbers(lab):
    for identifier in ("10", "2", "2/lxd/10", "2/lxd/9", "0"):
        lab.create(identifier)
    assert [m.id for m in lab.machines()] == ["0", "2", "2/lxd/9", "2/lxd/10", "10"]


def test_a_container_needs_its_node(lab):
    with pytest.raises(LabError, match="machine 1, on which 1/lxd/0 would be, is none"):
        lab.create("1/lxd/0")
    with pytest.raises(LabError, match="no machine identifier"):
        lab.create("one")


def test_a_container_does_not_start_while_its_node_is_off(lab):
    lab.create("1")
    with pytest.raises(LabError, match="node 1 is off"):
        lab.create("1/lxd/0").start()


@pytest.mark.parametrize("name", ["7", "rubbish", "1/lxd/0"])
def test_an_unknown_machine_is_named(lab, name):
    lab.create("1")
    with pytest.raises(KeyError, match=f"no machine {name}"):
        lab.machine(name)
    with pytest.raises(KeyError, match=f"no machine {name}"):
        lab.find(name)


def test_creating_in_parallel_gives_each_its_own_address(lab):
    lab.create("0")
    threads = [
        threading.Thread(target=lab.create, args=(f"0/lxd/{number}",)) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    parts = {m.host_part for m in lab.machines() if m.parent}
    assert parts == set(range(100, 108))


def test_cuts_are_kept_and_include_containers(lab):
    node, container = lab.create("1"), None
    container = lab.create("1/lxd/0")
    node.cut("storage", "internal")
    node.cut("public")
    assert node.cuts == container.cuts == {"storage", "internal", "public"}
    node.restore("storage")
    assert Lab(lab.home).machine("1").cuts == {"internal", "public"}
    node.restore()
    assert container.cuts == frozenset()
    node.cut("internal", containers=False)
    assert (node.cuts, container.cuts) == ({"internal"}, frozenset())
    with pytest.raises(ValueError, match="no space dmz"):
        node.cut("dmz")


def test_firmware_time_is_kept_and_ends_with_the_power(lab):
    node = lab.create("1")
    assert node.firmware_until is None
    node.firmware_until = 1234.56789
    assert lab.machine("1").firmware_until == 1234.56789
    node.power_off()
    assert node.firmware_until is None


def test_destroying_a_node_takes_its_containers_along(lab):
    node = lab.create("1")
    lab.create("1/lxd/0")
    lab.create("2")
    node.cut()
    node.destroy()
    assert [m.id for m in lab.machines()] == ["2"]
    assert lab.create("1").cuts == frozenset()


def test_labs_with_different_homes_have_different_names(tmp_path):
    default = Lab(Path("/var/lib/juju-lab"))
    one, two = Lab(tmp_path / "one"), Lab(tmp_path / "two")
    assert default.name == "juju-lab"
    assert len({default.name, one.name, two.name}) == 3
    assert one.name == Lab(tmp_path / "one").name


def test_a_directory_of_somebody_else_is_neither_used_nor_removed(lab):
    lab.home.mkdir()
    precious = lab.home / "thesis.tex"
    precious.touch()
    with pytest.raises(LabError, match="not a lab's home directory"):
        lab.create("1")
    with pytest.raises(LabError, match="not a lab's home directory"):
        lab.clean()
    assert precious.exists()


def test_a_directory_that_the_engine_made_first_is_used(lab):
    (lab.home / "run").mkdir(parents=True)
    (lab.home / "logs").mkdir()
    lab.create("1")
    lab.clean()
    assert not lab.home.exists()


def test_the_shared_directory_belongs_to_nova():
    passwd = "root:x:0:0:root:/root:/bin/sh\nnova:x:64060:64061::/var/lib/nova:/bin/sh\n"
    assert nova_owner(passwd) == (64060, 64061)
    with pytest.raises(LabError, match="no user nova"):
        nova_owner("root:x:0:0:root:/root:/bin/sh\n")


def test_a_lab_is_one_programs_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    lab = Lab(tmp_path / "home", tmp_path / "cache")
    with lab.claim():
        with (
            pytest.raises(LabError, match=rf"process {os.getpid()} uses .*LAB_HOME="),
            lab.claim(),
        ):
            pass
        with Lab(tmp_path / "other", tmp_path / "cache").claim():
            pass
    with lab.claim():
        pass


def test_without_root_it_says_so_before_it_does_anything(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    lab = Lab(tmp_path / "home", tmp_path / "cache")
    for use in (lab.up, lab.claim().__enter__):
        with pytest.raises(LabError, match="needs root"):
            use()
    assert list(tmp_path.iterdir()) == []
