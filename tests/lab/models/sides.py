"""What a rule about Nova needs: the same few operations in the lab and in the model.

A rule is a function of a side. It does something and returns what it saw; the suite has both
sides do it, and what they saw has to be the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from nova_lab import LabSide
    from nova_model import ModelSide

HOME = "home"
"""The hypervisor that fails."""

ELSEWHERE = "elsewhere"
"""Any of the others, where it does not matter which."""

FIRST = "first"
"""One of the others."""

SECOND = "second"
"""The other one of them."""


class Look(NamedTuple):
    """An instance as Nova shows it, and where its process is.

    Attributes:
        power: 1 it runs, 3 paused, 4 it is shut off, as Nova's API numbers them.
        host: `HOME` or `ELSEWHERE`.
        runs: the same for each QEMU process that there is.
    """

    vm_state: str
    task: str | None
    power: int
    host: str
    runs: tuple[str, ...]


class Side(Protocol):
    """Nova with three hypervisors and instances that are known by short names."""

    def boot(self, names: list[str]) -> None:
        """Boot instances on `HOME`."""

    def half_boot(self, name: str) -> None:
        """Have nova-compute die while `HOME` starts an instance for the first time."""

    def prepare(self, name: str, state: str) -> None:
        """Bring an instance into a state: stopped, error, paused, suspended, locked."""

    def look(self, name: str) -> Look:
        """Return what Nova shows."""

    def fault(self, name: str) -> str:
        """Return the text of the instance's fault."""

    def actions(self, name: str) -> list[tuple[str, bool]]:
        """Return what was done to it, first things first, and whether a user asked for it."""

    def begun(self, name: str) -> list[str]:
        """Return what nova-compute has begun of the last start that it was asked for."""

    def why_failed(self, name: str) -> list[str]:
        """Return what new hosts wrote down of its failed evacuations, the first's first."""

    def migrations(self, name: str) -> list[str]:
        """Return the statuses of its evacuations, the first one's first."""

    def records(self, name: str) -> list[tuple[str, str | None, str | None]]:
        """Return the same, each with the hypervisor that it comes from and the one it goes to."""

    def evacuate(self, name: str, target: str | None = None) -> int:
        """Return the HTTP status where it is refused, else 0; so do the following."""

    def stop(self, name: str) -> int: ...

    def start(self, name: str) -> int: ...

    def reboot(self, name: str) -> int:
        """Ask for a hard reboot."""

    def lock(self, name: str) -> int: ...

    def unlock(self, name: str) -> int: ...

    def reset_state(self, name: str, state: str) -> int: ...

    def delete(self, name: str) -> int: ...

    def service(self, host: str) -> tuple[str, str]:
        """Return whether nova-compute counts as up or down, and is enabled or disabled."""

    def reported(self, host: str) -> float:
        """Return the seconds since its nova-compute reported."""

    def force_down(self, host: str, forced: bool) -> int: ...

    def disable(self, host: str) -> int: ...

    def enable(self, host: str) -> int: ...

    def lose(self, host: str) -> None:
        """Cut a hypervisor's power."""

    def power_on(self, host: str) -> None:
        """Give it power, and wait until its nova-compute has looked at its instances."""

    def stop_compute(self, host: str) -> None:
        """Stop nova-compute; its instances run on."""

    def start_compute(self, host: str) -> None:
        """Start it, and wait until it has looked at its instances."""

    def crash(self, name: str) -> None:
        """Kill an instance's QEMU."""

    def run_behind(self, name: str) -> None:
        """Start an instance's process behind Nova's back."""

    def hold_spawns(self, held: bool) -> None:
        """Have no hypervisor but `HOME` start a process, or let it go on."""

    def lose_messages(self, do: Callable[[], int]) -> int:
        """Do something whose message to Nova's conductor is lost with the broker."""

    def lose_request(self, do: Callable[[], int]) -> int:
        """Do something whose message to Nova's conductor is lost, and nothing else."""

    def stop_scheduler(self, stopped: bool) -> None:
        """Stop Nova's scheduler, or start it."""

    def slow_scheduler(self, slow: bool) -> None:
        """Have Nova's scheduler wait for Placement, for a minute at least, or let it go on."""

    def ignore_locks(self, host: str) -> None:
        """Have a hypervisor's QEMU ask nobody whether a disk is in use, as on most storage."""

    def lose_database(self, do: Callable[[], None]) -> None:
        """Do something while Nova's database is away."""

    def runs(self, name: str) -> tuple[str, ...]:
        """Return where its processes are, without asking Nova."""

    def resume_guests(self, resumed: bool) -> None:
        """Set `resume_guests_state_on_host_boot` of `HOME`."""

    def now(self) -> float: ...

    def wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so; return whether it was within these seconds."""

    def sleep(self, seconds: float) -> None: ...


Rule = Callable[[Side], Any]


class Both:
    """The lab and the model, which go through the same."""

    def __init__(self, lab: LabSide, model: ModelSide) -> None:
        self.lab = lab
        self.model = model

    def alike(self, rule: Rule) -> Any:
        """Have both do something, and return what both saw."""
        real = self.lab.do(rule)
        modelled = self.model.do(rule)
        print(f"\nNova: {real}\nmodel: {modelled}")
        assert modelled == real
        return real
