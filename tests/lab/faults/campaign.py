"""Many faults, by chance: `make faults COUNT=500 SEED=1`, unattended, and resumable.

    python tests/lab/faults/campaign.py --count 500 --seed 1

A campaign is a row of rounds; its seed says what each of them is. A round loses one hypervisor or
two; or does what must not cost anybody anything; or kills a guest. Meanwhile other things break,
each when its time comes, however long what broke before takes. Every round is judged from outside,
and then the lab is made whole again. What came of a round is a line in
`.cache/faults/campaign-SEED.jsonl`: a campaign that is begun again goes on after the last line,
and runs the rounds again that failed, whose lines stay and are counted. Where the lab itself is
broken after a failure, it is deployed anew, up to `DEPLOYMENTS` times. With ``--labs 2`` the
rounds are shared between two labs beside each other; what the second one prints is in
`.cache/faults/lab-2.log`.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kinds
from jujulab import files

REPOSITORY = Path(__file__).resolve().parents[3]
JOURNALS = REPOSITORY / ".cache" / "faults"
DEPLOYMENTS = 10
"""Of a lab, at most, in one call."""

UNKNOWN = "unknown"
"""The commit, where there is no git, or no repository."""

LOST, TWO, HARMLESS, GUEST = "lost", "two lost", "harmless", "guest"
SHAPES = {LOST: 62, TWO: 16, HARMLESS: 14, GUEST: 8}
"""How often a round is of a kind, in percent."""

PHASES = ("fault", "fenced", "notified", "evacuating")
"""What a companion waits for; the recovery of one host goes through them in this order."""

WHEN = {GUEST: (PHASES[:1], 2.0), HARMLESS: (PHASES[:1], 40.0)}
"""After which phases the companions of a shape come, and at most how many seconds after that."""

BESIDE_A_GUEST = (
    kinds.kill_an_engine, kinds.restart_broker, kinds.restart_conductor, kinds.restart_keystone,
    kinds.kill_haproxy, kinds.restart_nova_api, kinds.kill_notifiers,
)  # fmt: skip
"""Companions for the death of a guest, which is over in two seconds."""

BESIDE_THE_HARMLESS = (
    *BESIDE_A_GUEST, kinds.kill_engines, kinds.restart_engines, kinds.restart_database,
    kinds.lose_the_scheduler, kinds.lose_the_api, kinds.lose_the_power_controller,
)  # fmt: skip
"""Companions for what must not cost anybody anything: none of them touches the cluster."""


@dataclass(frozen=True)
class Companion:
    """Something else that breaks.

    Attributes:
        kind: its name in `kinds`.
        phase: of `PHASES`.
        delay: seconds after that.
    """

    kind: str
    phase: str
    delay: float

    def __str__(self) -> str:
        """Say what and when."""
        return f"{self.kind} {self.delay:.1f} s after {self.phase}"


@dataclass(frozen=True)
class Round:
    """What happens in one round.

    Attributes:
        seed: the campaign's.
        number: from 0 on.
        shape: of `SHAPES`.
        kinds: of what is lost, or harmless, one for each hypervisor.
        companions: in the order in which they come.
    """

    seed: int
    number: int
    shape: str
    kinds: tuple[str, ...]
    companions: tuple[Companion, ...]

    @property
    def faults(self) -> int:
        """How many faults are injected."""
        return len(self.kinds) + len(self.companions)

    def chance(self, what: str = "inside") -> random.Random:
        """Return what decides everything else about the round, or about one of its companions."""
        return random.Random(f"{self.seed}/{self.number}/{what}")  # noqa: S311 - no secret

    def __str__(self) -> str:
        """Say what happens."""
        what = [f"{self.shape}: {', '.join(self.kinds)}", *map(str, self.companions)]
        return "; ".join(what)


def plan(seed: int, number: int) -> Round:
    """Return a round of a campaign: always the same one."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - no secret
    (shape,) = chance.choices(list(SHAPES), list(SHAPES.values()))
    companions: list[Callable[[kinds.Situation], None]] = []
    chosen: list[Callable[..., None]]
    if shape == LOST:
        chosen = [chance.choice(kinds.LOSSES)]
        companions = chance.sample(kinds.COMPANIONS, chance.choice((6, 7, 8, 9)))
    elif shape == TWO:
        chosen = [chance.choice(kinds.LOSSES) for _ in range(2)]
        companions = chance.sample(kinds.COMPANIONS, chance.choice((6, 7, 8)))
    elif shape == HARMLESS:
        chosen = chance.sample(kinds.HARMLESS, chance.choice((3, 4)))
        companions = chance.sample(BESIDE_THE_HARMLESS, chance.choice((4, 5)))
    else:
        chosen = [kinds.kill_the_guest]
        companions = chance.sample(BESIDE_A_GUEST, chance.choice((4, 5)))
    phases, seconds = WHEN.get(shape, (PHASES, 2.0))
    timed = [
        Companion(kind.__name__, chance.choice(phases), chance.uniform(0, seconds))
        for kind in companions
    ]
    timed.sort(key=lambda companion: (PHASES.index(companion.phase), companion.delay))
    names = tuple(kind.__name__ for kind in chosen)
    return Round(seed, number, shape, names, tuple(timed))


def rounds(seed: int, count: int) -> Iterator[Round]:
    """Yield the rounds of a campaign until they have so many faults."""
    number = injected = 0
    while injected < count:
        one = plan(seed, number)
        yield one
        number, injected = number + 1, injected + one.faults


class Journal:
    """What came of the rounds of a campaign.

    Args:
        seed: the campaign's.
    """

    def __init__(self, seed: int) -> None:
        self.path = JOURNALS / f"campaign-{seed}.jsonl"

    def read(self) -> dict[int, str | None]:
        """Return what went wrong in each round that was run, by number; None: nothing."""
        entries = [entry for entry in self._entries() if not entry.get("before")]
        return {entry["round"]: entry["problem"] for entry in entries}

    def failed_before(self) -> list[tuple[int, str, str]]:
        """Return round, commit and problem of what failed, and was or is to be run again."""
        return [
            (entry["round"], entry.get("commit", UNKNOWN), entry["problem"])
            for entry in self._entries()
            if entry.get("before")
        ]

    def _entries(self) -> list[dict[str, Any]]:
        """Return the lines; one that was cut short is none: its round is run again."""
        entries = []
        for line in (
            self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ()
        ):
            with contextlib.suppress(ValueError):
                entries.append(json.loads(line))
        return entries

    def write(self, one: Round, seconds: float, problem: str | None) -> None:
        """Add a round's line."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        entry = {
            "round": one.number, "faults": [*one.kinds, *(c.kind for c in one.companions)],
            "what": str(one), "seconds": round(seconds, 1), "problem": problem,
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": _commit(),
        }  # fmt: skip
        with self.path.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(entry) + "\n")

    def repeat_failures(self) -> None:
        """Have the rounds that failed run again; that they failed stays on record."""
        kept = [
            json.dumps(entry | {"before": True} if entry["problem"] else entry)
            for entry in self._entries()
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _commit() -> str:
    """Return what the code is of."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
        )
        return answer.stdout.strip() or UNKNOWN
    return UNKNOWN


def pending() -> list[Round]:
    """Return the rounds that this process is to run: LAB_FAULTS faults of the seed LAB_SEED.

    LAB_SHARE, such as ``1/2``, says which part of them is this lab's.
    """
    count, seed = int(os.environ["LAB_FAULTS"]), int(os.environ.get("LAB_SEED", "1"))
    share, labs = map(int, os.environ.get("LAB_SHARE", "1/1").split("/"))
    done = Journal(seed).read()
    return [
        one
        for one in rounds(seed, count)
        if one.number not in done and one.number % labs == share - 1
    ]


def summary(seed: int, count: int) -> tuple[str, bool]:
    """Return what came of a campaign so far, and whether all of it was run and is well."""
    wanted, done = list(rounds(seed, count)), Journal(seed).read()
    ran = [one for one in wanted if one.number in done]
    failed = [one for one in ran if done[one.number]]
    before = [entry for entry in Journal(seed).failed_before() if entry[0] < len(wanted)]
    again = {number for number, *_ in before if number in done}
    names = collections.Counter(
        name for one in ran for name in (*one.kinds, *(c.kind for c in one.companions))
    )
    lines = [f"{number:5} {name}" for name, number in names.most_common()]
    lines += [
        f"failed before: round {number} at commit {commit}: {problem}"
        for number, commit, problem in before
    ]
    lines += [f"FAILED round {one.number} ({one}): {done[one.number]}" for one in failed]
    lines.append(
        f"campaign of seed {seed}: {sum(one.faults for one in ran)} faults of {len(names)} kinds "
        f"in {len(ran)} of {len(wanted)} rounds, {len(failed)} violations; "
        f"{len({number for number, *_ in before})} rounds failed before, "
        f"{len(again)} of them were run again"
    )
    return "\n".join(lines), len(ran) == len(wanted) and not failed


class LabRun:
    """One of the labs, which runs its share of the rounds.

    Args:
        number: from 1 on; the first is the lab of all other commands.
        labs: how many there are.
        options: of the command line.
    """

    def __init__(self, number: int, labs: int, options: argparse.Namespace) -> None:
        home = files.lab_home()
        self._environment = os.environ | {
            "LAB_FAULTS": str(options.count),
            "LAB_SEED": str(options.seed),
            "LAB_SHARE": f"{number}/{labs}",
            "LAB_HOME": str(home if number == 1 else home.with_name(f"{home.name}-{number}")),
        }
        self._log = None if number == 1 else JOURNALS / f"lab-{number}.log"
        self._journal = Journal(options.seed)
        self._mine = {
            one.number
            for one in rounds(options.seed, options.count)
            if one.number % labs == number - 1
        }

    def run(self) -> None:
        """Run the rounds that are left, in a lab that is deployed anew where it broke."""
        test = Path(__file__).with_name("test_7_campaign.py")
        command = [sys.executable, "-m", "pytest", "-c", "tests/lab/pytest.ini", str(test)]
        for _ in range(DEPLOYMENTS):
            before = self._left()
            if not before:
                return
            with contextlib.ExitStack() as stack:
                log = None if self._log is None else stack.enter_context(self._log.open("ab"))
                subprocess.run(
                    command, cwd=REPOSITORY, env=self._environment, check=False,
                    stdout=log, stderr=log,
                )  # fmt: skip
            if self._left() == before:
                return

    def _left(self) -> set[int]:
        return self._mine - set(self._journal.read())


def main(argv: list[str]) -> int:
    """Run a campaign to its end; the exit status is 1 if a round failed or was not run."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, required=True, help="how many faults, at least")
    parser.add_argument("--seed", type=int, default=1, help="decides which (default 1)")
    parser.add_argument(
        "--labs", type=int, default=1,
        help="labs beside each other, 5 GiB of memory each (default 1)",
    )  # fmt: skip
    options = parser.parse_args(argv)
    for name in ("count", "labs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name}: at least one")
    Journal(options.seed).repeat_failures()
    with ThreadPoolExecutor(options.labs) as threads:
        runs = [LabRun(number + 1, options.labs, options) for number in range(options.labs)]
        try:
            for ended in [threads.submit(run.run) for run in runs]:
                ended.result()
        except KeyboardInterrupt:
            print("\ninterrupted; the same command goes on from here")
    text, well = summary(options.seed, options.count)
    print(text)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
