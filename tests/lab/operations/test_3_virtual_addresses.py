"""Virtual addresses: all answered, one removed, added and brought back."""

from __future__ import annotations

import time

from operating import PORT, VIPS, Operator, wait_until

TAKES = 180
STEADY = 20
"""Seconds in which an address that is deleted and made again would show: it takes the cluster
less than 10 after a hook."""
ANOTHER = "10.77.1.251"


def url(address: str) -> str:
    return f"http://{address}:{PORT}/v1/%(tenant_id)s"


def answered(operator: Operator, *addresses: str) -> bool:
    return all(operator.answers(address) for address in addresses)


def set_vips(operator: Operator, *addresses: str) -> None:
    operator.juju.config("masakari", {"vip": " ".join(addresses)})


def assert_steady(operator: Operator, *addresses: str) -> None:
    """The addresses are answered all the time."""
    end = time.monotonic() + STEADY
    while time.monotonic() < end:
        assert answered(operator, *addresses)
        time.sleep(0.5)


def test_each_address_is_answered_and_in_the_catalogue(operator: Operator) -> None:
    operator.settle()
    assert answered(operator, *VIPS.values())
    assert operator.endpoints() == {kind: url(vip) for kind, vip in VIPS.items()}


def test_a_removed_address_is_gone_and_its_endpoint_falls_back(operator: Operator) -> None:
    set_vips(operator, VIPS["public"], VIPS["internal"])
    wait_until("the address is gone", lambda: not operator.answers(VIPS["admin"]), TAKES)
    operator.settle()
    wait_until(
        "the others answer",
        lambda: answered(operator, VIPS["public"], VIPS["internal"]),
        TAKES,
    )
    assert not operator.answers(VIPS["admin"])
    assert operator.endpoints() == {**{k: url(v) for k, v in VIPS.items()},
                                    "admin": url(VIPS["public"])}  # fmt: skip


def test_it_comes_back_and_stays(operator: Operator) -> None:
    set_vips(operator, *VIPS.values())
    wait_until("all answer", lambda: answered(operator, *VIPS.values()), TAKES)
    operator.settle()
    wait_until("all answer", lambda: answered(operator, *VIPS.values()), TAKES)
    assert operator.endpoints() == {kind: url(vip) for kind, vip in VIPS.items()}
    assert_steady(operator, *VIPS.values())


def test_one_more_address(operator: Operator) -> None:
    set_vips(operator, *VIPS.values(), ANOTHER)
    wait_until("it answers", lambda: operator.answers(ANOTHER), TAKES)
    operator.settle()
    assert operator.endpoints() == {kind: url(vip) for kind, vip in VIPS.items()}
    set_vips(operator, *VIPS.values())
    wait_until("it is gone", lambda: not operator.answers(ANOTHER), TAKES)
    operator.settle()
    wait_until("the others answer", lambda: answered(operator, *VIPS.values()), TAKES)
