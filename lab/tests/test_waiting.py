"""Waiting ends with the answer, or with the last trouble once the time is over."""

import threading

import pytest
from jujulab.waiting import answered, locked, poll


def test_what_comes_true_in_time_is_told_from_what_does_not():
    looks = iter((False, False, True))
    assert poll(lambda: next(looks), 5, 0.001)
    assert not poll(lambda: False, 0.01, 0.001)


def test_an_answer_is_waited_for_through_errors_of_its_kind_alone():
    tries = iter((KeyError("early"), KeyError("still early"), "answer", OSError("other")))

    def ask():
        found = next(tries)
        if isinstance(found, Exception):
            raise found
        return found

    assert answered(ask, KeyError, 5, 0.001) == "answer"
    with pytest.raises(OSError, match="other"):
        answered(ask, KeyError, 5, 0.001)


def test_the_last_error_is_raised_once_the_time_is_over():
    def ask():
        raise KeyError("late")

    with pytest.raises(KeyError, match="late"):
        answered(ask, KeyError, 0.01, 0.001)


def test_one_at_a_time_has_a_lock(tmp_path):
    order = []

    def second():
        with locked(tmp_path / "lock"):
            order.append("second")

    with locked(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
