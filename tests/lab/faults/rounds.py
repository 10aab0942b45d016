"""One round of a campaign in the lab: guests in several states, the faults, and the judgement."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import kinds
from campaign import GUEST, HARMLESS, PHASES, TWO, Round
from cures import Obedient
from jujulab.cloud.connection import CloudError
from jujulab.cloud.console import StepError
from jujulab.trials import verdict
from jujulab.trials.failover import Failover
from jujulab.trials.watch import PREFIX, RECOVERY_TIMEOUT, TrialError
from jujulab.waiting import poll

QUIET = 12.0
"""Seconds after something harmless in which a fencing would have happened: it takes about 10."""

WELL = RECOVERY_TIMEOUT + 360.0
"""Seconds until every guest is well: a rebuild whose end Nova cannot write down is waited for
during 360 (`SPAWN_LIMIT` of masakari_fencing)."""

RUNS, OFF = "active", "stopped"


@dataclass(frozen=True)
class Expected:
    """How a guest has to be at the end, which is how it was before the fault.

    Attributes:
        state: Nova's `vm_state`: `RUNS` or `OFF`.
        locked: its owner locked it.
    """

    state: str = RUNS
    locked: bool = False


MIXED = (Expected(), Expected(OFF), Expected(locked=True), Expected(OFF, locked=True))
"""What the last guest of a hypervisor may be like; the others run."""


class RoundTrial(Failover):
    """A trial of one round, whose guests are not all alike."""

    expected: dict[str, Expected]

    def run(self, one: Round, plain: str) -> None:
        """Run a round and judge it.

        Args:
            one: the round.
            plain: the hypervisor whose machine has no member of the cluster.

        Raises:
            TrialError: with a sentence for everything that went wrong.
        """
        chance = one.chance()
        hosts = self._choose(one, plain, chance)
        lost = () if one.shape in (HARMLESS, GUEST) else hosts
        self._fill(hosts, chance)
        with self.watched(f"round {one.number}: {one} ({', '.join(hosts)})"):
            with ThreadPoolExecutor(1) as beside:
                harmless = one.shape == HARMLESS
                others = beside.submit(self._accompany, one, lost) if harmless else None
                for kind, host in zip(one.kinds, hosts, strict=True):
                    kinds.BY_NAME[kind](self, self.machine(host))
                    if harmless:
                        self.await_no_power_cut(QUIET)
                (others or beside.submit(self._accompany, one, lost)).result()
            self._await_well(lost, hosts if one.shape == GUEST else ())

    def _choose(self, one: Round, plain: str, chance: random.Random) -> tuple[str, ...]:
        """Return the hypervisors. Two that each have a member would take the quorum along."""
        hosts = self.hypervisors()
        if one.shape == TWO:
            return (plain, chance.choice([host for host in hosts if host != plain]))
        return tuple(chance.sample(hosts, len(one.kinds)))

    def _fill(self, hosts: Collection[str], chance: random.Random) -> None:
        """Boot guests on these hypervisors, one of them tagged, and one on another one."""
        homes = {f"{PREFIX}{host.split('.')[0]}-{n}": host for host in hosts for n in (1, 2, 3)}
        tagged = [name for name in homes if name.endswith("-1")]
        last = [name for name in homes if name.endswith("-3")]
        others = [host for host in self.hypervisors() if host not in hosts]
        homes |= {f"{PREFIX}other": host for host in others[-1:]}
        self.expected = dict.fromkeys(homes, Expected())
        try:
            self.boot(homes, ha_enabled=tagged)
        except StepError:
            # An answer that the round before has lost may cost Nova one of them.
            self.boot(homes, ha_enabled=tagged)
        for name in last:
            self.expected[name] = expected = chance.choice(MIXED)
            if expected.state == OFF:
                self.act(name, "os-stop")
                self.await_status_of(name, "SHUTOFF")
            if expected.locked:
                self.act(name, "lock")

    def forget(self, name: str) -> None:
        """Expect nothing of it in the round, either."""
        super().forget(name)
        self.expected.pop(name, None)

    def _accompany(self, one: Round, lost: tuple[str, ...]) -> None:
        """Break everything else, each when its time comes."""
        begun = []
        with ThreadPoolExecutor(max(1, len(one.companions))) as threads:
            for phase, companions in groupby(one.companions, lambda companion: companion.phase):
                # Where something else keeps the recovery from this, they come all the same.
                if phase != PHASES[0]:
                    poll(lambda: bool(self._seen(phase)), RECOVERY_TIMEOUT / 3, 0.05)  # noqa: B023
                since = time.monotonic()
                for companion in companions:
                    time.sleep(max(0.0, since + companion.delay - time.monotonic()))
                    self.say(f"now: {companion.kind}")
                    situation = kinds.Situation(self, lost, one.chance(companion.kind))
                    begun.append(threads.submit(kinds.BY_NAME[companion.kind], situation))
        for ended in begun:
            ended.result()

    def _await_well(self, lost: Collection[str], killed: Collection[str]) -> None:
        """Do what the status says until every guest is as it has to be; then judge everything."""
        operator = Obedient(self)

        def well() -> bool:
            operator.stop_what_is_named()
            try:
                return not list(self._wrong(lost, killed))
            except CloudError:
                return False  # What a fault has taken away is not quite back.

        poll(well, WELL, 1)
        self.repairs.close()
        problems = self._unsafe(lost)
        problems += verdict.out_of_service(self.cloud.compute_services(), lost)
        problems += self._wrong(lost, killed)
        if problems:
            raise TrialError("\n".join(problems))

    def _wrong(self, lost: Collection[str], killed: Collection[str]) -> Iterator[str]:
        """Yield what is wrong with the guests."""
        for seen in self._sightings():
            expected = self.expected[seen.guest]
            if seen.state != expected.state:
                yield f"{seen.guest} is {seen.state}, not {expected.state}"
            if seen.locked != expected.locked:
                yield f"{seen.guest} is {'locked' if seen.locked else 'not locked any more'}"
            silent = seen.silent > verdict.SILENCE
            if silent and expected.state == RUNS:
                yield f"{seen.guest} has been silent for {seen.silent:.0f} s"
            if not silent and expected.state == OFF:
                yield f"{seen.guest} writes to its disk, and its owner had stopped it"
            again = seen.home in lost or (seen.home in killed and seen.guest.endswith("-1"))
            if expected.state == RUNS and again != bool(seen.restarts):
                yield f"{seen.guest} was {'not ' if again else ''}started again"
            if seen.home not in lost and seen.host != seen.home:
                yield f"{seen.guest} was moved from {seen.home} to {seen.host}"
