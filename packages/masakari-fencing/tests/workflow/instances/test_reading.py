"""How the places of instances are read, and how few requests that costs."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from masakari_fencing.openstack.images import Images
from masakari_fencing.openstack.restart_order import GROUP_KEY, PRIORITY_KEY, SOURCES, Place
from masakari_fencing.openstack.scope import Scope, parse
from masakari_fencing.workflow.instances.reading import Reading


class Glance:
    """Glance behind a session of keystoneauth1, and the novaclient with that session."""

    def __init__(self, images: dict[str, dict[str, Any]], code: int = 200) -> None:
        self.images, self.code = images, code
        self.asked: list[str] = []
        self.filters: list[Any] = []
        self.aggregates: Any = None
        self.get_project_id: Any = None
        self.client = SimpleNamespace(session=self, region_name="RegionOne", interface="public")

    def request(self, url: str, method: str, **options: Any) -> Any:
        self.asked.append(url)
        self.filters.append(options["endpoint_filter"])
        found = self.images.get(url.rpartition("/")[2])
        text = json.dumps(found or {"message": "no"})
        code = self.code if found is not None else 404
        body = {"text": text, "json": lambda: json.loads(text)}
        return SimpleNamespace(status_code=code, headers={}, **body)


def server(uuid: str, **attributes: Any) -> SimpleNamespace:
    return SimpleNamespace(id=uuid, **({"metadata": {}} | attributes))


IMAGES = {"i1": {"id": "i1", "tags": [], GROUP_KEY: "db"}, "i2": {"id": "i2"}}


def test_each_image_is_asked_for_once_however_many_instances_there_are() -> None:
    glance = Glance(IMAGES)
    servers = [server(f"g{n}", image={"id": f"i{1 + n % 2}"}) for n in range(100)]
    found = Reading(glance).places(servers, SOURCES)
    assert sorted(glance.asked) == ["/v2/images/i1", "/v2/images/i2"]
    expected = {"service_type": "image", "region_name": "RegionOne", "interface": "public"}
    assert glance.filters[0] == expected
    assert found["g0"] == Place(group="db") and found["g1"] == Place()


def test_what_stands_in_the_server_itself_costs_no_request() -> None:
    glance = Glance(IMAGES)
    flavor = {"original_name": "m1", "extra_specs": {PRIORITY_KEY: "7"}}
    image = {"id": "i1"}
    servers = [
        server("all", metadata={GROUP_KEY: "web"}, flavor=flavor, image=image),
        server("volume", flavor=flavor, image=""),
        server("old", flavor={"id": "1"}, image=None),
        server("odd", metadata=None, flavor="m1", image=["i1"]),
    ]
    found = Reading(glance).places(servers, SOURCES)
    assert found["all"] == Place(7, "web")
    assert found["volume"] == Place(7)
    assert found["old"] == found["odd"] == Place()
    assert glance.asked == []


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("server",), Place(1, "a")),
        (("flavor",), Place(2, "b")),
        (("image",), Place(group="db")),
        ((), Place()),
    ],
)
def test_an_operator_says_where_is_looked(sources: tuple[str, ...], expected: Place) -> None:
    one = server(
        "g1",
        metadata={PRIORITY_KEY: "1", GROUP_KEY: "a"},
        flavor={"extra_specs": {PRIORITY_KEY: "2", GROUP_KEY: "b"}},
        image={"id": "i1"},
    )
    glance = Glance(IMAGES)
    assert Reading(glance).places([one], sources)["g1"] == expected
    assert bool(glance.asked) == ("image" in sources)


@pytest.mark.parametrize("code", [500, 403])
def test_an_image_that_cannot_be_read_is_noted_and_nothing_else(code: int) -> None:
    glance = Glance(IMAGES, code)
    one = server("g1", metadata={PRIORITY_KEY: "9"}, image={"id": "i1"})
    found = Reading(glance).places([one, server("g2", image={"id": "gone"})], SOURCES)
    assert (found["g1"].priority, found["g1"].group) == (9, "")
    assert "image i1 cannot be read" in found["g1"].notes[0]
    assert "image gone cannot be read" in found["g2"].notes[0]


def test_a_slow_glance_is_given_up() -> None:
    moments = iter([0.0, 1.0, *[100.0] * 50])
    glance = Glance({f"i{n}": {} for n in range(9)} | IMAGES)
    servers = [server(f"g{n}", image={"id": f"i{n}"}) for n in range(9)]
    found = Reading(glance, clock=lambda: next(moments)).places(servers, SOURCES)
    assert len(glance.asked) == 1
    assert sum("no answer within 3 s" in " ".join(one.notes) for one in found.values()) == 8


def test_the_client_takes_over_what_novaclient_has() -> None:
    adapter = SimpleNamespace(session="session", region_name=None, interface="internal")
    found = Images.beside(SimpleNamespace(client=adapter))
    assert found._filter == {"service_type": "image", "interface": "internal"}


def objections(nova: Any, rules: str, *servers: Any) -> dict[str, str]:
    found = Scope(never=parse(rules), amphorae=False)
    return Reading(nova).objections(servers, found, "node1.maas")


AMPHORA = "amphora-01234567-89ab-cdef-0123-456789abcdef"


def test_who_is_left_alone_by_what_stands_in_the_server_costs_no_request() -> None:
    glance = Glance(IMAGES)
    left = objections(
        glance,
        "name:x-*, metadata:spare, flavor:gold=no",
        server("named", name="x-1", image={"id": "i1"}),
        server("said", metadata={"spare": "true"}),
        server("specs", flavor={"extra_specs": {"gold": "no"}}),
        server("other", name="x", tenant_id="p1"),
    )
    assert sorted(left) == ["named", "said", "specs"]
    assert glance.asked == []


def test_images_and_aggregates_are_asked_for_once_and_where_a_rule_needs_them() -> None:
    glance = Glance({"i1": {"tags": ["octavia"]}, "i2": {"pet": "false"}})
    asked = []

    def aggregates() -> list[Any]:
        asked.append(1)
        one = SimpleNamespace(metadata={"lab": "yes"}, hosts=["node2.maas"])
        return [one, SimpleNamespace(metadata={"tier": "b"}, hosts=["node1.maas", "node2.maas"])]

    glance.aggregates = SimpleNamespace(list=aggregates)
    servers = [server(f"g{n}", image={"id": f"i{1 + n % 3}"}) for n in range(9)]
    left = objections(glance, "image-tag:octavia, image:pet=false, aggregate:lab", *servers)
    assert sorted(left) == ["g0", "g1", "g3", "g4", "g6", "g7"], "i3 is not to be had"
    assert len(asked) == 1 and len(glance.asked) == 3
    assert sorted(objections(glance, "aggregate:tier=b", *servers)) == [s.id for s in servers]
    glance.aggregates = SimpleNamespace(list=lambda: 1 / 0)
    assert objections(glance, "aggregate:tier=b", *servers) == {}


@pytest.mark.parametrize(("project", "left"), [("own", True), ("a-user", False)])
def test_an_amphora_is_known_by_its_name_and_the_project_of_the_services(
    project: str, left: bool
) -> None:
    glance = Glance(IMAGES)
    glance.get_project_id = lambda: "own"
    one = server("g1", name=AMPHORA, tenant_id=project)
    assert bool(objections(glance, "", one, server("g2", name="amphora"))) is left
