"""How many hosts a segment may lose, and who would find no place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from masakari_fencing.openstack import failure_domains

import fakecloud
from fakerooms import RoomyCloud
from preflight import capacity, survey
from preflight.capacity import Survival
from preflight.places import Ground
from preflight.rehearsal import Rules, play

ONE, TWO, THREE = "node1.maas", "node2.maas", "node3.maas"
ALL = (ONE, TWO, THREE)
Stands = Callable[..., Survival]


def stranded(found: Survival) -> list[str]:
    return [move.instance.name for loss in found.losses for move in loss.stranded]


def reason(found: Survival) -> str:
    return found.losses[0].stranded[0].reason


def fill(cloud: RoomyCloud, count: int, *hosts: str, **given: Any) -> None:
    for host in hosts or ALL:
        for number in range(count):
            cloud.boot(host, f"{host[:5]}-{number}", **given)


def test_failure_domains_are_made_out_once_however_many_hosts_there_are(
    cloud: RoomyCloud, stands: Stands, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add_segment("rack1", *ALL)
    fill(cloud, 2)
    made = []
    original = failure_domains.domains

    def domains(kind: failure_domains.Kind, *given: Any) -> dict[str, frozenset[str]]:
        made.append(kind)
        return original(kind, *given)

    monkeypatch.setattr(failure_domains, "domains", domains)
    kinds = failure_domains.parse_kinds("segment, zone")
    assert stands(2, within=kinds).survives == 2
    assert tuple(made) == kinds


def test_with_room_for_one_host_a_segment_stands_one(cloud: RoomyCloud, stands: Stands) -> None:
    cloud.add_segment("rack1", *ALL)
    fill(cloud, 5)  # of 8 that fit by memory
    found = stands()
    assert found.survives == 1
    assert found.losses[0].hosts == [ONE, TWO]
    assert "no host found with 2048 MEMORY_MB, 1 VCPU left" in reason(found)
    assert not capacity.short(found, 1)
    assert capacity.short(found, 2)


def test_a_full_segment_stands_none_and_is_right_again_when_there_is_room(
    cloud: RoomyCloud, stands: Stands
) -> None:
    cloud.add_segment("rack1", *ALL)
    fill(cloud, 8)
    found = stands()
    assert (found.survives, len(found.losses)) == (0, 3)
    assert len(stranded(found)) == 24
    assert capacity.note(found, 1) == (
        "rack1 survives 0 host failures, not 1: without node1.maas no place found for"
        " node1-7, node1-6, node1-5 and 5 more; see the action check"
    )
    assert capacity.note(found, 0) == ""
    cloud.add_hypervisor("node4.maas")
    found = stands()
    assert found.survives == 1
    assert capacity.note(found, 1) == ""


def test_all_hosts_may_not_be_lost(cloud: RoomyCloud, stands: Stands) -> None:
    cloud.add_segment("rack1", *ALL)
    fill(cloud, 1)
    found = stands(most=5)
    assert (found.survives, found.checked, found.hosts) == (2, 3, 3)


def test_a_segment_without_guests_needs_no_room(cloud: RoomyCloud, stands: Stands) -> None:
    cloud.add_segment("rack1", ONE)
    found = stands()
    assert not capacity.short(found, 1)
    assert capacity.described(found) == "rack1: no host has instances to recover"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"status": "disabled"}, "disabled"),
        ({"forced_down": True}, "forced down"),
    ],
)
def test_a_host_that_takes_no_guests_is_no_room(
    cloud: RoomyCloud, stands: Stands, change: dict[str, object], what: str
) -> None:
    cloud.add_segment("rack1", ONE, TWO)
    fill(cloud, 1, ONE)
    for host in (TWO, THREE):
        cloud.services[host].update(change)
    assert stranded(stands()) == ["node1-0"], what


def test_one_host_alone_is_the_worst_for_a_large_guest(cloud: RoomyCloud, stands: Stands) -> None:
    """The fullest host may be recovered where a less full one is not."""
    cloud.add_segment("rack1", *ALL)
    cloud.rooms[THREE] = {"MEMORY_MB": 32768}
    fill(cloud, 8, ONE)
    cloud.boot(THREE, "large", ram=20000)
    found = stands()
    assert [loss.hosts for loss in found.losses] == [[THREE]]
    assert stranded(found) == ["large"]


class TestMethods:
    def test_the_reserved_host_takes_what_fits(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", ONE, TWO, method="reserved_host", reserved=THREE)
        cloud.rooms[THREE] = {"MEMORY_MB": 4096}
        fill(cloud, 3, ONE, TWO)
        found = stands()
        assert found.survives == 0
        assert stranded(found) == ["node1-0", "node2-0"]

    def test_it_is_used_up_by_the_first_failure(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", ONE, TWO, method="reserved_host", reserved=THREE)
        fill(cloud, 1, ONE, TWO)
        found = stands()
        assert found.survives == 1
        assert "has no reserved host that works and is not used up" in reason(found)

    @pytest.mark.parametrize("flag", ["on_maintenance", "down"])
    def test_one_that_does_not_work_is_none(
        self, cloud: RoomyCloud, stands: Stands, flag: str
    ) -> None:
        cloud.add_segment("rack1", ONE, method="reserved_host", reserved=THREE)
        fill(cloud, 1, ONE)
        if flag == "down":
            cloud.reports.discard(THREE)
        else:
            cloud.host_entry(THREE)["on_maintenance"] = True
        assert stands().survives == 0

    @pytest.mark.parametrize("method", ["auto_priority", "rh_priority"])
    def test_both_kinds_of_room_count(
        self, cloud: RoomyCloud, stands: Stands, method: str
    ) -> None:
        cloud.add_segment("rack1", ONE, TWO, method=method, reserved=THREE)
        fill(cloud, 6, ONE, TWO)  # 2 fit on the other one
        assert stands(most=1).survives == 1
        first = _targets(cloud, ONE, method)[0]
        assert first == (TWO if method == "auto_priority" else THREE)

    def test_auto_knows_no_reserved_host(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", ONE, TWO, reserved=THREE)
        fill(cloud, 6, ONE, TWO)
        assert stands().survives == 0


def _targets(cloud: RoomyCloud, host: str, method: str) -> list[str]:
    ground = Ground(survey.take(fakecloud.connect(cloud)))
    [(_, hosts)] = ground.survey.segments
    return [move.target for move in play(ground, [host], method, hosts, Rules())]


class TestConditions:
    def test_zone(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", ONE, TWO)
        cloud.zones = {ONE: "az1", TWO: "az2", THREE: "az1"}
        fill(cloud, 1, ONE, TWO)
        assert stranded(stands(most=1)) == ["node2-0"]

    def test_a_reserved_host_that_is_put_into_the_aggregates(
        self, cloud: RoomyCloud, stands: Stands
    ) -> None:
        cloud.add_segment("rack1", ONE, method="reserved_host", reserved=TWO)
        cloud.zones = {ONE: "az1"}
        fill(cloud, 1, ONE)
        assert stands().survives == 0
        assert stands(any_zone=True).survives == 1

    @pytest.mark.parametrize(
        ("wish", "there", "fits"),
        [
            ("required", True, True),
            ("required", False, False),
            ("forbidden", True, False),
            ("forbidden", False, True),
        ],
    )
    def test_traits(
        self, cloud: RoomyCloud, stands: Stands, wish: str, there: bool, fits: bool
    ) -> None:
        cloud.add_segment("rack1", ONE)
        trait = "HW_CPU_X86_AVX2"
        cloud.traits = {host: [trait] if there else [] for host in (TWO, THREE)}
        fill(cloud, 1, ONE, extra_specs={f"trait:{trait}": wish})
        assert (stands().survives == 1) is fits

    def test_a_guest_larger_than_any_host_has_cpus(
        self, cloud: RoomyCloud, stands: Stands
    ) -> None:
        """Overcommitted CPUs do not help a single guest: Nova's inventory has a `max_unit`."""
        cloud.add_segment("rack1", ONE)
        fill(cloud, 1, ONE, vcpus=17)
        assert stands().survives == 0

    @pytest.mark.parametrize(("project", "fits"), [("p1", False), ("p2", True)])
    def test_hosts_kept_for_a_project(
        self, cloud: RoomyCloud, stands: Stands, project: str, fits: bool
    ) -> None:
        cloud.add_segment("rack1", ONE)
        metadata = {"filter_tenant_id": "p2", "filter_tenant_id3": "p3"}
        cloud.aggregates = [{"hosts": [ONE, TWO, THREE], "metadata": metadata}]
        fill(cloud, 1, ONE, project=project)
        assert (stands().survives == 1) is fits

    def test_a_project_that_has_hosts_of_its_own_goes_nowhere_else(
        self, cloud: RoomyCloud, stands: Stands
    ) -> None:
        cloud.add_segment("rack1", ONE)
        cloud.aggregates = [{"hosts": [ONE], "metadata": {"filter_tenant_id": "p1"}}]
        fill(cloud, 1, ONE)
        assert stands().survives == 0

    def test_volumes_take_no_disk_of_the_host(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", ONE)
        cloud.rooms = {TWO: {"DISK_GB": 5}, THREE: {"DISK_GB": 5}}
        fill(cloud, 1, ONE)
        assert stands().survives == 1
        cloud.servers[0]["image"] = {"id": "i"}
        assert stands().survives == 0

    def test_resources_of_the_flavor_go_before_its_own(
        self, cloud: RoomyCloud, stands: Stands
    ) -> None:
        cloud.add_segment("rack1", ONE)
        specs = {"resources:VCPU": "0", "resources:CUSTOM_LICENSE": "1"}
        fill(cloud, 1, ONE, vcpus=99, extra_specs=specs)
        cloud.rooms = {TWO: {"CUSTOM_LICENSE": 1}}
        assert stands().survives == 1
        cloud.rooms = {ONE: {"CUSTOM_LICENSE": 2}}
        assert stands().survives == 0


class TestGroups:
    def test_anti_affinity(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", *ALL)
        members = [cloud.boot(host, host[:5]) for host in ALL]
        cloud.group("soft-anti-affinity", *members)
        assert stands(most=1).survives == 1
        cloud.group("anti-affinity", *members)
        assert stranded(stands()) == ["node1", "node2", "node3"]
        cloud.groups[-1]["rules"] = {"max_server_per_host": 2}
        assert stands(most=1).survives == 1

    def test_members_that_move_together_count_where_they_come(
        self, cloud: RoomyCloud, stands: Stands
    ) -> None:
        cloud.add_segment("rack1", ONE)
        cloud.group("anti-affinity", *(cloud.boot(ONE, f"m{n}") for n in range(3)))
        assert stranded(stands()) == ["m0"], "two hosts are left for three"

    def test_strict_affinity_keeps_guests_on_the_dead_host(
        self, cloud: RoomyCloud, stands: Stands
    ) -> None:
        """Nova goes by where the others are, on a host that is down, too."""
        cloud.add_segment("rack1", ONE)
        cloud.group("affinity", *(cloud.boot(ONE, f"m{n}") for n in range(2)))
        found = stands()
        assert stranded(found) == ["m1", "m0"]
        assert "on the failed host (affinity)" in reason(found)

    def test_a_group_of_one_goes_anywhere(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", ONE)
        cloud.group("affinity", cloud.boot(ONE, "m"))
        assert stands().survives == 1


class TestWhatIsRecovered:
    def test_without_the_key(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", ONE)
        fill(cloud, 1, ONE, ram=99999)
        assert stands().survives == 0
        assert not capacity.short(stands(everyone=False), 1)
        cloud.servers[0]["metadata"] = {"ha_enabled": "True"}
        assert stands(everyone=False).survives == 0

    def test_in_error(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", ONE)
        fill(cloud, 1, ONE, ram=99999, state="error")
        assert stands().survives == 0
        assert not capacity.short(stands(skip_errors=True), 1)

    def test_those_with_the_key_come_first(self, cloud: RoomyCloud, stands: Stands) -> None:
        cloud.add_segment("rack1", ONE)
        fill(cloud, 16, ONE, ram=2048, vcpus=0)
        cloud.boot(ONE, "late", vcpus=0)
        cloud.servers.append(cloud.servers.pop(0))
        cloud.servers[-1]["metadata"] = {"HA_Enabled": "yes"}
        assert stranded(stands()) == ["node1-0"]


@pytest.mark.parametrize(
    ("specs", "what"),
    [
        ({"hw:numa_nodes": "2"}, "NUMA"),
        ({"hw:mem_page_size": "1GB"}, "huge pages"),
        ({"pci_passthrough:alias": "gpu:1"}, "PCI devices"),
        ({"hw:cpu_policy": "dedicated"}, "pinned CPUs"),
        ({"hw:cpu_policy": "shared"}, ""),
        ({"resources:VGPU": "1"}, "VGPU"),
        ({"resources_net:NET_BW_EGR_KILOBIT_PER_SEC": "1"}, "NET_BW_EGR_KILOBIT_PER_SEC"),
    ],
)
def test_what_placement_cannot_tell_is_said(
    cloud: RoomyCloud, stands: Stands, specs: dict[str, str], what: str
) -> None:
    cloud.add_segment("rack1", ONE)
    fill(cloud, 1, ONE, extra_specs=specs)
    found = stands()
    assert found.survives == 1, "the rest of it is there"
    [*said] = capacity.findings(found, 1)
    assert len(said) == bool(what)
    assert what in "".join(finding.what for finding in said)


def test_cpus_for_pinning_count_where_there_are_any(cloud: RoomyCloud, stands: Stands) -> None:
    cloud.add_segment("rack1", ONE)
    cloud.rooms = {TWO: {"PCPU": 3, "VCPU": 0}, THREE: {"PCPU": 0}}
    specs = {"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate"}
    fill(cloud, 1, ONE, vcpus=2, extra_specs=specs)
    assert stands().survives == 1
    cloud.servers[0]["flavor"]["vcpus"] = 3
    assert stands().survives == 0, "one more for the emulator"


def test_a_cloud_that_is_full_to_the_last_megabyte_has_no_room(
    cloud: RoomyCloud, stands: Stands
) -> None:
    """Placement shows no provider at all then."""
    cloud.add_segment("rack1", ONE, method="reserved_host", reserved=TWO)
    fill(cloud, 8, *ALL)
    assert len(stands().losses[0].stranded) == 8


def test_what_fits_only_when_packed_is_said(cloud: RoomyCloud, stands: Stands) -> None:
    """Nova spreads: the small ones take from the large one what it would need in one piece."""
    cloud.add_segment("rack1", ONE)
    cloud.rooms = {TWO: {"MEMORY_MB": 8192}, THREE: {"MEMORY_MB": 8200}}
    cloud.boot(ONE, "large", ram=8192)
    fill(cloud, 2, ONE, ram=4096)
    found = stands()
    assert stranded(found) == ["large"]
    [said] = capacity.findings(found, 1)
    assert said.what.endswith("(packed tightly they would fit; Nova spreads them)")


def test_names_are_fit_for_a_status(cloud: RoomyCloud, stands: Stands) -> None:
    cloud.add_segment("rack1", ONE)
    cloud.boot(ONE, "x\n\x1b[31m" + "y" * 300, ram=99999)
    [name] = stranded(stands())
    assert name == "x??[31m" + "y" * 33
    assert dataclasses.is_dataclass(stands())
