"""A host's compute service in Nova: whether it is heard of, and forcing it down."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from masakari_fencing import times

BINARY = "nova-compute"

_SETTINGS = ("status", "forced_down", "disabled_reason")

RETRY_INTERVAL = 1.0
"""Seconds between two attempts."""


class ComputeError(Exception):
    """Nova does not show the service as it should be."""


class MustNot(Exception):  # noqa: N818 - a state, not an accident
    """What was about to be asked for must not be; no repetition changes that.

    Attributes:
        reason: what the caller's check has raised, which whoever repeats requests raises again.
    """

    def __init__(self, reason: Exception) -> None:
        self.reason = reason
        super().__init__(str(reason))


@dataclass(frozen=True)
class ServiceState:
    """A host's compute service, as Nova sees it.

    Attributes:
        changed: when its record was changed last, in seconds since the epoch; None while it is
            down. Its own reports do that, each 10 s, and so do operators who enable or disable
            it: Nova shows no time of the reports alone (`updated_time` of
            nova.servicegroup.drivers.db).
        last: the same while it is down, and nobody has forced it down: when it reported last, at
            the latest. None in all other cases.
        in_service: whether instances are placed on it: it is enabled, up, and not forced down.
        settings: what operators change of it.
    """

    changed: float | None
    in_service: bool
    settings: tuple[object, ...] = ()
    last: float | None = None


class ComputeService:
    """The nova-compute service of one host, through novaclient (microversion 2.53).

    Args:
        client: makes a novaclient with a time limit on each of its requests.
        host: Nova's name of the host.
        sleep: waits for so many seconds.
        clock: seconds, only ever compared with each other.
    """

    def __init__(
        self,
        client: Callable[[], Any],
        host: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._host = host
        self._sleep = sleep
        self._clock = clock

    def state(self, timeout: float = 0.0) -> ServiceState:
        """Return what Nova says about it.

        Args:
            timeout: seconds after which to give up.

        Raises:
            ComputeError: there is not exactly one such service, or Nova does not answer.
        """
        return _state(self._insist(lambda: self._find(self._client()), timeout))

    def newest_report_of_others(self) -> float | None:
        """Return when any other host's service has reported last, or was changed by an operator.

        In seconds since the epoch; None where there is no other. Those that are forced down report
        as well.

        Raises:
            ComputeError: Nova does not answer.
        """
        found = self._insist(lambda: self._client().services.list(binary=BINARY), 0.0)
        others = [service for service in found if service.host != self._host]
        moments = [times.epoch(getattr(service, "updated_at", None)) for service in others]
        return max((moment for moment in moments if moment is not None), default=None)

    def force_down(self, timeout: float, check: Callable[[], None] = lambda: None) -> ServiceState:
        """Have Nova hold the service for down, and check that it does.

        Args:
            timeout: seconds after which to give up.
            check: raises where that must not be asked for, before each request.

        Returns:
            what Nova said about it before.

        Raises:
            ComputeError: Nova did not do it in time, or has no such service.
            Exception: whatever `check` raises.
        """
        found: ServiceState = self._insist(lambda: self._force(self._client(), check), timeout)
        return found

    def _insist(self, ask: Callable[[], Any], timeout: float) -> Any:
        end = self._clock() + timeout
        while True:
            try:
                return ask()
            except MustNot as error:
                raise error.reason from None
            except Exception as error:  # whatever a client library raises
                if self._clock() >= end:
                    raise ComputeError(_text(error)) from error
            self._sleep(RETRY_INTERVAL)

    def _force(self, nova: Any, check: Callable[[], None]) -> ServiceState:
        service = self._find(nova)
        before = _state(service)
        if _is_down(service):
            return before
        try:
            check()
        except Exception as error:
            raise MustNot(error) from error
        answer = nova.services.force_down(service.id, True)
        if not _is_down(answer) and not _is_down(self._find(nova)):
            raise ComputeError(f"Nova accepted it, but does not show {self._host} as down")
        return before

    def _find(self, nova: Any) -> Any:
        found = [
            service
            for service in nova.services.list(host=self._host, binary=BINARY)
            if service.host == self._host
        ]
        if len(found) != 1:
            raise ComputeError(f"Nova has {len(found)} compute services on host {self._host}")
        return found[0]


def _state(service: Any) -> ServiceState:
    up = str(getattr(service, "state", "")).lower() == "up"
    enabled = str(getattr(service, "status", "")).lower() == "enabled"
    forced = bool(getattr(service, "forced_down", False))
    changed = times.epoch(getattr(service, "updated_at", None))
    return ServiceState(
        changed=changed if up else None,
        in_service=enabled and up and not forced,
        settings=tuple(getattr(service, name, None) for name in _SETTINGS),
        last=None if up or forced else changed,
    )


def _is_down(service: Any) -> bool:
    return bool(getattr(service, "forced_down", False)) and (
        str(getattr(service, "state", "")).lower() == "down"
    )


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
