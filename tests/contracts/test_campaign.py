"""The campaign of faults in the lab: which rounds it has, and how it goes on."""

import collections
import json
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).resolve().parents[1] / "lab" / "faults"


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
    journal.forget_failures()
    assert campaign.pending() == [second, *others]


def test_a_campaign_is_well_when_every_round_was(campaign):
    for one in campaign.rounds(3, 10):
        campaign.Journal(3).write(one, 60.0, None)
    text, well = campaign.summary(3, 10)
    assert well
    assert text.endswith("0 violations")


def test_a_line_that_was_cut_short_is_no_result(campaign, monkeypatch):
    monkeypatch.setenv("LAB_FAULTS", "10")
    monkeypatch.setenv("LAB_SEED", "3")
    first, *_ = campaign.pending()
    journal = campaign.Journal(3)
    journal.write(first, 61.0, None)
    whole = journal.path.read_text()
    journal.path.write_text(whole[: len(whole) // 2])
    assert first in campaign.pending()
    journal.forget_failures()
    assert journal.read() == {}
    journal.write(first, 61.0, None)
    assert json.loads(journal.path.read_text())["round"] == 0
