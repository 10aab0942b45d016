"""Charm processes take turns in the order in which they asked."""

import threading
import time

from jujulab.engine.agent.slots import Slots

PATIENCE = 30.0


def test_who_goes_out_and_asks_again_stands_behind_those_who_wait():
    slots, ran = Slots(1), []

    def work(name: str) -> None:
        with slots:
            ran.append(name)

    slots.__enter__()
    threads = []
    for name in ("first", "second"):
        thread = threading.Thread(target=work, args=(name,))
        thread.start()
        threads.append(thread)
        deadline = time.monotonic() + PATIENCE
        while len(slots._waiting) < len(threads):
            assert time.monotonic() < deadline
            time.sleep(0.001)
    slots.__exit__()
    work("again")
    for thread in threads:
        thread.join(PATIENCE)
    assert ran == ["first", "second", "again"]


def test_no_more_run_at_once_than_there_are_slots():
    slots, running, most = Slots(3), set(), []

    def work(name: int) -> None:
        for _ in range(20):
            with slots:
                running.add(name)
                most.append(len(running))
                time.sleep(0.0005)
                running.discard(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(most) == 160 and max(most) == 3
