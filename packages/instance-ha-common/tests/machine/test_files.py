import os

import pytest
from instance_ha_common.machine import files
from instance_ha_common.testing import RecordedOwnership


def test_first_write_makes_parents_and_reports_a_change(tmp_path):
    path = tmp_path / "a/b"
    assert files.write(path, "text", mode=0o640, ownership=RecordedOwnership())
    assert path.read_text() == "text"
    assert path.stat().st_mode & 0o7777 == 0o640


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("other"),
        lambda path: path.chmod(0o666),
        lambda path: (path.unlink(), path.symlink_to("/dev/null")),
    ],
    ids=["content", "mode", "symlink"],
)
def test_any_difference_is_repaired_and_reported_once(tmp_path, change):
    owners = RecordedOwnership()
    path = tmp_path / "file"
    files.write(path, b"data", ownership=owners)
    assert not files.write(path, b"data", ownership=owners)
    change(path)
    assert files.write(path, b"data", ownership=owners)
    assert not path.is_symlink()
    assert path.read_bytes() == b"data"
    assert not files.write(path, b"data", ownership=owners)


def test_another_owner_is_a_difference(tmp_path):
    owners = RecordedOwnership()
    path = tmp_path / "file"
    files.write(path, "x", group="root", ownership=owners)
    assert files.write(path, "x", group="haclient", ownership=owners)
    assert owners.owners[path] == ("root", "haclient")


def test_content_is_never_there_with_a_wrong_mode_or_owner(tmp_path):
    seen = []

    class Watcher(RecordedOwnership):
        def set(self, fd, path, user, group):
            status = os.fstat(fd)
            seen.append((status.st_size, status.st_mode & 0o077))
            super().set(fd, path, user, group)

    files.write(tmp_path / "secret", "x" * 100, mode=0o644, ownership=Watcher())
    assert seen == [(0, 0)]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    files.write(path, "old", ownership=RecordedOwnership())
    with pytest.raises(KeyError):
        files.write(path, "new", user="no-such-user-here")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_system_ownership_gives_and_recognises_files(tmp_path):
    import grp
    import pwd

    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    path = tmp_path / "file"
    assert files.write(path, "x", user=user, group=group)
    assert not files.write(path, "x", user=user, group=group)
    assert path.stat().st_uid == os.getuid()


def test_remove_says_whether_there_was_anything(tmp_path):
    path = tmp_path / "file"
    path.touch()
    assert files.remove(path)
    assert not files.remove(path)
    assert not files.remove(tmp_path / "no" / "file")
