"""What a look at all hypervisors takes grows with their number, and not with its square."""

from __future__ import annotations

import sys
from collections.abc import Callable

from fencing_fakes import Cluster, Remote
from masakari_fencing.cluster import health
from masakari_fencing.cluster.power import Controllers
from masakari_fencing.maas.client import Machine

SMALL, LARGE = 20, 80
ABLE = (
    '<pacemaker-result api-version="2.25"><list><item>st-maas</item></list>'
    '<status code="0"/></pacemaker-result>'
)


class Maas:
    """Knows a machine of each name."""

    def machines(self, hosts: list[str]) -> list[Machine]:
        return [Machine(one, one.split(".")[0], "on", one, "ipmi") for one in hosts]

    def power_state(self, machine: Machine) -> str:
        return machine.power


def cib(names: list[str]) -> str:
    nodes = "".join(
        f'<node uname="{one}"><instance_attributes>'
        '<nvpair name="juju-machine" value="1"/></instance_attributes></node>'
        for one in names
    )
    connections = "".join(
        f'<primitive id="{one}" class="ocf" provider="pacemaker" type="remote"/>' for one in names
    )
    states = "".join(
        f'<node_state uname="{one}" remote_node="true" node_fenced="0"/>' for one in names
    )
    return (
        f"<cib><configuration><crm_config/><nodes>{nodes}</nodes><resources>"
        '<primitive id="st-maas" class="stonith" type="external/maas"><instance_attributes>'
        f'<nvpair name="hostnames" value="{" ".join(names)}"/></instance_attributes></primitive>'
        f"{connections}</resources></configuration><status>{states}</status></cib>"
    )


def steps(work: Callable[[], object]) -> int:
    """How many functions are called, Python's own included."""
    found = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal found
        found += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def look(number: int) -> int:
    names = [f"node{n}.maas" for n in range(1, number + 1)]
    cluster = Cluster([Remote(one) for one in names])
    text = cib(names)
    cluster.runner.on("cibadmin --query", lambda argv: 105 if "--xpath" in argv else text)
    cluster.runner.on("stonith_admin --list", lambda argv: ABLE)
    found: list[list[health.Problem]] = []

    def inspect() -> None:
        maas = Maas()
        found.append(
            health.inspect(
                cluster.runner,
                maas=lambda url, key: maas,  # type: ignore[arg-type, return-value]
                refused=lambda: None,
                hosts=names,
                controllers=Controllers(maas=lambda url, key: maas),  # type: ignore[arg-type, return-value]
            )
        )

    counted = steps(inspect)
    assert found == [[]]
    return counted


def test_four_times_the_hypervisors_take_four_times_as_long() -> None:
    assert look(LARGE) < 6 * look(SMALL)
