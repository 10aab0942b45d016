"""The faults that the benchmark measures, and with which configurations."""

from dataclasses import dataclass

OURS, UPSTREAM, FLOOR = "ours", "upstream", "floor"
"""With whose configuration, or by hand (see `floor`)."""

POWER_ONLY = "power only"
"""Ours where the disks are on Ceph, without the storage as a second fence."""

ALL = (OURS, FLOOR, UPSTREAM, POWER_ONLY)


@dataclass(frozen=True)
class Scenario:
    """One kind of fault.

    Attributes:
        title: for people.
        guests: how many are on the hypervisor.
        role: what its machine carries besides; empty for nothing.
        modes: with which configurations it is measured.
        matrix: Consul watches the networks, and only that of the storage is cut.
        floor: the scenario whose floor is this one's, too; empty: its own, if it has any.
        plain: the scenario that it is a worse case of, and is held against; empty: none.
        loses: what all recoveries share and this one loses when the first instance is rebuilt:
            ``engines``, ``broker``, ``database``; empty for nothing. See `losses`.
        controller: what its power controller does: it is ``quick``, ``slow``, or dies with its
            machine (``mute``). Other than quick ones are measured where the disks are on Ceph.
    """

    title: str
    guests: int = 3
    role: str = ""
    modes: tuple[str, ...] = (OURS,)
    matrix: bool = False
    floor: str = ""
    plain: str = ""
    controller: str = "quick"
    loses: str = ""

    def applies(self, mode: str, storage: str) -> bool:
        """Whether it can be measured with a configuration, where the disks are on some storage."""
        needs_ceph = mode == POWER_ONLY or self.controller != "quick"
        return mode in self.modes and (storage == "ceph" or not needs_ceph)


SCENARIOS = {
    "power": Scenario("power cut, 3 guests", modes=ALL),
    "connection": Scenario(
        "... with the member that watches it", role="connection", floor="power"
    ),
    "dc": Scenario("... with Pacemaker's controller", role="dc", floor="power"),
    "vip": Scenario("... with the API's virtual addresses", role="vip", floor="power"),
    "leader": Scenario("... with Juju's leader", role="leader", floor="power"),
    "many": Scenario("power cut, 20 guests", guests=20, modes=(OURS, FLOOR)),
    "qemu": Scenario("a guest's QEMU killed", modes=(OURS, FLOOR, UPSTREAM)),
    "unpowered": Scenario(
        "power and its controller lost, 3 guests", floor="power", plain="power", controller="mute"
    ),
    "slow": Scenario(
        "power cut, its controller needs 10 s to say so, 3 guests",
        modes=(OURS, POWER_ONLY),
        floor="power",
        plain="power",
        controller="slow",
    ),
    "engines": Scenario(
        "... every masakari-engine is killed in the middle", floor="power", loses="engines"
    ),
    "broker": Scenario("... the broker restarts in the middle", floor="power", loses="broker"),
    "database": Scenario(
        "... the database is away for 12 s in the middle", floor="power", loses="database"
    ),
    "storage": Scenario(
        "storage network cut, 3 guests",
        role="member",
        modes=(OURS, UPSTREAM),
        matrix=True,
        floor="power",
    ),
}
"""The floor of a power cut is that of a cut of one network, too: what is done then is the same."""
