"""Who stands in where the designated controller's notifier does not run."""

from __future__ import annotations

import pytest
from fencing_cib import Cib
from fencing_fakes import Cluster
from lxml import etree
from masakari_fencing.notifier import presence
from masakari_fencing.notifier.presence import Presence
from masakari_fencing.notifier.watchers.watcher import Watcher
from masakari_fencing.pacemaker import crm_mon

HERE, OTHER = "juju-1-lxd-0", "juju-2-lxd-0"
NODE = """
<node id="1001" uname="juju-1-lxd-0"><instance_attributes id="nodes-1001">
<nvpair id="nodes-1001-juju-machine" name="juju-machine" value="1/lxd/0"/>
</instance_attributes></node>
"""


class Bench:
    """A member of a cluster of three."""

    def __init__(self) -> None:
        self.cluster = Cluster(dc=HERE)
        self.cib = Cib()
        self.cib.others = self._answer
        self.cib.add(NODE, "configuration/nodes")
        self.before = self.cib.text
        self.presence = Presence(self.cib)

    def _answer(self, argv: list[str]) -> str | int:
        self.cluster.unattended = tuple(self.stopped())
        found = self.cluster.runner.run(argv, check=False)
        return found.returncode or found.stdout

    def stopped(self) -> list[str]:
        """Return the members whose notifier does not run, by the configuration."""
        path = f"//node[instance_attributes/nvpair[@name='{crm_mon.NOTIFIER}']]/@uname"
        return [str(name) for name in self.cib.root.xpath(path)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_ends_and_runs_again(bench: Bench) -> None:
    assert presence.main(bench.cib) == 0
    assert bench.stopped() == [HERE]
    assert "juju-machine" in bench.cib.text
    assert presence.main(bench.cib) == 0, "it may end twice"
    assert bench.presence.check()
    assert bench.cib.text == bench.before
    assert not bench.presence.check()


def test_one_that_runs_asks_once(bench: Bench) -> None:
    for _ in range(3):
        assert not bench.presence.check()
    assert len([argv for argv in bench.cib.calls if argv[0] == "crm_mon"]) == 1


def test_where_there_is_no_quorum_the_others_may_say_something_else(bench: Bench) -> None:
    bench.cluster.quorum = False
    assert not bench.presence.check()
    bench.cluster.quorum = True
    presence.main(bench.cib)
    assert bench.presence.check()


@pytest.mark.parametrize("state", ["no cluster", "no quorum", "no such member"])
def test_what_it_cannot_say(bench: Bench, state: str, caplog: pytest.LogCaptureFixture) -> None:
    if state == "no cluster":
        bench.cib.fail = lambda argv: 102
    elif state == "no quorum":
        bench.cib.quorum(False)
    else:
        nodes = bench.cib.root.find("configuration/nodes")
        nodes.remove(nodes[0])
    assert presence.main(bench.cib) == (0 if state == "no such member" else 1)
    assert bench.stopped() == []
    assert ("Nobody stands in" in caplog.text) is (state != "no such member")


def test_what_was_said_of_one_that_has_left_goes_with_it(bench: Bench) -> None:
    presence.main(bench.cib)
    node = bench.cib.root.find("configuration/nodes/node")
    assert etree.tostring(node).count(b"masakari-fencing-notifier-juju-1-lxd-0") == 2
    bench.cib.root.find("configuration/nodes").remove(node)
    assert not bench.presence.check()


@pytest.mark.parametrize(
    ("unattended", "gone", "first"),
    [
        ((), (), "juju-3-lxd-0"),
        (("juju-3-lxd-0",), (), HERE),
        (("juju-3-lxd-0", HERE), (), OTHER),
        (("juju-3-lxd-0",), (HERE,), OTHER),
        ((HERE, OTHER, "juju-3-lxd-0"), (), "juju-3-lxd-0"),
    ],
)
def test_who_sees_to_what_one_sees_to_for_all(
    unattended: tuple[str, ...], gone: tuple[str, ...], first: str
) -> None:
    cluster = Cluster(dc="juju-3-lxd-0", unattended=unattended, gone=gone)
    status = crm_mon.status(cluster.runner)
    able = []
    for name in cluster.members:
        cluster.runner.on("crm_node --name", f"{name}\n")
        if Watcher(cluster.runner).controls(status):
            able.append(name)
    assert able == [first]
