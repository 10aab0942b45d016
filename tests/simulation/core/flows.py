"""Masakari's flows of tasks, run by taskflow, without what only tells what they have done."""

from __future__ import annotations

import contextlib
import importlib.metadata
import pathlib
import sys
import types
from collections.abc import Iterator
from typing import Any

GROUP = "masakari.task_flow.tasks"


def replace(package: pathlib.Path) -> None:
    """Have Masakari find its tasks at once, and taskflow write nothing down.

    Args:
        package: this project's, whose entry points are those of its own tasks.
    """
    from masakari.engine.drivers.taskflow import base, driver
    from taskflow import storage

    known: dict[str, Any] = {}

    def tasks(names: list[str], **kwargs: Any) -> Iterator[Any]:
        """Do as Masakari's own, from the same entry points, which are looked up only once."""
        if not known:
            known.update(_load(package))
        for name in names:
            yield known[name](**kwargs)

    base.get_recovery_flow = tasks
    for module in (base, driver.base):
        # It only logs.
        module.DynamicLogListener = lambda *args, **kwargs: contextlib.nullcontext()
    found = storage.Storage
    found._with_connection = lambda self, save, *details: save(_Forgetful, *details)
    found._save_atom_detail = found._save_atom_detail.__wrapped__
    found.set_task_progress = lambda *args, **kwargs: None
    storage.fasteners = types.SimpleNamespace(ReaderWriterLock=_NoLock)


def _load(package: pathlib.Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    points = list(importlib.metadata.entry_points(group=GROUP))
    own = tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"]
    points += [importlib.metadata.EntryPoint(*item, GROUP) for item in own[GROUP].items()]
    return {point.name: point.load() for point in points}


class _Forgetful:
    """Taskflow's connection to where it keeps what its tasks have done, which nobody reads."""

    @staticmethod
    def update_atom_details(detail: Any) -> Any:
        return detail

    update_flow_details = update_atom_details


class _NoLock:
    """Taskflow's lock on that: a process here has one thread."""

    read_lock = write_lock = contextlib.nullcontext
