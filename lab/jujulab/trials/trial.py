"""A trial: guests on hypervisors, something that happens to these, and the judgement from outside.

See `verdict` for what is judged.
"""

import time
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from typing import Any

from jujulab.cloud.connection import CloudError
from jujulab.cloud.console import units
from jujulab.trials import verdict
from jujulab.trials.verdict import Evacuation, Sighting
from jujulab.trials.watch import PREFIX, RECOVERY_TIMEOUT, TrialError, Watch, insist
from jujulab.waiting import poll

WITHOUT_CAUSE = 25.0
"""Seconds in which a fencing without cause would have happened: it takes about 10."""


class Trial(Watch):
    """One fault and what comes of it.

    What has to come and does not, within its timeout in seconds, is a TrialError; so is what must
    not come and does.
    """

    def await_recovery(self, *lost: str) -> None:
        """Wait until all guests of the lost hypervisors are ACTIVE elsewhere and beat again.

        Nor are they locked any more, which they are while they are recovered.
        """
        names = self.victims(lost)

        def recovered() -> bool:
            return names <= self._seen("beats") and not self._astray(names, lost)

        if not poll(recovered, RECOVERY_TIMEOUT, 0.1):
            beating = sorted(names & self._seen("beats"))
            state = self._astray(names, lost)
            within = f"within {RECOVERY_TIMEOUT:g} s"
            raise TrialError(f"not recovered {within}: {state}; beating: {beating}")
        took = time.time() - self._since
        self.say(f"all {len(names)} guests of {', '.join(lost)} recovered after {took:.1f} s")

    def _astray(self, names: Collection[str], lost: Collection[str]) -> dict[str, str]:
        """Return the guests of these that are not ACTIVE on another hypervisor."""
        try:
            found = self.guests.find(PREFIX)
        except CloudError as error:
            return {"nova": str(error)}
        return {
            name: f"{server['status']}, {task} on {host}{', locked' if server['locked'] else ''}"
            for name in sorted(names)
            for server in (found[name],)
            for host, task in ((_host(server), server["OS-EXT-STS:task_state"]),)
            if server["status"] != "ACTIVE" or task or host in lost or server["locked"]
        }

    def await_nothing(self, seconds: float = WITHOUT_CAUSE) -> None:
        """Let so many seconds pass in which nothing may be fenced, moved or restarted."""
        self.await_no_power_cut(seconds)
        self.verify()

    def await_no_power_cut(self, seconds: float) -> None:
        """Let so many seconds pass in which no hypervisor may be switched off."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(1)
            off = self.switched_off()
            insist(not off, f"switched off without cause: {off}")

    def settle(self, timeout: float = RECOVERY_TIMEOUT) -> None:
        """Wait until the cluster is whole and at rest."""
        settled = poll(lambda: not self.cluster.unsettled(), timeout, 1)
        insist(settled, self.cluster.unsettled())

    def await_calm(self, window: float) -> None:
        """Wait until no hypervisor was fenced in the last `window` seconds."""
        poll(lambda: not self.cluster.fences(time.time() - window), window + 30, 1)

    def await_status(
        self, application: str, *texts: str, present: bool = True, timeout: float = 180
    ) -> None:
        """Wait until a status of an application's units says all of these texts, or none does."""

        def messages() -> list[str]:
            return [
                str(unit["workload-status"].get("message", ""))
                for name, unit in units(self.demo.console.status())
                if name.partition("/")[0] == application
            ]

        def said() -> bool:
            return any(all(text in message for text in texts) for message in messages())

        insist(poll(lambda: said() == present, timeout, 1), f"{application}: {messages()}")
        if present:
            told = next(m for m in messages() if all(text in m for text in texts))
            self.say(f"juju status: {application}: {told}")

    def switched_off(self) -> set[str]:
        """Return the hypervisors that MAAS switched off since the fault."""
        return {host for host, _ in self._judges.power_cuts(self._since)}

    def evacuations(self) -> list[Evacuation]:
        """Return Nova's evacuations of the trial's guests since the fault."""
        return self._judges.evacuations(self._names, self._since)

    def await_in_service(self, host: str) -> None:
        """Wait until a hypervisor's nova-compute has reported since the fault."""
        begun = datetime.fromtimestamp(time.time(), timezone.utc).replace(tzinfo=None)

        def reported() -> bool:
            return any(
                service["host"] == host
                and service["state"] == "up"
                and datetime.fromisoformat(service["updated_at"]) > begun
                for service in self.cloud.compute_services()
            )

        insist(poll(reported, RECOVERY_TIMEOUT, 1), f"nova-compute of {host} does not report")

    def await_restart(self, host: str) -> None:
        """Wait until the guests of a hypervisor that was fenced beat again where they were."""

        def beat() -> bool:
            seen = [item for item in self._sightings() if item.home == host]
            return all(
                item.host == host and item.restarts and item.silent <= verdict.SILENCE
                for item in seen
            )

        insist(poll(beat, RECOVERY_TIMEOUT, 1), f"the guests of {host} do not run there")

    def verify(
        self,
        *lost: str,
        interrupted: Collection[str] = (),
        restarted: Collection[str] = (),
        word: bool = False,
        powerless: bool = False,
    ) -> None:
        """Judge everything that happened since the fault.

        Args:
            lost: the hypervisors that had to be fenced, and their guests to be recovered.
            interrupted: hypervisors whose guests may have stopped, or been started again.
            restarted: the hypervisors that had to be fenced, and were in service again first.
            word: an operator has said that they are off, and MAAS has switched none.
            powerless: nothing could switch them off, and Ceph had to shut them out.
        """
        problems = self._unsafe([*lost, *restarted], word=word, powerless=powerless)
        problems += verdict.out_of_service(self.cloud.compute_services(), lost)
        problems += verdict.disturbed(self._sightings(), lost, [*interrupted, *restarted])
        insist(not problems, "\n".join(problems))

    def _unsafe(
        self, lost: Collection[str], *, word: bool = False, powerless: bool = False
    ) -> list[str]:
        return self._judges.unsafe(self._names, self._since, lost, word=word, powerless=powerless)

    def _sightings(self) -> Iterator[Sighting]:
        found = self.guests.find(PREFIX)
        for name, pulse in self._pulses.items():
            pulse.poll()
            silent = time.time() - pulse.last_beat
            server = found[name]
            doing = server.get("OS-EXT-STS:task_state")
            yield Sighting(
                name,
                self._homes[name],
                _host(server),
                len(pulse.outages),
                silent,
                f"{server['OS-EXT-STS:vm_state']}{f', {doing}' if doing else ''}",
                server["locked"],
            )

    def processes(self, host: str) -> list[str]:
        """Return the QEMU processes that run on a hypervisor, as command lines."""
        reply = self.machine(host).run(["pgrep", "--full", "--list-full", "guest="], check=False)
        return [line for line in reply.stdout.splitlines() if "qemu" in line]

    def await_no_process(self, host: str, seconds: float) -> None:
        """See to it that a hypervisor that is on runs no guest for so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.processes(host)
            insist(not found, f"{host} runs guests that were evacuated: {found}")
            time.sleep(1)


def _host(server: dict[str, Any]) -> str:
    return str(server["OS-EXT-SRV-ATTR:host"])
