import hashlib
import zipfile
from pathlib import Path

import pytest
from jujulab.image import recipe


class Builder:
    """Runs nothing; notes the commands and answers some."""

    def __init__(self, folder, answers=()):
        self.root = folder / "root"
        self.downloads = folder / "downloads"
        self.root.mkdir()
        self.downloads.mkdir()
        self.answers = dict(answers)
        self.commands = []

    def host(self, *argv):
        self.commands.append(argv)

    def inside(self, *argv):
        self.commands.append(argv)
        return next((text for words, text in self.answers.items() if words in argv), "")


def test_the_hosts_way_to_a_mirror_is_taken_over_and_nothing_else():
    dump = """\
APT::Install-Recommends "1";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3142";
Acquire::https::Verify-Peer "false";
Acquire::Check-Valid-Until "false";
Acquire::Languages:: "none";
Acquire::Retries "3";
Dir::State::status "/var/lib/dpkg/status";
"""
    assert recipe.host_apt_settings(dump) == (
        'Acquire::http::Proxy "http://proxy.example:3142";\n'
        'Acquire::https::Verify-Peer "false";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Acquire::Retries "3";\n'
    )


def test_what_is_held_back_is_not_installed_but_its_dependencies_are(tmp_path):
    plan = "Inst haproxy (2.6)\nInst liblua5.3-0 (5.3)\nConf liblua5.3-0\nInst pacemaker (2.1)\n"
    build = Builder(tmp_path, {"--simulate": plan})
    recipe.install_packages(build)
    (installed,) = (c for c in build.commands if "install" in c and "--simulate" not in c)
    assert "liblua5.3-0" in installed
    assert "mariadb-server" in installed
    assert not set(recipe.HELD_BACK) & set(installed)


def test_install_sets_are_held_back_and_never_hold_both_pacemakers():
    for names in recipe.INSTALL_SETS:
        assert set(names) <= set(recipe.HELD_BACK)
        assert not {"pacemaker", "pacemaker-remote"} <= set(names)


def test_a_missing_dependency_fails_the_build(tmp_path):
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    recipe.check(Builder(tmp_path / "good", {"haproxy": "Inst haproxy (2.6)\n"}))
    with pytest.raises(ValueError, match="lacks liblua"):
        recipe.check(Builder(tmp_path / "bad", {"haproxy": "Inst liblua5.3-0 (5.3)\n"}))


class Pip(Builder):
    """Downloads a wheel that holds one file of TaskFlow's migrations."""

    def host(self, *argv):
        super().host(*argv)
        folder = Path(next(word for word in argv if word.startswith("--dest="))[7:])
        with zipfile.ZipFile(folder / "taskflow-5.0.0-py3-none-any.whl", "w") as archive:
            for name in ("alembic/env.py", "models.py"):
                member = zipfile.ZipInfo(f"taskflow/persistence/backends/sqlalchemy/{name}")
                archive.writestr(member, "x = 1\n")


def test_only_the_pinned_wheel_is_taken(tmp_path, monkeypatch):
    build = Pip(tmp_path)
    with pytest.raises(ValueError, match="not the pinned taskflow"):
        recipe.mend_taskflow(build)
    wheel = next(build.downloads.rglob("*.whl"))
    pinned = recipe.Wheel("taskflow==5.0.0", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(recipe, "TASKFLOW", pinned)
    recipe.mend_taskflow(build)
    backend = build.root / "usr/lib/python3/dist-packages/taskflow/persistence/backends/sqlalchemy"
    assert (backend / "alembic/env.py").exists()
    assert not (backend / "models.py").exists()


def test_every_enabled_service_is_disabled_but_the_message_bus(tmp_path):
    listing = (
        "nova-compute.service enabled enabled\ndbus.service enabled\nremote-fs.target enabled\n"
    )
    build = Builder(tmp_path, {"list-unit-files": listing})
    links = build.root / "etc/rc2.d"
    links.mkdir(parents=True)
    (links / "S01keystone").touch()
    (links / "K01glance-api").touch()
    recipe.quiesce(build)
    assert ("systemctl", "disable", "nova-compute.service") in build.commands
    assert [c for c in build.commands if c[0] == "update-rc.d"] == [
        ("update-rc.d", "keystone", "disable")
    ]


def test_the_machines_have_the_local_repository_as_only_source(tmp_path):
    build = Builder(tmp_path)
    for name in ("apt/sources.list.d/x.sources", "apt/apt.conf.d/99mmdebstrap", "hostname"):
        (build.root / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
        (build.root / "etc" / name).write_text("x")
    policy = build.root / "usr/sbin/policy-rc.d"
    policy.parent.mkdir(parents=True)
    policy.touch()
    recipe.configure(build)
    sources = [p for p in (build.root / "etc/apt").rglob("*sources*") if p.is_file()]
    assert [p.read_text() for p in sources] == ["deb [trusted=yes] file:/var/lib/lab-debs ./\n"]
    assert not policy.exists()
    assert not (build.root / "etc/apt/apt.conf.d/99mmdebstrap").exists()
    assert (build.root / "etc/machine-id").read_text() == ""


def test_the_repository_index_describes_the_packages(tmp_path):
    build = Builder(tmp_path, {"--field": "Package: haproxy\nVersion: 2.6\n"})
    folder = build.root / recipe.REPOSITORY
    folder.mkdir(parents=True)
    deb = folder / "haproxy_2.6_amd64.deb"
    deb.write_bytes(b"package")
    recipe.collect_held_back(build)
    index = (folder / "Packages").read_bytes()
    assert index.decode() == (
        "Package: haproxy\nVersion: 2.6\nFilename: ./haproxy_2.6_amd64.deb\nSize: 7\n"
        f"SHA256: {hashlib.sha256(b'package').hexdigest()}\n"
    )
    release = (folder / "Release").read_text()
    assert f" {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n" in release


def test_systemd_starts_no_generator(tmp_path):
    build = Builder(tmp_path)
    generators = build.root / "usr/lib/systemd/system-generators"
    generators.mkdir(parents=True)
    (generators / "systemd-sysv-generator").touch()
    recipe.turn_off_generators(build)
    off = build.root / "etc/systemd/system-generators/systemd-sysv-generator"
    assert off.readlink() == Path("/dev/null")
