"""How the places of instances are read, and how few requests that costs."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from masakari_fencing.openstack.images import Images
from masakari_fencing.openstack.restart_order import GROUP_KEY, PRIORITY_KEY, SOURCES, Place
from masakari_fencing.workflow.instances import places


class Glance:
    """Glance behind a session of keystoneauth1, and the novaclient with that session."""

    def __init__(self, images: dict[str, dict[str, Any]], code: int = 200) -> None:
        self.images, self.code = images, code
        self.asked: list[str] = []
        self.filters: list[Any] = []
        self.client = SimpleNamespace(session=self, region_name="RegionOne", interface="public")

    def request(self, url: str, method: str, **options: Any) -> Any:
        self.asked.append(url)
        self.filters.append(options["endpoint_filter"])
        found = self.images.get(url.rpartition("/")[2])
        text = json.dumps(found or {"message": "no"})
        code = self.code if found is not None else 404
        return SimpleNamespace(status_code=code, text=text, json=lambda: json.loads(text))


def server(uuid: str, **attributes: Any) -> SimpleNamespace:
    return SimpleNamespace(id=uuid, **({"metadata": {}} | attributes))


IMAGES = {"i1": {"id": "i1", "tags": [], GROUP_KEY: "db"}, "i2": {"id": "i2"}}


def test_each_image_is_asked_for_once_however_many_instances_there_are() -> None:
    glance = Glance(IMAGES)
    servers = [server(f"g{n}", image={"id": f"i{1 + n % 2}"}) for n in range(100)]
    found = places.of_servers(glance, servers, SOURCES)
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
    found = places.of_servers(glance, servers, SOURCES)
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
    assert places.of_servers(glance, [one], sources)["g1"] == expected
    assert bool(glance.asked) == ("image" in sources)


@pytest.mark.parametrize("code", [500, 403])
def test_an_image_that_cannot_be_read_is_noted_and_nothing_else(code: int) -> None:
    glance = Glance(IMAGES, code)
    one = server("g1", metadata={PRIORITY_KEY: "9"}, image={"id": "i1"})
    found = places.of_servers(glance, [one, server("g2", image={"id": "gone"})], SOURCES)
    assert (found["g1"].priority, found["g1"].group) == (9, "")
    assert "image i1 cannot be read" in found["g1"].notes[0]
    assert "image gone cannot be read" in found["g2"].notes[0]


def test_a_slow_glance_is_given_up() -> None:
    moments = iter([0.0, 1.0, *[100.0] * 50])
    glance = Glance({f"i{n}": {} for n in range(9)} | IMAGES)
    servers = [server(f"g{n}", image={"id": f"i{n}"}) for n in range(9)]
    found = places.of_servers(glance, servers, SOURCES, clock=lambda: next(moments))
    assert len(glance.asked) == 1
    assert sum("no answer within 3 s" in " ".join(one.notes) for one in found.values()) == 8


def test_the_client_takes_over_what_novaclient_has() -> None:
    adapter = SimpleNamespace(session="session", region_name=None, interface="internal")
    found = Images.beside(SimpleNamespace(client=adapter))
    assert found._filter == {"service_type": "image", "interface": "internal"}
