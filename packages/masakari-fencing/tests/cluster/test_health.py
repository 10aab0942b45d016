"""What is said beforehand about hypervisors that could not be fenced."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from fencing_fakes import Cluster, Remote, patient
from masakari_fencing.cluster import health, votes
from masakari_fencing.cluster.health import Problem
from masakari_fencing.cluster.power import DEAD, Controllers
from masakari_fencing.maas.client import Maas, MaasError
from masakari_fencing.records import stopped_fencing

HOST = "node1.maas"
KEY = "consumer:token:s3cret"
NAMED = '<nvpair name="access_file" value="{}"/>'


class FakeMaas:
    """Answers the machines request of MAAS, and only with the right key."""

    def __init__(self) -> None:
        self.machines = {"node1": "on"}
        self.bmc, self.power_type = "on", "ipmi"
        self.status = 200
        self.passing: int | None = None  # how often it answers with that status
        self.requests: list[str] = []
        maas = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                maas.requests.append(self.path)
                right = 'oauth_signature="%26s3cret"' in self.headers["Authorization"]
                over = maas.passing is not None and len(maas.requests) > maas.passing
                status = 200 if over else maas.status
                self.send_response(status if right else 401)
                self.end_headers()
                found = [
                    {
                        "hostname": name,
                        "power_state": state,
                        "power_type": maas.power_type,
                        "system_id": name,
                    }
                    for name, state in maas.machines.items()
                    if f"hostname={name}" in self.path
                ]
                power = {"state": maas.bmc}
                asked = power if "query_power_state" in self.path else found
                self.wfile.write(json.dumps(asked).encode())

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/MAAS"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()


@pytest.fixture
def maas() -> Iterator[FakeMaas]:
    server = FakeMaas()
    yield server
    server.server.shutdown()
    server.server.server_close()


class Checked:
    """A cluster whose hypervisor MAAS fences."""

    def __init__(self, maas: FakeMaas, **remote: object) -> None:
        self.cluster = Cluster([Remote(HOST, **remote)])  # type: ignore[arg-type]
        self.url, self.key, self.hosts = maas.url, KEY, "node1 node1.maas"
        self.agent, self.able, self.meta = "external/maas", ["st-maas"], ""
        self.limit, self.matrix = "0", "false"
        self.unserved = self.own = self.records = ""
        self.record = "".join(
            f'<node uname="{name}"><instance_attributes>'
            '<nvpair name="juju-machine" value="1"/></instance_attributes></node>'
            for name in (HOST, "node1b")
        )
        self.seen = "".join(
            f'<node_state uname="{name}" remote_node="true" node_fenced="0"/>'
            for name in (HOST, "node1b")
        )
        self.hosts_of_segments: list[str] = []
        self.controllers: Controllers | None = None
        runner = self.cluster.runner
        runner.on("cibadmin --query", self._query)
        runner.on("stonith_admin --list", lambda argv: self._able())

    def _query(self, argv: list[str]) -> str | int:
        return self.cluster.operations(argv) if "--xpath" in argv else self._cib()

    def _cib(self) -> str:
        values = {"url": self.url, "apikey": self.key, "hostnames": self.hosts}
        pairs = "".join(f'<nvpair name="{name}" value="{v}"/>' for name, v in values.items())
        return (
            "<cib><configuration><crm_config>"
            f'<cluster_property_set id="masakari-fencing-unserved">{self.unserved}'
            f"</cluster_property_set>{self.records}</crm_config>"
            f"<nodes>{self.record}</nodes><resources>"
            f'<primitive id="st-maas" class="stonith" type="{self.agent}">'
            f"<instance_attributes>{pairs}</instance_attributes></primitive>"
            '<primitive id="st-null" class="stonith" type="null"/>'
            '<primitive id="guard" class="stonith" type="fence_masakari_guard">'
            f'<instance_attributes><nvpair name="max_hosts" value="{self.limit}"/>'
            f'<nvpair name="matrix" value="{self.matrix}"/>{self.own}'
            "</instance_attributes></primitive>"
            f'<primitive id="{HOST}" class="ocf" provider="pacemaker" type="remote">'
            f"<meta_attributes>{self.meta}</meta_attributes></primitive>"
            f"</resources></configuration><status>{self.seen}</status></cib>"
        )

    def _able(self) -> str:
        items = "".join(f'<item name="device">{name}</item>' for name in self.able)
        return (
            f'<pacemaker-result api-version="2.25"><list count="{len(self.able)}">{items}'
            '</list><status code="0"/></pacemaker-result>'
        )

    def problems(self) -> list[Problem]:
        return health.inspect(
            self.cluster.runner,
            maas=patient,
            refused=lambda: None,
            hosts=self.hosts_of_segments,
            controllers=self.controllers,
        )

    def texts(self) -> list[str]:
        found = self.problems()
        assert all(problem.cure for problem in found)
        assert not any("s3cret" in f"{problem}" for problem in found)
        return [f"{problem.node}: {problem.text}".lstrip(": ") for problem in found]


@pytest.fixture
def checked(maas: FakeMaas) -> Checked:
    return Checked(maas)


def test_all_is_well(checked: Checked, maas: FakeMaas) -> None:
    assert checked.texts() == []
    assert maas.requests == ["/MAAS/api/2.0/machines/?hostname=node1"]


def test_the_key_that_fences_is_the_one_that_is_tried(
    checked: Checked, maas: FakeMaas, tmp_path: Path
) -> None:
    file = tmp_path / "maas.json"
    checked.key = "none:none:none"
    checked.own = f'<nvpair name="device" value="st-maas"/>{NAMED.format(file)}'
    (problem,) = checked.problems()
    assert "refuses the API key" in problem.text, "without the file the device's is used"
    file.write_text(json.dumps({"url": maas.url, "key": KEY}))
    assert checked.texts() == []
    file.write_text(json.dumps({"url": maas.url, "key": "x:y:z"}))
    (problem,) = checked.problems()
    assert problem.cure == health.OWN_CREDENTIALS


def test_without_hypervisors_there_is_nothing_to_fence(checked: Checked) -> None:
    checked.cluster.remotes.clear()
    checked.cluster.stonith = False
    assert checked.texts() == []


def test_stonith_off(checked: Checked) -> None:
    checked.cluster.stonith = False
    (text,) = checked.texts()
    assert "STONITH is disabled" in text


def test_no_quorum(checked: Checked) -> None:
    checked.cluster.quorum = False
    assert checked.texts() == ["the cluster has no quorum"]


@pytest.mark.parametrize("quorum", [True, False])
def test_a_member_that_was_removed_and_is_still_configured(checked: Checked, quorum: bool) -> None:
    """Juju 4 tells hacluster nothing of it; one more machine lost, and nothing can be fenced."""
    checked.cluster.quorum = quorum
    for units, listed in ((0, False), (3, True), (4, False), (5, False)):
        found = health.inspect(
            checked.cluster.runner,
            maas=patient,
            refused=lambda: None,
            ring=lambda _runner: votes.Votes(4, 4),
            units=units,
        )
        cures = {problem.cure for problem in found}
        assert (health.LISTED in cures) is listed
        assert not quorum or len(found) == listed


@pytest.mark.parametrize(
    ("quorum", "text"),
    [(True, "Corosync expects 4 votes of 3 members"), (False, "the cluster has no quorum")],
)
def test_the_vote_of_a_member_that_was_removed(checked: Checked, quorum: bool, text: str) -> None:
    """The real charm-hacluster leaves it; one more machine lost, and nothing can be fenced."""
    checked.cluster.quorum = quorum
    found = health.inspect(
        checked.cluster.runner, refused=lambda: None, ring=lambda _runner: votes.Votes(4, 3)
    )
    assert [problem.text for problem in found] == [text]
    assert "corosync-cfgtool -R" in found[0].cure


@pytest.mark.parametrize("able", [[], ["st-null"], ["guard"]])
def test_no_device_for_a_node(checked: Checked, able: list[str]) -> None:
    checked.able = able
    assert checked.texts() == ["node1.maas: no device can fence it"]


def test_a_node_whose_name_no_command_is_given(checked: Checked) -> None:
    checked.cluster.remotes.append(Remote("compute1_"))
    [problem] = [p for p in checked.problems() if p.node == "compute1_"]
    assert "'compute1_' cannot be the name of a node" in problem.text
    assert "remote-hostname" in problem.cure


def test_a_wrong_key_that_the_device_does_not_notice(checked: Checked) -> None:
    checked.key = "consumer:token:wrong"
    assert checked.texts() == ["fencing device st-maas: MAAS refuses the API key"]


def test_a_key_that_is_none(checked: Checked) -> None:
    checked.key = "s3cret"
    (text,) = checked.texts()
    assert "consumer:token:secret" in text


def test_maas_away(checked: Checked, maas: FakeMaas) -> None:
    maas.status = 503
    assert "HTTP 503" in checked.texts()[0]
    assert "maas_url" not in checked.problems()[0].cure, "the settings are right"
    checked.url = "http://127.0.0.1:9/MAAS"
    assert "does not answer" in checked.texts()[0]


def test_a_single_request_that_gets_lost_is_no_problem(checked: Checked, maas: FakeMaas) -> None:
    maas.status, maas.passing = 503, 1
    assert checked.texts() == []
    assert len(maas.requests) == 2


def test_a_node_that_maas_does_not_know(checked: Checked, maas: FakeMaas) -> None:
    maas.machines = {"other": "on"}
    assert checked.texts() == ["node1.maas: MAAS has no machine of that name"]


def test_a_node_whose_power_maas_cannot_control(checked: Checked, maas: FakeMaas) -> None:
    maas.machines = {"node1": "error"}
    assert checked.texts() == ["node1.maas: MAAS cannot control its power"]


@pytest.mark.parametrize("unclean", [False, True])
def test_a_power_controller_is_asked_unless_a_fence_needs_it(
    checked: Checked, maas: FakeMaas, unclean: bool
) -> None:
    checked.cluster.remotes[0].unclean = unclean
    maas.bmc = "error"
    checked.controllers = Controllers(maas=patient)
    checked.texts()
    found = checked.texts()
    assert any("query_power_state" in path for path in maas.requests) is not unclean
    assert (f"node1.maas: {DEAD}: it reports an error" in found) is not unclean


@pytest.mark.parametrize("agent", ["external/maas", "fence_ipmilan"])
def test_a_device_that_has_failed_and_may_work_again(checked: Checked, agent: str) -> None:
    """Pacemaker goes by its last attempt, and nothing is wrong with MAAS's credentials."""
    checked.agent = agent
    checked.cluster.device_role = "Stopped"
    checked.cluster.device_failed = True
    (found,) = checked.problems()
    assert found.text == "fencing device st-maas has failed"
    assert "crm_resource -r st-maas --cleanup" in found.cure
    assert "maas_credentials" not in found.cure


def test_a_device_that_has_failed_because_of_maas(checked: Checked) -> None:
    checked.cluster.device_role = "Stopped"
    checked.cluster.device_failed = True
    checked.key = "consumer:token:wrong"
    (found,) = checked.problems()
    assert found.text == "fencing device st-maas: MAAS refuses the API key"
    assert "maas_credentials" in found.cure


def test_a_device_that_is_about_to_start_is_no_problem(checked: Checked) -> None:
    checked.cluster.device_role = "Stopped"
    assert checked.texts() == []


def test_an_unconfirmed_power_off(checked: Checked) -> None:
    checked.cluster.runner.on("crm_attribute --type=crm_config", "off\n")
    (text,) = checked.texts()
    assert "stonith-action" in text


def test_maintenance_mode(checked: Checked) -> None:
    checked.cluster.maintenance = True
    assert checked.texts() == ["the cluster is in maintenance mode"]


def test_a_host_that_cannot_be_fenced(checked: Checked) -> None:
    (remote,) = checked.cluster.remotes
    remote.unclean, remote.online = True, False
    remote.events = [("reboot", "failed", 1_795_233_223.0)]
    assert checked.texts() == [
        "node1.maas: fencing it failed",
        "node1.maas: is waiting to be fenced",
    ]


def test_a_failure_is_over_when_the_host_has_connected_again(checked: Checked) -> None:
    """The history keeps it until an operator clears it."""
    (remote,) = checked.cluster.remotes
    remote.events = [("reboot", "failed", 1_795_233_223.0)]
    remote.connected = 1_795_233_222.0
    assert checked.texts() == ["node1.maas: fencing it failed"]
    remote.connected = 1_795_233_223.0
    assert checked.texts() == [], "in the same second"


def test_a_failure_before_a_success_is_over(checked: Checked) -> None:
    (remote,) = checked.cluster.remotes
    remote.events = [("reboot", "success", 1_795_233_224.0), ("reboot", "failed", 1_795_233_223.0)]
    assert checked.texts() == []


@pytest.mark.parametrize(
    ("meta", "text"),
    [
        ("", "node1.maas: not watched: unmanaged"),
        (
            '<nvpair name="instance-ha-guard" value="x"/>',
            "node1.maas: not watched: pacemaker_remote was stopped",
        ),
    ],
)
def test_an_unmanaged_connection(checked: Checked, meta: str, text: str) -> None:
    checked.cluster.remotes[0].managed = False
    checked.meta = meta
    assert checked.texts() == [text]


def test_other_devices_are_not_asked_of_maas(checked: Checked, maas: FakeMaas) -> None:
    checked.agent = "fence_ipmilan"
    assert checked.texts() == []
    assert maas.requests == []


def test_only_web_addresses_are_opened() -> None:
    with pytest.raises(MaasError, match="URL"):
        Maas("file:///etc/passwd?", KEY).machines(["a"])


def test_a_guard_that_has_stopped_fencing(checked: Checked) -> None:
    (remote,) = checked.cluster.remotes
    remote.unclean, remote.online = True, False
    remote.events = [("reboot", "failed", 1_795_233_223.0)]
    refusal = stopped_fencing.StoppedFencing(
        HOST, "3 of 3 hypervisors are lost at once, the limit is 2", 1.0
    )
    found = health.inspect(checked.cluster.runner, refused=lambda: refusal)
    assert [problem.text for problem in found] == [f"fencing has stopped: {refusal.text}"]
    # Both ways on are named by the actions that an operator has to run.
    assert all(action in found[0].cure for action in ("allow-fencing", "readmit-hosts"))


def test_a_guard_on_another_member_is_known_by_counting(checked: Checked) -> None:
    checked.limit = "1"
    checked.cluster.remotes.append(Remote("node1b", unclean=True, online=False))
    checked.cluster.remotes[0].unclean = True
    found = health.inspect(checked.cluster.runner, refused=lambda: None)
    assert (
        "2 of 2 hypervisors are lost at once (node1.maas, node1b), the limit is 1" in found[0].text
    )


def test_those_that_nobody_may_fence_do_not_count(checked: Checked) -> None:
    checked.limit = "1"
    lying = Remote("node1b", unclean=True, online=False, start_failed=1.0)
    checked.cluster.remotes.append(lying)
    checked.cluster.remotes[0].unclean = True
    assert "fencing has stopped" in checked.problems()[0].text
    checked.unserved = '<nvpair name="masakari-fencing-disabled" value="node1b"/>'
    assert not [found for found in checked.problems() if "has stopped" in found.text]


def test_the_guard_counts_the_recently_fenced_too(checked: Checked) -> None:
    """The one that is still to be fenced waits for the limit, not for MAAS."""
    checked.limit = "1"
    fenced, waiting = checked.cluster.remotes[0], Remote("node1b", unclean=True, online=False)
    fenced.events = [("reboot", "success", 1_000_000.0)]
    checked.cluster.remotes.append(waiting)

    def texts(now: float) -> list[str]:
        found = health.inspect(checked.cluster.runner, refused=lambda: None, clock=lambda: now)
        return [problem.text for problem in found if problem.node in ("", "node1b")]

    stopped = "fencing has stopped: 2 of 2 hypervisors are lost at once (node1.maas, node1b)"
    assert texts(1_000_060) == [f"{stopped}, the limit is 1"]
    assert health.WAITING in texts(1_000_130)


@pytest.mark.parametrize(("matrix", "cure"), [("false", "credentials"), ("true", "fix its net")])
def test_a_host_that_the_others_may_have_spared_has_another_cure(
    checked: Checked, monkeypatch: pytest.MonkeyPatch, matrix: str, cure: str
) -> None:
    remote = checked.cluster.remotes[0]
    remote.unclean, remote.online = True, False
    checked.matrix = matrix
    (problem,) = [p for p in checked.problems() if p.text == health.WAITING]
    assert cure in problem.cure


@pytest.mark.parametrize(
    ("lack", "text"),
    [("seen", "not connected since the cluster began"), ("record", "no record of its machine")],
)
def test_one_that_would_not_be_fenced_is_told(checked: Checked, lack: str, text: str) -> None:
    setattr(checked, lack, "")
    (problem,) = checked.problems()
    assert problem.node == HOST
    assert text in problem.text
    assert "stonith_admin --reboot node1.maas" in problem.cure


def test_a_host_that_is_switched_off_in_masakari_is_no_problem_until_it_is_lost(
    checked: Checked,
) -> None:
    checked.unserved = f'<nvpair name="masakari-fencing-disabled" value="{HOST}"/>'
    assert checked.texts() == []
    (remote,) = checked.cluster.remotes
    remote.unclean, remote.online = True, False
    remote.events = [("reboot", "failed", 1_795_233_223.0)]
    assert checked.texts() == [f"{HOST}: it is not fenced: its failover segment is disabled"]


@pytest.mark.parametrize("remotes", [1, 0])
def test_hosts_of_segments_that_the_cluster_does_not_know(checked: Checked, remotes: int) -> None:
    del checked.cluster.remotes[remotes:]
    checked.hosts_of_segments = ["NODE1.maas", "node2", "node3.maas"][1 - remotes :]
    told = [problem.node for problem in checked.problems()]
    assert told == ["node2", "node3.maas"]
    assert "not a node of the cluster" in checked.texts()[0]


def test_a_record_that_nobody_can_read_is_named_with_what_to_do(checked: Checked) -> None:
    name = f"masakari-fencing-recovery-{HOST}"
    checked.records = (
        f'<cluster_property_set id="{name}"><nvpair id="{name}-token" value="3"/>'
        f'<nvpair id="{name}-by" value="n"/><nvpair id="{name}-engine" value="e"/>'
        f'<nvpair id="{name}-record" value="{{&quot;vers"/></cluster_property_set>'
    )
    [found] = checked.problems()
    assert (found.node, found.text) == (HOST, health.UNREADABLE)
    assert f'<cluster_property_set id="{name}"/>' in found.cure
