"""Where real code meets the simulation. Installed once, before Masakari is imported.

What is replaced is only what leaves a process: the clock, sleeping, threads and locks, random
identifiers, the database's connection (SQLite in memory), the broker, Nova, Pacemaker's commands,
HTTP, sockets and files. Everything else is Masakari's and this project's own code.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import importlib
import logging
import os
import pathlib
import socket
import sys
import threading
import time
import types
import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from simulation.core import flows, kernel, vfs
from simulation.models.pacemaker.commands.commands import Commands

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SOURCE = REPOSITORY / "packages" / "masakari-fencing"

COMMANDS: list[Commands] = []
"""The one that runs commands in the simulation of this moment."""

SESSIONS: list[Any] = []
"""The same for HTTP: something with `request`."""

NOVA: list[Any] = []
"""The same for Nova: makes a client."""

_real_time, _real_monotonic, _real_sleep = time.time, time.monotonic, time.sleep
_real_uuid4, _real_pid = uuid.uuid4, os.getpid
_real_hostname, _real_connect = socket.gethostname, socket.create_connection
_real_start = threading.Thread.start


def _time() -> float:
    found = kernel.ACTIVE
    if found is None:
        return _real_time()
    task = kernel.current()
    unit = task.process.unit if task is not None else None
    return found.now + (unit.skew if unit is not None else 0.0)


def _monotonic() -> float:
    return _real_monotonic() if kernel.ACTIVE is None else kernel.ACTIVE.now


def _sleep(seconds: float = 0.0) -> None:
    if kernel.ACTIVE is None:
        _real_sleep(seconds)
    else:
        kernel.ACTIVE.sleep(seconds)


def _uuid4() -> uuid.UUID:
    if kernel.ACTIVE is None:
        return _real_uuid4()
    return uuid.UUID(int=kernel.ACTIVE.ids.getrandbits(128), version=4)


def _unit() -> Any:
    task = kernel.current()
    return task.process.unit if task is not None else None


def _getpid() -> int:
    task = kernel.current()
    return _real_pid() if task is None else task.process.pid


def _hostname() -> str:
    unit = _unit()
    return _real_hostname() if unit is None else str(unit.name)


def _connect(address: Any, *args: Any, **kwargs: Any) -> Any:
    """Whether pacemaker_remote accepts a connection; witnesses there are none."""
    found = kernel.ACTIVE
    if found is None:
        return _real_connect(address, *args, **kwargs)
    host = COMMANDS[0].cluster.world.hosts.get(address[0])
    unit = _unit()
    answers = host is not None and host.up and host.remote and host.reachable
    found.call("socket", "connect", lambda: None)
    if not answers or address[1] != 3121 or (unit is not None and unit.isolated):
        raise ConnectionRefusedError(111, "Connection refused")
    return _Connection()


class _Connection(contextlib.AbstractContextManager[Any]):
    """What pacemaker_remote ends as soon as it hears no handshake."""

    def __exit__(self, *exc: object) -> None:
        pass

    def sendall(self, data: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        return b""


def _utcnow(with_timezone: bool = False) -> datetime.datetime:
    moment = datetime.datetime.fromtimestamp(_time(), datetime.timezone.utc)
    return moment if with_timezone else moment.replace(tzinfo=None)


class RealThread(BaseException):
    """The simulated code has begun a thread that nobody has replaced: its order is no seed's."""


def _start_thread(thread: threading.Thread) -> None:
    task = kernel.current()
    if task is not None:
        raise RealThread(f"{thread} of {task.name}")
    _real_start(thread)


class Pool:
    """A pool of greenthreads; stands for eventlet's GreenPool and a ThreadPoolExecutor."""

    def __init__(self, size: int = 1000, *args: Any, **kwargs: Any) -> None:
        self._size = size or 1000
        self._running = 0
        self._waiting: list[Any] = []

    def spawn_n(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        task, found = kernel.current(), kernel.ACTIVE
        if task is None or found is None:
            run(*args, **kwargs)
            return
        while self._running >= self._size:
            self._wait()
        self._running += 1

        def body() -> None:
            try:
                run(*args, **kwargs)
            finally:
                self._running -= 1
                waiting, self._waiting = self._waiting, []
                for other in waiting:
                    if kernel.ACTIVE is not None and not kernel.ACTIVE.closed:
                        kernel.ACTIVE.wake(other)

        found.spawn(task.process, body)

    spawn = spawn_n

    def _wait(self) -> None:
        task, found = kernel.current(), kernel.ACTIVE
        if task is not None and found is not None:
            self._waiting.append(task)
            found.park()

    def waitall(self) -> None:
        while self._running:
            self._wait()

    def imap(self, run: Callable[..., Any], items: Any) -> Iterator[Any]:
        """Yield the results in the items' order, as they come."""
        results: dict[int, tuple[Any, Exception | None]] = {}

        def one(number: int, item: Any) -> None:
            try:
                results[number] = (run(item), None)
            except Exception as error:
                results[number] = (None, error)

        total = 0
        for number, item in enumerate(items):
            self.spawn_n(one, number, item)
            total += 1
        for number in range(total):
            while number not in results:
                self._wait()
            value, error = results[number]
            if error is not None:
                raise error
            yield value

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.waitall()

    def map(self, run: Callable[..., Any], *iterables: Any) -> list[Any]:
        return [run(*items) for items in zip(*iterables, strict=False)]

    def submit(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        future: Any = concurrent.futures.Future()
        try:
            future.set_result(run(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        pass


class LoopingCall:
    """oslo.service's looping call with a timeout, in the caller's greenthread."""

    def __init__(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._run = lambda: run(*args, **kwargs)

    def start(self, interval: float, timeout: float = 0, **kwargs: Any) -> LoopingCall:
        self._interval, self._timeout = interval, timeout
        return self

    def wait(self) -> Any:
        from oslo_service import loopingcall

        end = _monotonic() + self._timeout
        while True:
            try:
                self._run()
            except loopingcall.LoopingCallDone as done:
                return done.retvalue
            if self._timeout and _monotonic() > end:
                raise loopingcall.LoopingCallTimeOut("timed out")
            _sleep(self._interval)

    def stop(self) -> None:
        pass


class Thread:
    """Stands for threading.Thread in the notifier: its loops."""

    def __init__(self, target: Any = None, args: Any = (), kwargs: Any = None, **_: Any) -> None:
        self._start = lambda: target(*args, **(kwargs or {}))

    def start(self) -> None:
        task, found = kernel.current(), kernel.ACTIVE
        if task is not None and found is not None:
            found.spawn(task.process, self._start).poller = True

    def join(self, timeout: float | None = None) -> None:
        pass


class Aside(Thread):
    """Stands for threading.Thread where something is done aside, and ends."""

    def start(self) -> None:
        task, found = kernel.current(), kernel.ACTIVE
        if task is not None and found is not None:
            found.spawn(task.process, self._start)


class Inline(Thread):
    """Stands for threading.Thread where the answers are waited for at once."""

    def start(self) -> None:
        self._start()


def _internal_lock(name: str, semaphores: Any = None, **_: Any) -> kernel.Lock:
    task = kernel.current()
    if task is None:
        return kernel.Lock()
    return task.process.locks.setdefault(name, kernel.Lock())


def install() -> None:
    """Replace what leaves a process, then import Masakari and this project's package."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    time.time, time.monotonic, time.sleep = _time, _monotonic, _sleep
    time.clock_gettime = lambda clock: _monotonic()
    uuid.uuid4 = _uuid4
    socket.gethostname, socket.create_connection = _hostname, _connect  # type: ignore[assignment]
    sys.path[:0] = [str(SOURCE / "src")]
    from simulation.models.masakari import database

    database.configure()
    _patch_masakari()
    threading.Thread.start = _start_thread  # type: ignore[method-assign]
    # Wherever it is imported from now on, in the middle of a function, too.
    concurrent.futures.ThreadPoolExecutor = Pool  # type: ignore[misc, assignment]
    real = pathlib.Path
    pathlib.Path = vfs.UnitPath  # type: ignore[misc]
    try:
        for path in sorted((SOURCE / "src").rglob("*.py")):
            if path.stem not in ("__init__", "__main__"):
                name = ".".join(path.relative_to(SOURCE / "src").with_suffix("").parts)
                importlib.import_module(name)
    finally:
        pathlib.Path = real  # type: ignore[misc]
    _patch_package()
    database.options()


def _patch_masakari() -> None:
    from masakari import utils
    from masakari.api import utils as api_utils
    from masakari.compute import nova
    from masakari.engine import manager
    from masakari.engine import utils as engine_utils
    from masakari.engine.drivers.taskflow import host_failure, instance_failure, process_failure
    from oslo_utils import timeutils

    nothing: Any = lambda *args, **kwargs: None  # noqa: E731
    timeutils.utcnow = _utcnow
    nova.novaclient = lambda context, timeout=None: NOVA[0]()
    for module in (host_failure, instance_failure, process_failure):
        call = types.SimpleNamespace(**vars(module.loopingcall))
        call.FixedIntervalWithTimeoutLoopingCall = LoopingCall
        module.loopingcall = call
    host_failure.eventlet = types.SimpleNamespace(sleep=_sleep)
    host_failure.greenpool = types.SimpleNamespace(GreenPool=Pool)
    utils.lockutils = types.SimpleNamespace(internal_lock=_internal_lock)
    # Versioned notifications are for others, and off by default.
    for module in (api_utils, engine_utils):
        for name in dir(module):
            if name.startswith("notify_about_"):
                setattr(module, name, nothing)
    manager.driver = types.SimpleNamespace(load_masakari_driver=lambda *args: _driver())
    flows.replace(SOURCE)


class _Trace(logging.Handler):
    """What the programs log, among the events of a trace."""

    def emit(self, record: logging.LogRecord) -> None:
        task, found = kernel.current(), kernel.ACTIVE
        if task is not None and found is not None and found.tracing and not found.closed:
            error = f" [{record.exc_info[1]!r}]" if record.exc_info else ""
            found.trace(task.process.name, f"log: {record.getMessage()[:300]}{error}")


def show_logs() -> None:
    """Have what is logged appear in traces."""
    logging.disable(logging.NOTSET)
    root = logging.getLogger()
    root.handlers[:] = [_Trace()]
    root.setLevel(logging.WARNING)
    for name, level in (("masakari_fencing", logging.INFO), ("masakari", logging.WARNING)):
        logging.getLogger(name).setLevel(level)


class _Os:
    """The module `os`, with the process identifiers of the simulation."""

    def __getattr__(self, name: str) -> Any:
        return _getpid if name == "getpid" else getattr(os, name)


def _driver() -> Any:
    """Return what the entry point `fencing_driver` names, which masakari.conf asks for."""
    from masakari_fencing.workflow.driver import FencingDriver

    return FencingDriver()


def _patch_package() -> None:
    from masakari_fencing import commands, files, times
    from masakari_fencing.notifier import daemon
    from masakari_fencing.pacemaker import crm_mon, properties, remote_nodes, tools
    from masakari_fencing.records import disarmed, recoveries

    def run(self: Any, argv: Any, *, check: bool = True, **options: Any) -> Any:
        result = COMMANDS[0].run(argv, **options)
        if check:
            result.check_returncode()
        return result

    commands.Subprocess.run = run  # type: ignore[method-assign]
    files.replace = vfs.replace
    daemon.wait = lambda wake, seconds: wake.wait(seconds)
    for name, module in list(sys.modules.items()):
        if name.startswith("masakari_fencing."):
            _patch_module(module, module is daemon)
    # The same text means the same, and so does the same tree of one: it is read once.
    for read in (
        crm_mon.parse_status, tools.parse, tools.parse_time, times.epoch, recoveries.all_of,
        recoveries.parse, remote_nodes.addresses, disarmed.left, disarmed.all_of,
        properties.remotes, properties.unserved,
    ):  # fmt: skip
        remembering = _remembering(read)
        for name, module in list(sys.modules.items()):
            if name.startswith("masakari_fencing.") and vars(module).get(read.__name__) is read:
                setattr(module, read.__name__, remembering)


def _patch_module(module: Any, polls: bool) -> None:
    """Replace what a module has imported that leaves the process."""
    found = vars(module)
    thread = Thread if polls else Aside
    if "queue" in found:
        # Its threads' answers are waited for in a queue.
        thread = Inline
    stands = {
        "threading": types.SimpleNamespace(Thread=thread, Lock=kernel.Lock),
        "greenpool": types.SimpleNamespace(GreenPool=Pool),
        "os": _Os(),
        "http": _no_http(),
    }
    for name, stand in stands.items():
        if name in found:
            setattr(module, name, stand)


def _remembering(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Remember what a function returns; nobody changes it, nor what it is given."""
    known: dict[Any, Any] = {}

    def remembered(text: Any) -> Any:
        found = known.get(text)
        if found is None:
            if len(known) > 200:
                known.clear()
            found = known[text] = read(text)
        return found

    return remembered


def _no_http() -> Any:
    import http.client

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionRefusedError(111, "no witness")

    connection = lambda *args, **kwargs: types.SimpleNamespace(  # noqa: E731
        request=refuse, close=lambda: None
    )
    client = types.SimpleNamespace(
        HTTPConnection=connection, HTTPException=http.client.HTTPException
    )
    return types.SimpleNamespace(client=client)
