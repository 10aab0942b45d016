"""Faults by which instances were forgotten."""

from __future__ import annotations

from simulation.mutation.mutations import Edit, Mutant

MUTANTS = (
    Mutant(
        "the copy of a member that was cut off counts",
        "member is back",
        Edit(
            "notifier.membership",
            "Membership.check",
            "cibadmin.outdate_others(self.runner)",
            "pass",
        ),
        Edit("pacemaker.cibadmin", "record", '{_COUNTER: f"{_COUNTER}++"}', "{}"),
    ),
    Mutant(
        "what Nova has stopped counts as stopped by its owner",
        "started anew",
        Edit(
            "workflow.instances.selection",
            "before_failure",
            "return before(server, running=ran, place=place)",
            "return before(server, running=False, place=place)",
        ),
    ),
    Mutant(
        "the states before the failure are not kept",
        "every state, one failed attempt",
        Edit(
            "workflow.instances.recovery",
            "_listed",
            "for item in (record.instances if record else None) or ()",
            "for item in ()",
        ),
    ),
    Mutant(
        "a connection's history proves nothing",
        "nothing noted",
        Edit(
            "pacemaker.fenceable",
            "connected_once",
            "return bool(states) and any(map(_shows_connection, cib.iterfind(path)))",
            "return False",
        ),
    ),
    Mutant(
        "what an attempt leaves behind stays locked",
        "reserved host, unplaceable",
        Edit(
            "workflow.ending",
            "_end",
            "recovery.release(this, record, patience=SPAWN_LIMIT if over else 0.0)",
            "[]",
        ),
    ),
    Mutant(
        "a reserved host is used up by an attempt that failed",
        "reserved host, one error",
        Edit(
            "workflow.instances.reserved_hosts",
            "available",
            "for name in (record.reserved if record else ())",
            "for name in ()",
        ),
    ),
    Mutant(
        "a dead engine keeps its recovery",
        "dies while locked",
        Edit(
            "notifier.watchers.dead_engines",
            "DeadEngines._dead",
            "return not here",
            "return False",
        ),
        Edit(
            "notifier.watchers.dead_engines",
            "DeadEngines._dead",
            "return self.controls(status) and (gone >= GRACE or self._fenced(status, machine))",
            "return False",
        ),
        Edit(
            "workflow.recovery_lock",
            "RecoveryLock._free",
            "return self._lives(found.engine) is False",
            "return False",
        ),
        Edit(
            "workflow.ended",
            "_dead",
            "return processes.lives(engine) is False",
            "return False",
        ),
    ),
    Mutant(
        "nobody stands in where the controller's notifier does not run",
        "controller's unit is paused",
        Edit(
            "notifier.watchers.watcher",
            "Watcher.controls",
            "status.order[:1] == [self._name]",
            "status.dc == self._name",
        ),
    ),
    Mutant(
        "a failed recovery is not begun again",
        "fails again and again",
        Edit(
            "notifier.watchers.unattended_recoveries",
            "UnattendedRecoveries._pause",
            "if record.returned or record.end.outcome not in (FAILED, REFUSED):",
            "if True:",
        ),
    ),
    Mutant(
        "what was lost on its way to a guest is in the way for ever",
        "guest's start is lost",
        Edit(
            "workflow.instance_tasks",
            "PromptStopInstanceTask._look",
            "in instances.POWERING",
            "in ()",
        ),
    ),
    Mutant(
        "the recovery of an instance that has failed is not begun again",
        "guest given up",
        Edit(
            "notifier.watchers.unattended_recoveries",
            "UnattendedRecoveries._failed_instances",
            "for key in self._failed}",
            "for key in ()}",
        ),
    ),
    Mutant(
        "a recovery for which not everything could be looked up counts as refused",
        "Nova away for long",
        Edit(
            "workflow.host_tasks",
            "EnsureHostFencedTask._prove",
            "FAILED if refusal.unknown else REFUSED",
            "REFUSED",
        ),
    ),
    Mutant(
        "a recovery without a record is not begun again",
        "dies without a record",
        Edit(
            "notifier.watchers.unattended_recoveries",
            "UnattendedRecoveries.check",
            "strays = self._strays(found)",
            "strays = {}",
        ),
    ),
    Mutant(
        "a fencing is dropped when Masakari does not answer",
        "proxy",
        Edit(
            "notifier.reporter",
            "Reporter._attempt",
            "wait = self._failed(event, progress, error)",
            "self._done(event)\n        return",
        ),
    ),
    Mutant(
        "a fencing is dropped for a 404 of a proxy",
        "proxy",
        Edit(
            "notifier.reporter",
            "Reporter._attempt",
            "wait = self._failed(event, progress, error)",
            'if "404" in str(error):\n'
            "            self._done(event)\n"
            "            return\n"
            "        wait = self._failed(event, progress, error)",
        ),
    ),
    Mutant(
        "only the first member reports a fencing",
        "reporter dies",
        Edit(
            "notifier.reporter",
            "Reporter._begin",
            "if rank is None:",
            "if rank:\n        self._done(event)\n        return None\n    if rank is None:",
        ),
    ),
    Mutant(
        "a lost host that Pacemaker leaves at that is not fenced",
        "power controller away",
        Edit(
            "notifier.watchers.unfenced_hosts",
            "UnfencedHosts._begin",
            "if reason is not None:",
            "if True:",
        ),
    ),
    Mutant(
        "of two copies of the records one token means another record",
        "cut off as it begins",
        Edit("records.recoveries", "_path", "{owner}{match}", "{match}"),
    ),
    Mutant(
        "what was started on its own host counts, although that fails again",
        "partly started, dies",
        Edit(
            "records.recovery",
            "Record.failed_again",
            "self.left or None",
            "self.instances",
        ),
    ),
    Mutant(
        "an evacuation that has failed runs nowhere",
        "answers lost",
        Edit("openstack.evacuations", "left_at", "m.status == FAILED", "False"),
    ),
    Mutant(
        "a host that had no room has shown that nothing runs there",
        "unanswered, closed",
        Edit("openstack.evacuations", "_is_settled_by", "fault.has_looked(other)", "True"),
    ),
    Mutant(
        "two members switch off each other's machine",
        "carriers of members",
        Edit(
            "fence_agent.fencing_lock",
            "FencingLock._needed",
            "if not carried & online:",
            "if True:",
        ),
    ),
    Mutant(
        "a host is switched off whose member is needed for the quorum",
        "carrier boots early",
        Edit("workflow.proof.quorum", "bears", "if members and", "if False and"),
    ),
    Mutant(
        "a host stays off whose member is needed for the quorum",
        "carrier held",
        Edit("notifier.watchers.held_hosts", "HeldHosts._needed", "not ALONE <=", "not 1e9 <="),
    ),
)
