"""The rounds of a campaign that are still to be run; see `campaign`."""

from __future__ import annotations

import time

import pytest
from campaign import Journal, Round, pending
from rounds import RoundTrial


@pytest.mark.parametrize("one", pending(), ids=lambda one: f"round-{one.number}")
def test_round(round_trial: RoundTrial, plain: str, one: Round) -> None:
    begun = time.monotonic()
    journal = Journal(one.seed)
    try:
        round_trial.run(one, plain)
    except Exception as error:
        journal.write(one, time.monotonic() - begun, f"{type(error).__name__}: {error}")
        raise
    # One that is interrupted has no result: it is run again.
    journal.write(one, time.monotonic() - begun, None)
