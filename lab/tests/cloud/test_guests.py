"""Guests that Nova gives up as they are booted."""

from __future__ import annotations

from typing import Any

import pytest
from jujulab.cloud import guests
from jujulab.cloud.console import StepError


class Guests(guests.Guests):
    """Guests of which Nova gives some up, so many times."""

    def __init__(self, *, times: int) -> None:
        self.left, self.known, self.asked = times, {}, []

    def find(self, prefix: str) -> dict[str, dict[str, Any]]:
        return {n: {"status": s} for n, s in self.known.items() if n.startswith(prefix)}

    def delete(self, prefix: str, timeout: float = 60) -> None:
        self.known = {n: s for n, s in self.known.items() if not n.startswith(prefix)}

    def ask(self, names: Any, host: str, **_: Any) -> None:
        self.asked.append(sorted(names))
        for name in names:
            given_up = name == "b" and self.left > 0
            self.left -= given_up
            self.known[name] = "ERROR" if given_up else "ACTIVE"

    def wait(self, names: Any, host: str, timeout: float = 120) -> None:
        if sorted(self.known) != sorted(names) or "ERROR" in self.known.values():
            raise StepError(f"could not be booted on {host}")


def test_those_that_nova_gives_up_are_asked_for_once_more() -> None:
    found = Guests(times=1)
    found.boot(["a", "b", "b2"], "node1.maas")
    assert found.asked == [["a", "b", "b2"], ["b", "b2"]], "b2 was deleted with it"


def test_but_not_again_and_again() -> None:
    found = Guests(times=2)
    with pytest.raises(StepError):
        found.boot(["a", "b"], "node1.maas")
    assert len(found.asked) == 2
