"""The campaign of faults in the lab: which rounds it has, and how it goes on."""

import collections
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from charm_sources import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "packages/masakari-fencing/src"))

from masakari_fencing.records.recovery import Instance, described
from masakari_fencing.workflow.instances.requests import may_run

FAULTS = REPOSITORY / "tests" / "lab" / "faults"


@pytest.fixture
def cures(monkeypatch):
    monkeypatch.syspath_prepend(str(FAULTS))
    import cures

    yield cures
    sys.modules.pop("cures", None)


@pytest.fixture
def campaign(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FAULTS))
    import campaign

    monkeypatch.setattr(campaign, "JOURNALS", tmp_path)
    yield campaign
    for name in ("campaign", "kinds"):
        sys.modules.pop(name, None)


def test_a_seed_says_what_happens(campaign):
    first, second = (list(campaign.rounds(7, 100)) for _ in range(2))
    assert first == second
    assert [str(one) for one in first] != [str(one) for one in campaign.rounds(8, 100)]


def test_a_campaign_of_five_hundred_faults_has_every_kind(campaign):
    rounds = list(campaign.rounds(1, 500))
    seen = collections.Counter(
        name for one in rounds for name in (*one.kinds, *(c.kind for c in one.companions))
    )
    assert sum(seen.values()) >= 500
    assert set(seen) == set(campaign.kinds.BY_NAME)
    assert len(seen) >= 20
    assert {one.shape for one in rounds} == set(campaign.SHAPES)


def test_what_was_run_is_not_run_again_but_what_failed_is(campaign, monkeypatch):
    monkeypatch.setenv("LAB_FAULTS", "10")
    monkeypatch.setenv("LAB_SEED", "3")
    first, second, *others = campaign.pending()
    journal = campaign.Journal(3)
    journal.write(first, 61.0, None)
    journal.write(second, 300.0, "TrialError: a guest ran twice")
    assert campaign.pending() == others
    text, well = campaign.summary(3, 10)
    assert "a guest ran twice" in text
    assert not well
    journal.repeat_failures()
    assert campaign.pending() == [second, *others]


def test_what_failed_before_is_not_forgotten(campaign, monkeypatch):
    commits = iter(["abc1234", "abc1234", "def5678", "def5678"])
    monkeypatch.setattr(campaign, "_commit", lambda: next(commits))
    first, second, *_ = campaign.rounds(3, 25)
    journal = campaign.Journal(3)
    for one in (first, second):
        journal.write(one, 300.0, "TrialError: a guest ran twice")
    journal.repeat_failures()
    assert journal.read() == {}
    journal.write(first, 60.0, None)
    journal.write(second, 60.0, "TrialError: a guest stays down")
    for _ in range(2):
        # An older line has no commit.
        journal.path.write_text(journal.path.read_text().replace(', "commit": "def5678"', ""))
        journal.repeat_failures()
    text, well = campaign.summary(3, 25)
    assert not well
    assert f"round {first.number} at commit abc1234: TrialError: a guest ran twice" in text
    assert f"round {second.number} at commit unknown: TrialError: a guest stays down" in text
    assert text.endswith("0 violations; 2 rounds failed before, 1 of them were run again")


def test_a_line_says_of_which_commit_it_is(campaign, monkeypatch, tmp_path):
    def commit():
        campaign.Journal(3).write(next(campaign.rounds(3, 10)), 60.0, None)
        return json.loads(campaign.Journal(3).path.read_text().splitlines()[-1])["commit"]

    command = ["git", "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert commit() == (answer.stdout.strip() or "unknown")
    monkeypatch.setattr(campaign, "REPOSITORY", tmp_path)
    assert commit() == "unknown"


def test_a_campaign_is_well_when_every_round_was(campaign):
    for one in campaign.rounds(3, 10):
        campaign.Journal(3).write(one, 60.0, None)
    text, well = campaign.summary(3, 10)
    assert well
    assert text.endswith("0 violations; 0 rounds failed before, 0 of them were run again")


def test_a_line_that_was_cut_short_is_no_result(campaign, monkeypatch):
    monkeypatch.setenv("LAB_FAULTS", "10")
    monkeypatch.setenv("LAB_SEED", "3")
    first, *_ = campaign.pending()
    journal = campaign.Journal(3)
    journal.write(first, 61.0, None)
    whole = journal.path.read_text()
    journal.path.write_text(whole[: len(whole) // 2])
    assert first in campaign.pending()
    journal.repeat_failures()
    assert journal.read() == {}
    journal.write(first, 61.0, None)
    assert json.loads(journal.path.read_text())["round"] == 0


def test_two_labs_share_the_rounds(campaign, monkeypatch):
    monkeypatch.setenv("LAB_FAULTS", "30")
    shares = []
    for share in ("1/2", "2/2"):
        monkeypatch.setenv("LAB_SHARE", share)
        shares.append([one.number for one in campaign.pending()])
    assert not set(shares[0]) & set(shares[1])
    assert sorted(shares[0] + shares[1]) == [one.number for one in campaign.rounds(1, 30)]
    assert abs(len(shares[0]) - len(shares[1])) <= 1


def test_each_lab_is_deployed_anew_while_that_helps(campaign, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "lab"))
    started = []

    def run(command, *, env, stdout, **_options):
        """Do two rounds of those that are left, and break; the second lab breaks at once."""
        started.append((env["LAB_HOME"], env["LAB_SHARE"], stdout and Path(stdout.name).name))
        with monkeypatch.context() as inside:
            for name in ("LAB_FAULTS", "LAB_SEED", "LAB_SHARE"):
                inside.setenv(name, env[name])
            for one in campaign.pending()[:2] if env["LAB_SHARE"] == "1/2" else ():
                campaign.Journal(4).write(one, 60.0, None)

    monkeypatch.setattr(campaign.subprocess, "run", run)
    monkeypatch.setattr(campaign, "_commit", lambda: "abc1234")
    # One after the other: what they set in the environment is the process's.
    monkeypatch.setattr(campaign, "ThreadPoolExecutor", lambda _labs: ThreadPoolExecutor(1))
    assert campaign.main(["--count", "15", "--seed", "4", "--labs", "2"]) == 1
    first = [entry for entry in started if entry[1] == "1/2"]
    (second,) = [entry for entry in started if entry[1] == "2/2"]
    rounds = list(campaign.rounds(4, 15))
    assert len(first) == (len(rounds[::2]) + 1) // 2
    assert {home for home, *_ in first} == {str(tmp_path / "lab")}
    assert second == (str(tmp_path / "lab-2"), "2/2", "lab-2.log")
    assert f"in {len(rounds[::2])} of {len(rounds)} rounds" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--count", "0"], ["--count", "5", "--labs", "0"]])
def test_less_than_one_is_refused(campaign, capsys, words):
    with pytest.raises(SystemExit):
        campaign.main(words)
    assert "at least one" in capsys.readouterr().err


def test_an_operator_stops_what_the_status_has_stopped_and_nothing_else(cures):
    """The words are the package's own."""
    one, other, third = (f"{n}0000000-1111-4222-8333-444444444444" for n in "abc")
    left = [
        Instance(one, "active", outcome="Nova refuses: in use (HTTP 409)"),
        Instance(other, "active", outcome=f"exists; {may_run(['node2.maas'])}"),
        Instance(third, "paused", outcome=may_run(["node3.maas", "node4.maas"])),
    ]
    text = f"Instances left behind on host 'node1.maas': {described(left)}"
    assert list(cures.to_be_stopped(text)) == [
        (other, "node2.maas"),
        (third, "node3.maas"),
        (third, "node4.maas"),
    ]
    assert list(cures.to_be_stopped(text.replace("stop it there", ""))) == []
