"""What several agents and some knocking make of a network."""

from __future__ import annotations

import pytest
from network_matrix import sight
from network_matrix.consul import Agent, AgentError, Answer, Member, Status
from network_matrix.sight import Blind, Sight

ALIVE, LEFT, FAILED = Status.ALIVE, Status.LEFT, Status.FAILED
HOSTS = [f"node{number}.maas" for number in range(1, 5)]


class Network:
    """Agents with their views, and members that answer or not."""

    def __init__(self, agents: int = 1) -> None:
        self.views = {
            Agent(f"agent{n}"): dict.fromkeys(HOSTS, ALIVE) for n in range(1, agents + 1)
        }
        self.away: set[Agent] = set()
        self.answers = dict.fromkeys(HOSTS, Answer.ACCEPTED)
        self.knocked: list[str] = []
        self.addresses = {name: f"ip-{name}" for name in HOSTS}
        self.sight = Sight(list(self.views), ask=self.ask, knock=self.knock)

    def ask(self, agent: Agent) -> dict[str, Member]:
        if agent in self.away:
            raise AgentError(f"{agent} does not answer")
        return {n: Member(n, self.addresses[n], 8301, s) for n, s in self.views[agent].items()}

    def knock(self, member: Member) -> Answer:
        self.knocked.append(member.name)
        return self.answers[member.name]

    def see(self, status: Status, *hosts: str, agents: int | None = None) -> None:
        """Have the first agents, or all, think so of some hosts."""
        for view in list(self.views.values())[:agents]:
            view.update(dict.fromkeys(hosts, status))

    def silence(self, *hosts: str) -> None:
        self.answers.update(dict.fromkeys(hosts, Answer.SILENT))

    def gone(self) -> set[str]:
        return {m.name for m in self.sight.look().members.values() if m.status is not ALIVE}


def test_all_alive() -> None:
    network = Network()
    assert network.gone() == set()
    assert network.knocked == [], "who is alive is not tried"


def test_a_host_that_failed_and_does_not_answer_is_gone() -> None:
    network = Network()
    network.see(FAILED, HOSTS[0])
    network.silence(HOSTS[0])
    assert network.gone() == {HOSTS[0]}


@pytest.mark.parametrize("status", [FAILED, LEFT])
def test_a_host_that_refuses_has_only_lost_its_agent(status: Status) -> None:
    network = Network()
    network.see(status, HOSTS[0])
    network.answers[HOSTS[0]] = Answer.REFUSED
    view = network.sight.look()
    assert network.gone() == set()
    assert view.silent == {HOSTS[0]}


def test_a_hung_host_accepts_connections_and_is_gone_all_the_same() -> None:
    network = Network()
    network.see(FAILED, HOSTS[0])
    assert network.gone() == {HOSTS[0]}


@pytest.mark.parametrize("status", [FAILED, LEFT])
def test_a_host_with_a_new_name_is_not_gone_by_its_old_one(status: Status) -> None:
    network = Network()
    network.see(status, HOSTS[0])
    network.see(ALIVE, "node1")
    network.addresses["node1"] = f"ip-{HOSTS[0]}"
    network.answers["node1"] = Answer.ACCEPTED
    assert network.gone() == set()
    assert HOSTS[0] not in network.sight.look().members
    assert network.sight.state(HOSTS[0]) == "unknown"


def test_a_host_that_left_and_then_died_is_gone() -> None:
    network = Network()
    network.see(LEFT, HOSTS[0])
    network.silence(HOSTS[0])
    assert network.gone() == {HOSTS[0]}


def test_one_agent_that_is_away_does_not_blind_the_others() -> None:
    network = Network(agents=2)
    network.away.add(Agent("agent1"))
    network.see(FAILED, HOSTS[0])
    network.silence(HOSTS[0])
    assert network.gone() == {HOSTS[0]}
    assert network.sight.look().deaf == ("agent1:8500 does not answer",)


def test_without_any_agent_nothing_can_be_said() -> None:
    network = Network(agents=2)
    network.away |= set(network.views)
    with pytest.raises(Blind, match="agent1:8500 does not answer; agent2:8500 does not"):
        network.sight.look()


def test_an_agent_that_is_cut_off_does_not_count() -> None:
    network = Network(agents=2)
    network.see(FAILED, *HOSTS[1:], agents=1)
    network.silence(*HOSTS[1:])
    assert network.gone() == set()
    assert network.sight.look().deaf == ("agent1:8500 sees only 1 of 4 members: it is cut off",)


def test_an_agent_alone_that_is_cut_off_blinds() -> None:
    network = Network()
    network.see(FAILED, *HOSTS[1:])
    network.silence(*HOSTS[1:])
    with pytest.raises(Blind, match="sees only 1 of 4 members"):
        network.sight.look()


def test_half_of_the_members_may_fail_at_once() -> None:
    network = Network()
    network.see(FAILED, *HOSTS[2:])
    network.silence(*HOSTS[2:])
    assert network.gone() == set(HOSTS[2:])


def test_who_left_does_not_count_towards_the_half() -> None:
    network = Network()
    network.see(LEFT, *HOSTS[1:])
    network.silence(*HOSTS[1:])
    assert network.gone() == set(HOSTS[1:])


def test_an_agent_without_members_blinds() -> None:
    network = Network()
    network.views[Agent("agent1")].clear()
    with pytest.raises(Blind):
        network.sight.look()


@pytest.mark.parametrize(("failed_for", "gone"), [(1, False), (2, True), (3, True)])
def test_the_majority_of_the_agents_decides(failed_for: int, gone: bool) -> None:
    network = Network(agents=3)
    network.see(FAILED, HOSTS[0], agents=failed_for)
    network.silence(HOSTS[0])
    assert network.gone() == ({HOSTS[0]} if gone else set())


# What can be reached right now


def looked(network: Network) -> Network:
    network.sight.look()
    network.knocked.clear()
    return network


def test_a_host_that_answers_is_up() -> None:
    assert looked(Network()).sight.state(HOSTS[0].upper()) == "up"


def test_a_host_that_died_just_now_is_down_before_the_agents_know() -> None:
    network = looked(Network())
    network.silence(HOSTS[0])
    assert network.sight.state(HOSTS[0]) == "down"


def test_who_reaches_nobody_cannot_tell() -> None:
    network = looked(Network())
    network.silence(*HOSTS)
    assert network.sight.state(HOSTS[0]) == "unknown"


def test_who_is_no_member_is_unknown() -> None:
    network = looked(Network())
    assert network.sight.state("node9.maas") == "unknown"
    assert network.knocked == []


def test_before_the_first_look_everything_is_unknown() -> None:
    assert Network().sight.state(HOSTS[0]) == "unknown"


def test_a_host_that_accepts_connections_is_hung_once_the_agents_gave_it_up() -> None:
    network = Network()
    assert looked(network).sight.state(HOSTS[0]) == "up"
    network.see(FAILED, HOSTS[0])
    assert looked(network).sight.state(HOSTS[0]) == "hung"
    network.silence(*HOSTS[1:])
    assert network.sight.state(HOSTS[0]) == "unknown", "nobody else was reached"


def test_a_refusal_is_a_sign_of_life() -> None:
    network = Network()
    network.see(FAILED, HOSTS[0])
    looked(network)
    network.answers[HOSTS[0]] = Answer.REFUSED
    assert network.sight.state(HOSTS[0]) == "up"


def test_what_was_seen_last_is_used_while_consul_is_away() -> None:
    network = looked(Network())
    network.away |= set(network.views)
    with pytest.raises(Blind):
        network.sight.look()
    assert network.sight.state(HOSTS[0]) == "up"


def many(network: Network, count: int) -> list[str]:
    """Have that many more members."""
    names = [f"other{number}.maas" for number in range(count)]
    for view in network.views.values():
        view.update(dict.fromkeys(names, ALIVE))
    network.answers.update(dict.fromkeys(names, Answer.ACCEPTED))
    network.addresses.update({name: f"ip-{name}" for name in names})
    return names


def test_those_that_are_tried_need_not_answer_as_long_as_others_do() -> None:
    """The first eight may stand in the rack that lost its power, and not be given up yet."""
    network = Network()
    names = many(network, 60)
    looked(network)
    network.silence(*HOSTS, *names[:-1])
    assert network.sight.state(HOSTS[0]) == "down"
    tried = len(network.knocked)
    assert network.sight.state(HOSTS[0]) == "down"
    assert network.knocked[tried:].count(names[-1]) == 1
    assert len(network.knocked) - tried == 1 + sight.WITNESSES, "one that answered is tried first"


def test_it_is_not_tried_for_longer_than_the_cluster_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Network()
    names = many(network, 200)
    looked(network)
    network.silence(*HOSTS, *names)
    monkeypatch.setattr(sight, "PATIENCE", 0.0)
    assert network.sight.state(HOSTS[0]) == "unknown"
    assert len(network.knocked) == 1 + sight.WITNESSES


def test_not_always_the_same_are_tried() -> None:
    network = Network()
    many(network, 60)
    looked(network)
    seen = set()
    for _ in range(20):
        network.sight._heard = set()
        network.sight.state(HOSTS[0])
        seen |= set(network.knocked)
    assert len(seen) > 3 * sight.WITNESSES
