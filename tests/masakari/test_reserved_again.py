"""A reserved host that was not needed, while Nova does not answer for a moment."""

from __future__ import annotations

from conftest import World
from fencing_nova import HttpError, Server


def test_it_is_given_back_once_nova_answers_again(world: World) -> None:
    """Nobody would do that later: the recovery is over."""
    world.segment.recovery_method = "reserved_host"
    world.segment.save()
    first = world.host("node3.maas")
    first.reserved = True
    first.save()
    world.service("node3.maas").status = "disabled"
    world.add_host("node9.maas", reserved=True)
    world.add(Server("g1"))
    world.power_cut()
    refused: list[str] = []

    def fail(name: str, uuid: str) -> None:
        if name == "evacuate" and name not in refused:
            refused.append(name)
            raise HttpError(409, "passing")
        if name == "disable" and refused.count(name) < 2 and uuid != "s1":
            refused.append(name)
            raise HttpError(503, "busy for a moment")

    world.nova.fail = fail
    assert world.process(world.notify()) == "finished"
    assert refused.count("disable") == 2
    free = {name: world.host(name).reserved for name in ("node3.maas", "node9.maas")}
    used = world.nova.instances["g1"].host
    assert free == {name: name != used for name in free}
    unused = next(name for name in free if name != used)
    assert world.service(unused).status == "disabled"
