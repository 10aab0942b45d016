"""Hypervisors are told from Consul's other members, and remembered."""

from __future__ import annotations

from network_matrix.consul import Answer, Member, Status
from network_matrix.peers import Peers

PORT = 8509


def member(name: str, network: int = 1) -> Member:
    return Member(name, f"10.0.{network}.{name}", 8301, Status.ALIVE)


class Machines:
    """Where something listens, as address and port."""

    def __init__(self, *addresses: str) -> None:
        self.listening = {(address, PORT) for address in addresses}
        self.knocked: list[str] = []
        self.peers = Peers(PORT, knock=self.knock)

    def knock(self, found: Member) -> Answer:
        self.knocked.append(found.address)
        there = (found.address, found.port) in self.listening
        return Answer.ACCEPTED if there else Answer.REFUSED


def test_only_where_a_witness_answers_is_a_hypervisor() -> None:
    machines = Machines("10.0.1.1")
    machines.peers.look([member("1"), member("9")])
    assert "1" in machines.peers
    assert "9" not in machines.peers


def test_one_network_is_enough() -> None:
    machines = Machines("10.0.3.1")
    machines.peers.look([member("1", network) for network in (1, 2, 3)])
    assert "1" in machines.peers


def test_who_is_known_stays_so_and_is_not_tried_again() -> None:
    machines = Machines("10.0.1.1")
    machines.peers.look([member("1")])
    machines.listening.clear()
    machines.peers.look([member("1")])
    assert "1" in machines.peers
    assert machines.knocked == ["10.0.1.1"]


def test_one_that_comes_later_is_found() -> None:
    machines = Machines()
    machines.peers.look([])
    machines.peers.look([member("1")])
    machines.listening.add(("10.0.1.1", PORT))
    machines.peers.look([member("1")])
    assert "1" in machines.peers
