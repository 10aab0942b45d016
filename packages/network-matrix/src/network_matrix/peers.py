"""Which of Consul's members are hypervisors: those on which a witness has ever answered.

Others are members, too, such as Consul's own servers, of which Masakari knows nothing. Its driver
would report that one of them has come back, be refused, and try again for minutes, without a look
at any hypervisor meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from network_matrix.consul import Answer, Member, knock

KNOCKS = 32
"""How many members are tried at a time."""


class Peers:
    """Remembers them, so that one whose networks are down is still known.

    Args:
        port: where a witness answers.
        knock: tries a member; see `consul.knock`.
    """

    def __init__(self, port: int, *, knock: Callable[[Member], Answer] = knock) -> None:
        self._port = port
        self._knock = knock
        self._known: set[str] = set()

    def __contains__(self, name: str) -> bool:
        """Whether a witness has answered on the member of that name."""
        return name in self._known

    def look(self, members: Iterable[Member]) -> None:
        """Try those that are not known yet, in each network in which they are a member."""
        found = [replace(m, port=self._port) for m in members if m.name not in self._known]
        if not found:
            return
        with ThreadPoolExecutor(min(KNOCKS, len(found))) as pool:
            answers = list(pool.map(self._knock, found))
        self._known |= {
            m.name for m, answer in zip(found, answers, strict=True) if answer is Answer.ACCEPTED
        }
