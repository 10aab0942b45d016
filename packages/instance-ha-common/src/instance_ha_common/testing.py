"""In-memory doubles of a machine, for the unit tests of the charms."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import pickle
import socket
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import ops
import yaml
from ops import testing

from instance_ha_common.machine.commands import CommandError, Runner
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.packages import Apt
from instance_ha_common.machine.services import ServiceError, Systemd

if TYPE_CHECKING:
    import pytest

Answer = str | tuple[int, str] | Callable[[list[str]], "str | tuple[int, str]"]
"""Output, or exit code and output, or a function of argv that gives one of them."""


def convert_metadata_once() -> None:
    """Remember what ops.testing writes, and ops reads, anew for every event: the charm's metadata.

    Both are the same text every time, and took a third of the charms' tests' time.
    """
    convert = functools.partial(yaml.dump, Dumper=yaml.CSafeDumper)

    @functools.cache
    def remembered(pickled: bytes) -> str:
        return str(convert(pickle.loads(pickled)))  # noqa: S301 - pickled below

    def safe_dump(data: object, stream: IO[str] | None = None, **options: Any) -> str | None:
        if stream or options:  # not ops.testing, but the code under test
            return cast("str | None", convert(data, stream, **options))
        return remembered(pickle.dumps(data))

    vars(yaml)["safe_dump"] = safe_dump
    setattr(ops.CharmMeta, "from_yaml", functools.cache(ops.CharmMeta.from_yaml))  # noqa: B010


def keep_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a test start no process, and be told the same names whatever the network says."""

    def forbidden(*args: object, **options: object) -> None:
        raise AssertionError(f"a test started a process: {args}")

    canonical = [(0, 0, 0, "canonical.example", None)]
    monkeypatch.setattr(subprocess, "run", forbidden)
    monkeypatch.setattr(socket, "gethostname", lambda: "kernel-name")
    monkeypatch.setattr(socket, "getfqdn", lambda *args: "guess.example")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: canonical)


def make_context(charm: type[ops.CharmBase], **options: Any) -> testing.Context[ops.CharmBase]:
    """Return a charm for ops.testing, with the metadata in its charmcraft.yaml.

    Without a `charm_root`: ops.testing writes files into that for every event.

    Args:
        charm: The charm's class, in `src` beside its charmcraft.yaml.
        options: Further arguments of `ops.testing.Context`.
    """
    pickled = _charmcraft(Path(inspect.getfile(charm)).parents[1])
    return testing.Context(charm, meta=pickle.loads(pickled), **options)  # noqa: S301 - from below


_HOOK_TOOLS = (
    "application_version_set",
    "close_port",
    "config_get",
    "is_leader",
    "juju_log",
    "network_get",
    "open_port",
    "opened_ports",
    "planned_units",
    "relation_get",
    "relation_ids",
    "relation_list",
    "relation_remote_app_name",
    "relation_set",
    "status_get",
    "status_set",
)


def refuse_hook_tools(patch: pytest.MonkeyPatch, words: str) -> None:
    """Have every hook tool of ops.testing fail with Juju's words, as in a unit that goes away."""

    def refuse(*args: object, **options: object) -> None:
        raise ops.ModelError(f"ERROR {words}\n")

    for tool in _HOOK_TOOLS:
        patch.setattr(f"scenario.mocking._MockModelBackend.{tool}", refuse)


def depart_itself(patch: pytest.MonkeyPatch) -> None:
    """Have relation-departed tell that the charm's own unit departs, which ops.testing cannot."""
    itself = property(lambda event: event.framework.model.unit)
    patch.setattr(ops.RelationDepartedEvent, "departing_unit", itself)


@functools.cache
def _charmcraft(root: Path) -> bytes:
    """Return a charm's charmcraft.yaml, pickled so that everybody gets a copy."""
    text = (root / "charmcraft.yaml").read_text(encoding="utf-8")
    return pickle.dumps(yaml.load(text, Loader=yaml.CSafeLoader))


class FakeRunner(Runner):
    """Records every command; answers those it was told about, the rest with success.

    Attributes:
        calls: argv of every command, in order.
        inputs: standard input of every command, in the same order.
    """

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.inputs: list[str | None] = []
        self._answers: list[tuple[list[str], Answer]] = []

    def answer(self, argv: Sequence[str], answer: Answer) -> None:
        """Answer commands that begin with `argv`; the last one told wins."""
        self._answers.insert(0, (list(argv), answer))

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002 - as in Runner
        timeout: float = 60,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Record the command and give the answer that belongs to it."""
        argv = list(argv)
        self.calls.append(argv)
        self.inputs.append(input)
        code, output = self._find(argv)
        if code != 0 and check:
            raise CommandError(argv, code, output)
        return subprocess.CompletedProcess(
            argv, code, output if code == 0 else "", "" if code == 0 else output
        )

    def _find(self, argv: list[str]) -> tuple[int, str]:
        for prefix, answer in self._answers:
            if argv[: len(prefix)] == prefix:
                found = answer(argv) if callable(answer) else answer
                return (0, found) if isinstance(found, str) else found
        return 0, ""


class FakeApt(Apt):
    """Packages that exist in memory only.

    Attributes:
        archive: what can be installed, name to version.
        present: what is installed, name to version.
        log: what was done, as `("update",)`, `("install", name, ...)` or `("remove", name, ...)`.
        on_install: called with the names after an installation.
    """

    def __init__(self, archive: Mapping[str, str] | None = None) -> None:
        self.archive: dict[str, str] = dict(archive or {})
        self.present: dict[str, str] = {}
        self.log: list[tuple[str, ...]] = []
        self.on_install: Callable[[list[str]], None] = lambda names: None

    def installed(self, names: Iterable[str]) -> dict[str, str]:
        """Versions of those that are installed."""
        return {name: self.present[name] for name in names if name in self.present}

    def available(self, names: Iterable[str]) -> set[str]:
        """Those that the archive offers."""
        return set(names) & set(self.archive)

    def update(self) -> None:
        """Only recorded."""
        self.log.append(("update",))

    def install(self, names: Iterable[str], *, upgrade: bool = False) -> bool:
        """Take packages from the archive; CommandError for one that it lacks."""
        wanted = sorted(n for n in set(names) if upgrade or n not in self.present)
        if not wanted:
            return False
        for name in wanted:
            if name not in self.archive:
                raise CommandError(["apt-get", "install", name], 100, f"no package {name}")
        self.log.append(("install", *wanted))
        self.present.update({name: self.archive[name] for name in wanted})
        self.on_install(wanted)
        return True

    def remove(self, names: Iterable[str]) -> bool:
        """Forget packages."""
        wanted = sorted(self.installed(names))
        if not wanted:
            return False
        self.log.append(("remove", *wanted))
        for name in wanted:
            del self.present[name]
        return True


@dataclasses.dataclass
class FakeService:
    """State of one service; `idle` is what systemd calls it while it is not active."""

    active: bool = False
    idle: str = "inactive"
    enabled: bool = False
    masked: bool = False


class FakeSystemd(Systemd):
    """Services that exist in memory only.

    Attributes:
        services: state by name; one that is not in it does not exist.
        log: what was done, as `(verb, name)`; only real changes of state and restarts.
        broken: names of services that do not start.
        held: names of services that nothing may start until the next boot.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.services = {name: FakeService() for name in names}
        self.log: list[tuple[str, str]] = []
        self.broken: set[str] = set()
        self.held: set[str] = set()

    def _service(self, name: str) -> FakeService:
        if name not in self.services:
            raise ServiceError(f"Unit {name} not found.")
        return self.services[name]

    def ask_together(self, names: Iterable[str]) -> None:
        """Nobody has to be asked."""

    def forget(self) -> None:
        """Nothing is remembered."""

    def running(self, name: str) -> bool:
        """Whether it is active."""
        return name in self.services and self.services[name].active

    def state(self, name: str) -> str:
        """Its active state."""
        service = self.services.get(name, FakeService())
        return "active" if service.active else service.idle

    def exists(self, name: str) -> bool:
        """Whether there is such a service."""
        return name in self.services

    def enabled(self, name: str) -> bool:
        """Whether it starts at boot."""
        return name in self.services and self.services[name].enabled

    def masked(self, name: str) -> bool:
        """Whether nothing may start it."""
        return name in self.services and self.services[name].masked

    def _up(self, verb: str, name: str) -> None:
        service = self._service(name)
        self.log.append((verb, name))
        if service.masked or name in self.broken | self.held:
            service.active = False
            raise ServiceError(f"{verb} {name} failed")
        service.active = True

    def start(self, name: str) -> None:
        """Start it; recorded when it did not run."""
        if not self.running(name):
            self._up("start", name)

    def restart(self, name: str) -> None:
        """Restart it."""
        self._up("restart", name)

    def reload(self, name: str, *, or_restart: bool = True) -> None:
        """Reload it."""
        self._up("reload-or-restart" if or_restart else "reload", name)

    def stop(self, name: str) -> None:
        """Stop it; recorded when it ran, or was about to be started."""
        if self.state(name) not in ("inactive", "failed"):
            self.log.append(("stop", name))
            self.services[name] = dataclasses.replace(
                self.services[name], active=False, idle="inactive"
            )

    def enable(self, name: str) -> None:
        """Enable it; recorded when it was not."""
        service = self._service(name)
        if not service.enabled:
            self.log.append(("enable", name))
            service.enabled = True

    def disable(self, *names: str) -> None:
        """Disable them; recorded when one was enabled."""
        for name in names:
            service = self._service(name)
            if service.enabled:
                self.log.append(("disable", name))
                service.enabled = False

    def pause(self, name: str) -> None:
        """Stop, disable and mask it."""
        service = self._service(name)
        self.log.append(("pause", name))
        service.active, service.enabled, service.masked = False, False, True

    def mask(self, *names: str) -> None:
        """Mask them."""
        for name in names:
            self.services.setdefault(name, FakeService()).masked = True

    def unmask(self, *names: str) -> None:
        """Unmask them; recorded for each that was masked."""
        for name in names:
            service = self._service(name)
            if service.masked:
                self.log.append(("unmask", name))
                service.masked = False

    def _hold_back(self, names: Collection[str]) -> None:
        self.held |= set(names)

    def _let_go(self, names: Collection[str]) -> None:
        self.held -= set(names)

    def resume(self, name: str) -> None:
        """Unmask, enable and start it."""
        service = self._service(name)
        service.masked, service.enabled = False, True
        self._up("resume", name)

    def daemon_reload(self) -> None:
        """Only recorded."""
        self.log.append(("daemon-reload", ""))


class RecordedOwnership:
    """Remembers who ought to own each file, because a test cannot give files away."""

    def __init__(self) -> None:
        self.owners: dict[Path, tuple[str, str]] = {}

    def set(self, fd: int, path: Path, user: str, group: str) -> None:
        """Remember the owner."""
        self.owners[path] = (user, group)

    def matches(self, path: Path, user: str, group: str) -> bool:
        """Whether that is the owner remembered."""
        return self.owners.get(path) == (user, group)


@dataclasses.dataclass(frozen=True)
class FakeHost(Host):
    """A `Host` whose parts are the doubles of this module, with their own types."""

    runner: FakeRunner
    apt: FakeApt
    systemd: FakeSystemd
    ownership: RecordedOwnership = dataclasses.field(default_factory=RecordedOwnership)

    def owner(self, path: str) -> tuple[str, str] | None:
        """User and group that were asked for when `path` was written."""
        return self.ownership.owners.get(self.path(path))

    def mode(self, path: str) -> int:
        """Permission bits of a file."""
        return self.path(path).stat().st_mode & 0o7777


def fake_host(
    root: Path, *, archive: Mapping[str, str] | None = None, services: Iterable[str] = ()
) -> FakeHost:
    """A machine below `root` with an archive of packages and known services."""
    return FakeHost(root, FakeRunner(), FakeApt(archive), FakeSystemd(services))
