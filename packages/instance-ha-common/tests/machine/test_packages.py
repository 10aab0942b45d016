import pytest
from instance_ha_common.machine.commands import CommandError
from instance_ha_common.machine.packages import Apt
from instance_ha_common.testing import FakeRunner

INSTALLED = "a\tii \t1.0\nb\trc \t2.0\nc\tii \t1:3\n"


@pytest.fixture
def runner():
    runner = FakeRunner()
    runner.answer(["dpkg-query"], INSTALLED)
    return runner


def apt_calls(runner):
    return [call for call in runner.calls if call[0] == "apt-get"]


def test_removed_packages_with_leftover_configuration_are_not_installed(runner):
    apt = Apt(runner)
    assert apt.installed(["a", "b", "c", "d"]) == {"a": "1.0", "c": "1:3"}
    assert apt.version("b") is None
    assert apt.installed([]) == {}


def test_a_package_on_hold_is_installed_and_a_broken_one_is_not(runner):
    runner.answer(["dpkg-query"], "a\thi \t1.0\nb\tiF \t2.0\nc\tit \t3.0\nd\tun \t\n")
    assert Apt(runner).installed(["a", "b", "c", "d"]) == {"a": "1.0", "c": "3.0"}


def test_available_reads_the_archives(runner):
    runner.answer(["apt-cache"], "Package: a\nVersion: 1\n\nPackage: extra\n")
    assert Apt(runner).available(["a", "b"]) == {"a"}
    assert Apt(runner).available([]) == set()


def test_only_missing_packages_are_installed_in_one_transaction(runner):
    assert Apt(runner).install(["c", "e", "b"])
    (call,) = apt_calls(runner)
    assert call[-3:] == ["install", "b", "e"]
    assert "--no-install-recommends" in call


def test_nothing_is_run_when_all_is_there(runner):
    assert not Apt(runner).install(["a", "c"])
    assert not Apt(runner).remove(["b"])
    assert apt_calls(runner) == []


def test_upgrade_names_installed_packages_too(runner):
    assert Apt(runner).install(["a"], upgrade=True)
    assert apt_calls(runner)[0][-2:] == ["install", "a"]


def test_remove_and_update(runner):
    apt = Apt(runner)
    apt.update()
    assert apt.remove(["a", "b"])
    assert [call[-2:] for call in apt_calls(runner)][1] == ["remove", "a"]
    assert apt_calls(runner)[0][-1] == "update"


def test_a_failing_apt_raises(runner):
    runner.answer(["apt-get"], (100, "E: held broken packages"))
    with pytest.raises(CommandError, match="held broken"):
        Apt(runner).install(["e"])
