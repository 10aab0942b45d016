"""The simulated APIs answer as the real ones do, and what asks them is measured and shown."""

from __future__ import annotations

import itertools
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jujulab.errors import LabError
from jujulab.scale import __main__ as scale
from jujulab.scale import wide
from jujulab.scale.cloud import INSTANCES, Cloud, NoSuchError, entries
from jujulab.scale.recorded import MEMBERS, NO_SUCH, Recorded
from jujulab.scale.served import Served

SIZE = 2500


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud(SIZE, "http://cloud")


def get(cloud: Cloud, path: str, **query: str) -> Any:
    return cloud.answer("GET", path, {key: [value] for key, value in query.items()})


def pages(cloud: Cloud, path: str, key: str, **query: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages as Masakari's and Nova's clients ask for them."""
    found = get(cloud, path, **query)[key]
    while found:
        yield found
        found = get(cloud, path, **query, marker=str(found[-1]["id"]))[key]


def test_each_host_is_in_one_segment_and_the_large_one_has_pages(cloud: Cloud) -> None:
    segments = list(itertools.chain(*pages(cloud, "/v1/segments", "segments")))
    found = [list(pages(cloud, f"/v1/segments/{s['uuid']}/hosts", "hosts")) for s in segments]
    assert [len(page) for page in found[0]] == [1000, 250]
    names = [host["name"] for listed in found for page in listed for host in page]
    assert len(names) == len(set(names)) == SIZE


def test_hypervisors_come_by_the_thousand_or_by_their_names(cloud: Cloud) -> None:
    path = "/compute/os-hypervisors/detail"
    assert [len(page) for page in pages(cloud, path, "hypervisors")] == [1000, 1000, 500]
    one = get(cloud, path, hypervisor_hostname_pattern="node2500.maas")["hypervisors"]
    assert [item["service"]["host"] for item in one] == ["node2500.maas"]
    with pytest.raises(NoSuchError):
        get(cloud, path, hypervisor_hostname_pattern="another")


def test_servers_come_by_the_thousand_and_say_whether_there_are_more(cloud: Cloud) -> None:
    path, found, marker = "/compute/servers/detail", [], {}
    while True:
        page = get(cloud, path, all_tenants="1", limit="2000", **marker)
        found += page["servers"]
        assert len(page["servers"]) == 1000
        if "servers_links" not in page:
            break
        marker = {"marker": found[-1]["id"]}
    assert len({one["id"] for one in found}) == SIZE * INSTANCES
    own = get(cloud, path, host="node7.maas")["servers"]
    assert [one["id"] for one in own] == [
        one["id"] for one in found if one["OS-EXT-SRV-ATTR:host"] == "node7.maas"
    ]
    assert len(own) == INSTANCES
    assert get(cloud, path, host="another")["servers"] == []


def test_services_and_notifications_are_found_by_what_is_asked_for(cloud: Cloud) -> None:
    services = get(cloud, "/compute/os-services", binary="nova-compute")["services"]
    assert len(services) == SIZE
    one = get(cloud, "/compute/os-services", host="node3.maas")["services"]
    assert [item["host"] for item in one] == ["node3.maas"]
    host = get(cloud, "/v1/notifications", limit="1")["notifications"][0]["source_host_uuid"]
    own = get(cloud, "/v1/notifications", source_host_uuid=host, type="COMPUTE_HOST")
    assert len(own["notifications"]) == 1
    assert get(cloud, "/v1/notifications", status="running")["notifications"] == []


def test_aggregates_and_groups_know_only_what_there_is(cloud: Cloud) -> None:
    names = {item["host"] for item in get(cloud, "/compute/os-services")["services"]}
    found = get(cloud, "/compute/os-aggregates")["aggregates"]
    zoned = [h for one in found if "availability_zone" in one["metadata"] for h in one["hosts"]]
    assert len(zoned) == len(set(zoned)) == SIZE
    assert {host for one in found for host in one["hosts"]} <= names
    groups = get(cloud, "/compute/os-server-groups", offset="0")["server_groups"]
    assert all(len(set(group["members"])) == 3 for group in groups)
    assert entries({"server_groups": groups, "more": []}) == len(groups)


@pytest.fixture
def served() -> Iterator[Served]:
    server = Served(4)
    yield server
    server.close()


def ask(url: str, method: str = "GET") -> tuple[int, Any]:
    request = urllib.request.Request(url, method=method)  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_what_is_asked_is_counted_and_some_of_it_fails(served: Served) -> None:
    code, found = ask(f"{served.url}/MAAS/api/2.0/machines/?hostname=node1&hostname=node2")
    assert (code, [one["hostname"] for one in found]) == (200, ["node1", "node2"])
    counted = ask(f"{served.url}/counted")[1]
    assert counted["requests"] == 1
    assert 40000 < counted["bytes"] < 50000, "20 KiB of each machine"
    assert ask(f"{served.url}/nowhere")[0] == 404
    assert ask(f"{served.url}/compute/os-services/x", "PUT")[0] == 200
    ask(f"{served.url}/set?errors=0.5")
    codes = [ask(f"{served.url}/v1/segments")[0] for _ in range(40)]
    assert set(codes) == {200, 503}
    assert ask(f"{served.url}/v3/auth/tokens", "POST")[0] == 201, "a login never fails"


def test_the_cluster_shows_who_is_lost_and_each_recovery() -> None:
    runner = Recorded(300, "http://cloud", lost=2)
    status = runner.run(["crm_mon"]).stdout
    assert status.count('unclean="true"') == status.count("<failure ") == 2
    assert runner.run(["crm_node", "--name"]).stdout == f"{MEMBERS[0]}\n"
    text = runner.run(["cibadmin", "--query"]).stdout
    assert text.count('<cluster_property_set id="masakari-fencing-recovery-') == 3
    device = ["cibadmin", "--query", "--xpath", "//primitive[@id='st-power']"]
    assert 'value="http://cloud/MAAS"' in runner.run(device).stdout
    device[-1] = "//primitive[@id='another']"
    assert runner.run(device).returncode == NO_SUCH


@pytest.mark.timeout(300)
def test_every_part_is_measured() -> None:
    """Size 8 takes a moment; one whose figures are missing has failed."""
    found = wide.one(8, wide.Manners(0.0, 0.0))
    assert len(found) > 15
    for part, figures in found.items():
        assert figures.keys() == wide.TITLES.keys(), part
    assert found["fence agent: one machine's power"]["requests"] == 2
    assert found["engine: one host's instances"]["requests"] == 3


def test_the_tables_have_a_column_for_each_size() -> None:
    figures = dict.fromkeys(wide.TITLES, 1.0)
    text = wide.tables({300: {"a": figures}, 1000: {"a": figures, "b": {}}})
    assert len(text.split("\n\n")) == len(wide.TITLES)
    assert "      300     1000   grows" in text
    assert wide.tables({}) == ""


def test_an_interruption_shows_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def one(size: int, manners: wide.Manners, only: str) -> wide.Figures:
        if size > 8:
            raise KeyboardInterrupt
        return {"a": dict.fromkeys(wide.TITLES, 1.0)}

    monkeypatch.setattr(wide, "one", one)
    assert "        8   grows" in wide.measure([300, 8], wide.Manners())


def test_the_apis_need_neither_root_nor_an_image(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(scale.image, "path", lambda: Path("/nowhere"))
    monkeypatch.setattr(wide, "measure", lambda *given: asked.append(given) or "tables")
    monkeypatch.setattr(sys, "argv", ["scale", "--apis", "300", "1000", "--latency", "5"])
    assert scale.main() == 0
    assert asked == [([300, 1000], wide.Manners(5.0, 1.0), "")]
    assert "tables" in capsys.readouterr().out


def test_what_cannot_be_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*given: object) -> str:
        raise LabError("not over after 3600 s")

    monkeypatch.setattr(wide, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["scale", "--apis", "300"])
    with pytest.raises(SystemExit, match="scale: not over after 3600 s"):
        scale.main()


@pytest.mark.parametrize("words", [["--latency=-1"], ["--latency=soon"], ["--errors=50"]])
def test_manners_that_make_no_sense_are_refused(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["scale", "--apis", "300", *words])
    with pytest.raises(SystemExit) as refusal:
        scale.main()
    assert refusal.value.code == 2
