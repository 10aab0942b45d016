"""Units that come, go, are refreshed, and the loss of the one that leads."""

from __future__ import annotations

import jubilant
from jujulab.files import REPOSITORY
from jujulab.juju import pack
from jujulab.trials.deployment import Deployment
from jujulab.trials.observe import parse_crm_mon
from operating import VIPS, Operator, wait_until

TAKES = 300


def members(operator: Operator, avoid: str = "") -> dict[str, str]:
    """State of each node of the cluster, as a unit sees it that is not on the machine to avoid."""
    machines = operator.machines("masakari").values()
    member = next(m for m in machines if m.id != avoid and m.state == "on")
    reply = member.run(["crm_mon", "--output-as=xml"], timeout=20, check=False)
    return dict(parse_crm_mon(reply.stdout).nodes) if reply.returncode == 0 else {}


def units(operator: Operator) -> set[str]:
    """Units of masakari, be it that their machines are still to come."""
    return set(operator.juju.status().get_units("masakari"))


def everyone_answers(operator: Operator) -> bool:
    return all(operator.answers(address) for address in VIPS.values())


def test_a_refresh_restarts_nothing(operator: Operator) -> None:
    operator.settle()
    before = operator.starts()
    for application in ("masakari", "masakari-monitors", "pacemaker-remote"):
        cache = operator.demo.lab.cache / "charms"
        path = pack.pack(REPOSITORY / "charms" / application, cache)
        revision = operator.juju.status().apps[application].charm_rev
        operator.juju.refresh(application, path=path)

        def refreshed(application: str = application, revision: int = revision) -> bool:
            return operator.juju.status().apps[application].charm_rev != revision

        wait_until(f"{application} is refreshed", refreshed, 60)
    operator.settle()
    assert operator.restarted(before) == set()


def test_the_leaders_machine_is_lost(operator: Operator, on_duty: Deployment) -> None:
    lost = operator.leader("masakari")
    machine = operator.machines("masakari")[lost]
    hostname = machine.hostname
    machine.power_off()
    try:
        wait_until(
            "another unit leads",
            lambda: operator.leader("masakari") not in ("", lost),
            TAKES,
        )
        wait_until("the API answers at each address", lambda: everyone_answers(operator), TAKES)
        operator.action("masakari/leader", "create-segment", name="rack2")
        assert "rack2" in operator.openstack("openstack segment list")
        operator.action("masakari/leader", "delete-segment", name="rack2")
        assert "rack2" not in str(operator.action("masakari/leader", "list-segments"))
    finally:
        machine.power_on()
    operator.settle(TAKES)
    wait_until(
        "the member is back",
        lambda: members(operator, machine.id).get(hostname) == "online",
        TAKES,
    )
    assert everyone_answers(operator)


def test_a_unit_is_added_and_removed(operator: Operator, on_duty: Deployment) -> None:
    before = units(operator)
    # As the README says: else the new member may begin with a part of the others, and stay apart.
    operator.juju.config("hacluster", {"cluster_count": 4})
    operator.juju.add_unit("masakari", to="lxd:0")
    wait_until("there is one more", lambda: len(units(operator)) == 4, 60)
    operator.settle(TAKES)
    (added,) = units(operator) - before
    machine = operator.machines("masakari")[added]
    hostname, address = machine.hostname, str(machine.addresses["internal"].ip)
    wait_until("it is a member", lambda: members(operator).get(hostname) == "online", TAKES)
    assert operator.answers(address)
    operator.juju.config("hacluster", {"cluster_count": 3})
    operator.juju.remove_unit(added)
    wait_until("it is gone", lambda: added not in units(operator), TAKES)
    # charm-hacluster leaves its vote: with one machine less, the cluster would have no quorum.
    wait_until(
        "its vote is missed",
        lambda: "4 votes of 3 members" in operator.leader_says("masakari"),
        TAKES,
    )
    next(iter(operator.machines("masakari").values())).run(["corosync-cfgtool", "-R"])
    operator.settle(TAKES)
    wait_until("the cluster forgets it", lambda: hostname not in members(operator), TAKES)
    for left in operator.machines("masakari").values():
        assert address not in left.run(["cat", "/etc/haproxy/haproxy.cfg"]).stdout
    assert everyone_answers(operator)
    assert jubilant.all_active(operator.juju.status())
