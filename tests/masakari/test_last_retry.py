"""A host that is kept off until its instances are recovered gets its power back in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import masakari.conf
import pytest
from conftest import HOST, World
from fencing_nova import HttpError, Server
from masakari_fencing.records.recoveries import Records

CONF = masakari.conf.CONF

FULL, BROKEN = "no room", "Nova is broken"


def broken(name: str, uuid: str) -> None:
    """Nova refuses each evacuation, for a reason of its own."""
    if name == "evacuate":
        raise HttpError(400, BROKEN)


@pytest.fixture(autouse=True)
def cleared() -> Iterator[None]:
    yield
    CONF.clear_override("recovery_retries", group="fencing")


@pytest.mark.parametrize(
    ("retries", "why", "failures"),
    [
        ("60", BROKEN, 2),
        ("1, 2, 3, 4", BROKEN, 5),
        ("soon", BROKEN, 12),
        ("1, ...", BROKEN, 12),
        ("soon", FULL, 4),
        ("1", FULL, 2),
    ],
)
def test_after_the_last_retry_it_is_kept_off_no_longer(
    world: World, retries: str, why: str, failures: int
) -> None:
    """What makes no sense is as the default, without end: then it is kept off for twelve.

    It is for four where nothing but room is missing, which the host itself has.
    """
    CONF.set_override("recovery_retries", retries, group="fencing")
    world.add(Server("g1"))
    world.power_cut()
    if why == FULL:
        world.nova.full = {"*"}
    else:
        world.nova.fail = broken
    notification = world.notify()
    for number in range(1, failures + 1):
        assert world.process(notification) == "error"
        record = world.record()
        assert (record.host, record.attempts) == (HOST, number)
        assert record.lets_go == (record.held and number == failures)
        if number == 1:
            # It came back meanwhile, and was switched off.
            Records(world.cib).write(record, replace(record, held=True))
