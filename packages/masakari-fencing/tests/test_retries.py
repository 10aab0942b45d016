"""How often and when a recovery that has failed is tried again."""

from __future__ import annotations

import pytest
from masakari_fencing import retries
from masakari_fencing.retries import Retries, parse


def pauses(text: str) -> list[float | None]:
    return [parse(text).pause(failures) for failures in range(1, 8)]


def test_by_default_without_end_and_ever_less_often() -> None:
    assert pauses(retries.DEFAULT) == [2, 20, 60, 120, 300, 300, 300]
    assert str(parse(retries.DEFAULT)) == retries.DEFAULT
    assert parse(retries.DEFAULT).pause(0) == 2, "of a record that counts none"


def test_as_many_as_there_are_pauses() -> None:
    assert pauses(" 60,600 ") == [60, 600, None, None, None, None, None]
    assert pauses("") == pauses(" , ") == [None] * 7
    assert pauses("30, ...") == [30] * 7


@pytest.mark.parametrize("found", [Retries((1, 2)), Retries((5,), endless=True), Retries(())])
def test_what_is_written_is_read_again(found: Retries) -> None:
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["soon", "0", "-1", "1.5", "86401", "999999", "٣", "...", "..., 1", "1, ..., 2", "1 2",
     "1,...,...", "1\n2", ",".join(["1"] * 21)],
)  # fmt: skip
def test_what_is_no_list_of_pauses_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected at most 20 pauses in seconds"):
        parse(text)
