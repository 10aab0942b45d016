"""Asks those who keep records, and judges what happened to a deployment; see `verdict`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jujulab.cloud import disks
from jujulab.cloud.cluster import Cluster
from jujulab.cloud.guests import Guests
from jujulab.maas.power import Journal
from jujulab.machines.addresses import DOMAIN
from jujulab.trials import verdict
from jujulab.trials.deployment import Deployment
from jujulab.trials.verdict import Evacuation


@dataclass
class Judges:
    """Nova, MAAS, Pacemaker, Ceph's monitor and the guests' own disks.

    Guests matter whose names begin with the prefix.
    """

    _deployment: Deployment
    _cluster: Cluster
    _guests: Guests
    _prefix: str

    def power_cuts(self, since: float) -> list[tuple[str, float]]:
        """Return the hypervisors that MAAS switched off, and when; times in epoch seconds."""
        journal = Journal(self._deployment.lab.run_dir / "maas.jsonl")
        return verdict.read_power_cuts(journal.read(), DOMAIN, since)

    def shut_out(self, since: float) -> list[tuple[str, float]]:
        """Return the hypervisors that Ceph shut out, and when; times in epoch seconds."""
        lab = self._deployment.lab
        if lab.storage != "ceph":
            return []
        log = disks.monitor(lab).root / "var/log/ceph/ceph.audit.log"
        machines = self._deployment.hypervisors()
        hosts = {str(machine.addresses["storage"].ip): machine.fqdn for machine in machines}
        return verdict.read_shut_out(log.read_text(errors="replace"), hosts, since)

    def evacuations(self, names: Mapping[str, str], since: float) -> list[Evacuation]:
        """Return Nova's evacuations of guests, UUID -> name, since a time in epoch seconds."""
        path = "/os-migrations?migration_type=evacuation"
        answer = self._deployment.cloud.get("compute", path, microversion="2.59")
        return verdict.read_evacuations(answer["migrations"], names, since)

    def unsafe(
        self,
        names: Mapping[str, str],
        since: float,
        lost: Collection[str],
        *,
        word: bool = False,
        powerless: bool = False,
    ) -> list[str]:
        """Return what must never be: guests twice, evacuations before a fence, needless fences.

        Args:
            names: UUID -> name of the guests.
            since: epoch seconds of the fault.
            lost: the hypervisors that had to be fenced.
            word: an operator, or their crash kernels, have said that they are off, and MAAS has
                switched none.
            powerless: nothing could switch them off, so that Ceph had to shut them out, and
                no other had to fence them.
        """
        ceph = self.shut_out(since)
        fences = {"Ceph": ceph} if powerless else {"Pacemaker": self._cluster.fences(since)}
        if not word and not powerless:
            fences["MAAS"] = self.power_cuts(since)
        problems = verdict.ran_twice(self._guests.lives(self._prefix))
        # All disks are on Ceph, where there is one.
        problems += verdict.too_early(self.evacuations(names, since), fences, ceph)
        problems += verdict.without_cause(fences, lost)
        needless = sorted({host for host, _ in ceph} - {*lost})
        return problems + [f"Ceph: {host} was shut out without cause" for host in needless]
