from pathlib import Path
from types import SimpleNamespace

import pytest
from jujulab import host
from jujulab.errors import LabError, cure


def test_limits_are_raised_never_lowered(tmp_path):
    for name in host.LIMITS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    low = tmp_path / "fs/inotify/max_user_instances"
    high = tmp_path / "fs/inotify/max_user_watches"
    low.write_text("128\n")
    high.write_text("99999999\n")
    host.raise_limits(tmp_path)
    assert int(low.read_text()) == host.LIMITS["fs/inotify/max_user_instances"] > 128
    assert high.read_text() == "99999999\n"
    assert not (tmp_path / "fs/aio-max-nr").exists()


def test_a_disk_that_is_too_full_is_told_before_anything_begins(tmp_path):
    host.check_space(tmp_path, 0)
    with pytest.raises(LabError, match=r"not enough free space.* of 1000000000 GB") as error:
        host.check_space(tmp_path, 10**9)
    assert "LAB_CACHE" in cure(str(error.value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("E: Failed to fetch x  Temporary failure resolving 'deb.debian.org'", "apt-get update"),
        ("E: Could not connect to debian.example:80, connection timed out", "apt-get update"),
        ("dpkg: error: failed to write (No space left on device)", "The disk is full"),
        ("[Errno 28] No space left on device: '/var/lib/juju-lab/x'", "goes on where it was"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend.", "Another program"),
    ],
)
def test_what_a_user_can_cure_is_said(text, words):
    assert words in cure(text)


def test_what_nobody_knows_a_cure_for_stays_as_it_is():
    assert cure("keystone/0 was not active within 900 s") == ""


def test_what_a_command_needs_beside_the_lab_is_installed_too(monkeypatch):
    ran = []

    def run(argv, **options):
        ran.append(argv)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(host.shutil, "which", lambda command, path: command != "unheard-of")
    monkeypatch.setattr(host, "ARCHIVE_KEYS", Path(__file__))
    monkeypatch.setattr(host.subprocess, "run", run)
    host.install_packages()
    assert ran == [], "nothing is missing"
    host.install_packages({"unheard-of": "its-package", "python3": "python3"})
    assert [argv[-1] for argv in ran] == ["update", "its-package"]
