"""What the units tell each other."""

from __future__ import annotations

import pytest

from relations import peers
from relations.peers import Migration


class TestPeers:
    def test_golden(self) -> None:
        addresses = {"public": "10.1.0.1", "admin": "10.2.0.1", "internal": "10.3.0.1"}
        bag = {
            "public-address": "10.1.0.1",
            "admin-address": "10.2.0.1",
            "internal-address": "10.3.0.1",
            "cluster-address": "10.3.0.1",
        }
        assert peers.publish("10.3.0.1", addresses, fencing=False) == bag
        assert peers.publish("10.3.0.1", addresses, fencing=True) == {
            **bag,
            "fencing-programs": "installed",
        }

    def test_who_has_what_the_cluster_runs(self) -> None:
        bags = {f"masakari/{n}": {"private-address": f"10.0.0.{n}"} for n in (1, 2)}
        bags["masakari/2"]["fencing-programs"] = "installed"
        assert [peer.fencing for peer in peers.read(bags)] == [False, True]

    @pytest.mark.parametrize(
        ("bag", "address"),
        [
            ({"ingress-address": "10.0.0.1"}, "10.0.0.1"),  # Juju 4
            ({"ingress-address": "10.0.0.1", "private-address": "10.0.0.2"}, "10.0.0.2"),
            ({"ingress-address": "10.0.0.1", "cluster-address": "10.0.0.3"}, "10.0.0.3"),
        ],
    )
    def test_where_a_unit_is_reached(self, bag: dict[str, str], address: str) -> None:
        [peer] = peers.read({"masakari/1": bag})
        assert peer.address == address

    def test_order_is_by_number(self) -> None:
        bags = {f"masakari/{n}": {"private-address": f"10.0.0.{n}"} for n in (10, 9, 1)}
        assert [peer.name for peer in peers.read(bags)] == [
            "masakari/1",
            "masakari/9",
            "masakari/10",
        ]

    @pytest.mark.parametrize("bag", [{}, {"private-address": "fe80::1%x\n  server y"}])
    def test_unit_without_address_is_left_out(self, bag: dict[str, str]) -> None:
        assert peers.read({"masakari/1": bag}) == ()

    @pytest.mark.parametrize(
        ("left", "own", "serves"),
        [
            ("14.0.2", "14.0.2", True),
            ("17.0.0", "14.0.2", True),
            ("14.0.9", "17.0.0", False),
            ("x", "17.0.0", False),
        ],
    )
    def test_migration(self, left: str, own: str, serves: bool) -> None:
        assert Migration("db", left).serves("db", own) is serves
        assert not Migration("db", left).serves("other", own)
