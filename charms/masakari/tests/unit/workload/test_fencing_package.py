"""What is installed for masakari-engine, Pacemaker and systemd."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import stat
from pathlib import Path

import pytest
from masakari_fencing.records import tally
from ops import testing

import machine as machine_module
from machine import Machine
from model import complete
from workload import fencing_package


class TestInstallation:
    def test_what_is_where(self, ctx: testing.Context, machine: Machine) -> None:
        ctx.run(ctx.on.config_changed(), complete())
        home = "/usr/share/masakari-fencing/masakari_fencing"
        for path, mode in (
            (f"{home}/alert.py", 0o755),
            (f"{home}/workflow/host_tasks.py", 0o644),
            ("/usr/sbin/fence_masakari_guard", 0o755),
            ("/usr/local/lib/systemd/system/masakari-fencing-notifier.service", 0o644),
            ("/usr/local/lib/systemd/system/masakari-fencing-unblocker.service", 0o644),
            ("/usr/local/lib/systemd/system/masakari-fencing-exporter.service", 0o644),
            ("/usr/local/lib/systemd/system/masakari-fencing-keeper.service", 0o644),
        ):
            assert machine.host.mode(path) == mode, path
        assert machine.host.mode("/var/lib/masakari-fencing/spool") & stat.S_ISGID

    def test_entry_points_come_along_and_old_modules_go(
        self, machine: Machine, tmp_path: Path
    ) -> None:
        source = tmp_path / "site" / "masakari_fencing"
        (source / "data").mkdir(parents=True)
        (source / "__pycache__").mkdir()
        for name in ("__init__.py", "__pycache__/x.pyc", "data/fence_masakari_guard"):
            (source / name).write_text("")
        units = [
            f"masakari-fencing-{name}.service"
            for name in ("notifier", "unblocker", "exporter", "keeper")
        ]
        for unit in units:
            (source / "data" / unit).write_text("")
        info = source.parent / "masakari_fencing-0.1.dist-info"
        info.mkdir()
        for name in ("METADATA", "entry_points.txt", "RECORD"):
            (info / name).write_text(name)
        home = machine.host.path("/usr/share/masakari-fencing")
        for stale in ("masakari_fencing/old.py", "masakari_fencing-0.0.dist-info/METADATA"):
            machine.host.write(f"/usr/share/masakari-fencing/{stale}", "")
        installation = fencing_package.Installation(machine.host, source)
        first = installation.install()
        found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
        assert found == {
            "masakari_fencing/__init__.py",
            "masakari_fencing/data/fence_masakari_guard",
            *(f"masakari_fencing/data/{unit}" for unit in units),
            "masakari_fencing-0.1.dist-info/METADATA",
            "masakari_fencing-0.1.dist-info/entry_points.txt",
        }
        assert not (home / "masakari_fencing-0.0.dist-info").exists()
        assert installation.install() == first
        (source / "__init__.py").write_text("# new")
        assert installation.install() != first

    def test_a_package_without_folders_gives_way_to_one_with_them(self, machine: Machine) -> None:
        """Its `pacemaker.py` beside `pacemaker/` would be another module of the same name."""
        package = machine.host.path("/usr/share/masakari-fencing/masakari_fencing")
        for stale in ("pacemaker.py", "notifier.py", "__pycache__/pacemaker.cpython-310.pyc"):
            machine.host.write(f"/usr/share/masakari-fencing/masakari_fencing/{stale}", "")
        fencing_package.Installation(machine.host).install()
        for room in ("pacemaker", "notifier"):
            found = importlib.machinery.PathFinder.find_spec(room, [str(package)])
            assert found is not None
            assert found.origin == str(package / room / "__init__.py")
        assert not (package / "pacemaker.py").exists()

    def test_charm_packed_without_it(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(RuntimeError, match="packed without the package masakari_fencing"):
            fencing_package.Installation(machine.host).install()

    def test_directory_of_another_mode_is_put_right(
        self, ctx: testing.Context, machine: Machine
    ) -> None:
        ctx.run(ctx.on.config_changed(), complete())
        machine.host.path("/var/lib/masakari-fencing/spool").chmod(0o777)
        ctx.run(ctx.on.config_changed(), complete())
        assert machine.host.mode("/var/lib/masakari-fencing/spool") == 0o2770


def test_what_the_engine_leaves_has_a_place(ctx: testing.Context, machine: Machine) -> None:
    ctx.run(ctx.on.config_changed(), complete())
    for directory in (fencing_package.REFUSALS, str(tally.FILE.parent)):
        assert machine.host.path(directory).is_dir()


def test_without_pacemaker_nothing_is_joined(tmp_path: Path) -> None:
    made = machine_module.make(tmp_path, groups="hacluster:x:115:\n")
    assert not fencing_package.Installation(made.host).joined
    assert not fencing_package.Installation(made.host).join_cluster()
