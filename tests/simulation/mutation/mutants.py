"""The faults that were mended, each as a small change of the present code that puts it back.

Each is looked for in the code as it stands: what is not there any more ends the run, so that the
change is made anew for the new code.
"""

from __future__ import annotations

from simulation.mutation.mutations import Edit, Mutant

MUTANTS = (
    # -- a guest on two hosts ----------------------------------------------------------------
    Mutant(
        "a living engine's recovery is taken by the same notification",
        "reserved host, one error",
        Edit(
            "workflow.recovery_lock",
            "RecoveryLock._free",
            'if found.engine in ("", self._engine):',
            'if found.engine in ("", self._engine) or found.notification == self._notification:',
        ),
        Edit("workflow.recovery_lock", "RecoveryLock.check", "if not mine:", "if False:"),
    ),
    Mutant(
        "an owner does not look whether it still is one",
        "frozen engine",
        # Nor whether the host is: whoever took it over has had that fenced once more.
        Edit(
            "workflow.recovery_lock",
            "RecoveryLock.check",
            "mine, fenced = self._store.held(record)",
            "return",
        ),
    ),
    Mutant(
        "an owner does not look whether the host is still dead",
        "gone again amid its recovery",
        Edit(
            "workflow.recovery_lock",
            "RecoveryLock.check",
            "proof.fenced and not same_fence(fenced or 0.0, proof.fenced):",
            "False:",
        ),
    ),
    Mutant(
        "nobody looks before each instance",
        "gone again amid its recovery",
        Edit("workflow.instances.requests", "InstanceRequests._looked", "self._check()", "pass"),
    ),
    Mutant(
        "a request is sent however long ago the look was",
        "late request",
        Edit("workflow.instances.requests", "InstanceRequests._looked", "> FRESH", "> 1e9"),
    ),
    Mutant(
        "an evacuation of another attempt is not waited for",
        "dies amid rebuilds",
        Edit(
            "workflow.instances.evacuation",
            "Evacuation.run",
            'if fresh and not task_of(server).startswith(("rebuild", MIGRATING)):',
            "if True:",
        ),
    ),
    Mutant(
        "recovered without a proof once the time is over",
        "no proof",
        Edit(
            "workflow.proof.host_fence",
            "HostFence._without_proof",
            "if not self._policy.allow_unfenced_recovery or judgement.final:",
            "if judgement.final:",
        ),
    ),
    Mutant(
        "a rule leaves nobody alone",
        "ruled out",
        Edit("workflow.instances.recovery", "chosen", "if s.id not in left]", "]"),
    ),
    Mutant(
        "a failure domain has no limit",
        "limited domain",
        Edit(
            "pacemaker.fencing_limit", "exceeded", "if len(there) >", "if False and len(there) >"
        ),
    ),
    Mutant(
        "one that is being recovered does not count in its failure domain",
        "limited domain",
        Edit("pacemaker.fencing_limit", "exceeded", " or n.lower() in recovered", ""),
    ),
    Mutant(
        "a group of instances waits for none",
        "groups",
        Edit(
            "workflow.instances.turns",
            "Turns._wait_for_others",
            "while before and",
            "while False and",
        ),
    ),
    Mutant(
        "a group begins when those before it have ended, up or not",
        "groups, some fail",
        Edit(
            "workflow.instances.turns",
            "Turns._wait_for_others",
            "not missing and not failed",
            "not missing",
        ),
    ),
    Mutant(
        "instances are started on a host that Pacemaker does not watch",
        "dies once it is started",
        Edit(
            "workflow.proof.decision",
            "_came_back",
            "if seen.fenced is not None:",
            "if False:",
        ),
    ),
    Mutant(
        "a fenced host that answers again waits for Pacemaker's interval",
        "gone again amid its recovery",
        Edit(
            "notifier.watchers.spared_hosts",
            "SparedHosts.check",
            "filter(self._turns.mine, fenced)",
            "()",
        ),
    ),
    Mutant(
        "nobody looks whether the host answers before each instance",
        "boots as it is evacuated",
        Edit("workflow.instances.requests", "InstanceRequests._looked", "also()", "pass"),
    ),
    Mutant(
        "a host is kept off although no other is up",
        "nowhere to go",
        Edit("workflow.ending", "_end", "or destinations.alone(this)", "or False"),
    ),
    Mutant(
        "what found no room is forgotten when its host is returned",
        "no room, and returned",
        Edit("records.recovery", "Record.taken_back", "if seen_to or", "if True or"),
    ),
    Mutant(
        "only the last of two fences tells since when instances are down",
        "dies twice",
        Edit("workflow.proof.decision", "_down_since", "return min(", "return max("),
    ),
    Mutant(
        "what its owner has deleted is brought back",
        "deleted meanwhile",
        Edit("openstack.instances", "is_going", "return getattr", "return False and getattr"),
    ),
    Mutant(
        "one at the end of its live migration is evacuated anywhere",
        "dies at a migration's end",
        Edit(
            "workflow.instances.evacuation",
            "Evacuation.run",
            '.startswith(("rebuild", MIGRATING))',
            '.startswith("rebuild")',
        ),
    ),
    Mutant(
        "what its owner has asked of a dead host is forgotten",
        "every state",
        Edit(
            "workflow.instances.evacuation",
            "wanted",
            "if before.task_state in ASKED:",
            "if False:",
        ),
    ),
    # -- what is healthy is cut off ----------------------------------------------------------
    Mutant(
        "an old fence counts for ever",
        "reported again",
        Edit(
            "workflow.proof.decision",
            "_fenced_for",
            "since = report.generated - CLOCK_TOLERANCE\n",
            "since = 0.0\n",
        ),
        Edit(
            "records.recovery",
            "Record.unused",
            "if not self.used or f > self.used + SAME_FENCE",
            "if True",
        ),
        Edit(
            "workflow.proof.decision",
            "_judge_live",
            "if record.recovered and report.generated <= record.recovered + CLOCK_TOLERANCE:",
            "if False:",
        ),
        Edit(
            "workflow.proof.decision",
            "_judge_live",
            "if seen.in_service and",
            "if False and",
        ),
    ),
    Mutant(
        "a fenced host that is in service again is fenced once more",
        "back before its recovery",
        Edit(
            "workflow.proof.decision",
            "_judge_live",
            "if seen.in_service and",
            "if False and",
        ),
    ),
    Mutant(
        "one that was taken back in the middle is fenced once more",
        "taken back in Nova",
        Edit("workflow.proof.decision", "_came_back", "if seen.in_service and", "if False and"),
    ),
    Mutant(
        "a host that was lost for a moment is fenced for as long as it is not connected to",
        "lost for a moment",
        Edit(
            "notifier.watchers.spared_hosts",
            "SparedHosts._candidates",
            " or self._lives(name, status, unknown=False)",
            "",
        ),
    ),
    Mutant(
        "a host that is connected again is fenced for what was decided before",
        "back as it is fenced",
        Edit(
            "fence_agent.limit", "_in_touch", "return status.works(node) and", "return False and"
        ),
        Edit("fence_agent.limit", "_heed_return", "if not there:", "if True:"),
    ),
    Mutant(
        "a fence still counts after which nova-compute reported, until it was silent again",
        "returns unseen",
        Edit(
            "openstack.compute_service",
            "ComputeService.state",
            "last=None if up or forced else changed",
            "last=None",
        ),
        # By now that also keeps one that is late from counting.
        Edit("workflow.proof.decision", "_is_late", "seen.now - fenced <= RETURN_TIME", "True"),
    ),
    Mutant(
        "a host that was started anew counts as one that was lost for a moment",
        "started anew",
        Edit(
            "notifier.watchers.spared_hosts",
            "SparedHosts._lives",
            "self.up_for(name) > self.now() - lost + UPTIME_MARGIN",
            "self.up_for(name) >= 0",
        ),
    ),
    Mutant(
        "a fence counts however late its recovery is taken up",
        "boots and dies without quorum",
        Edit("workflow.proof.decision", "_is_late", "seen.now - fenced <= RETURN_TIME", "True"),
    ),
    Mutant(
        "an end that the cluster does not take at once is given up",
        "no quorum at the end",
        Edit(
            "workflow.ending", "conclude", "if CONF.fencing.allow_unfenced_recovery:", "if True:"
        ),
    ),
    Mutant(
        "a recovery that could not be begun without quorum is forgotten",
        "no quorum",
        Edit(
            "workflow.ending", "_end", "this.claim() if outcome == FAILED", "this.current() if 1"
        ),
    ),
    Mutant(
        "what Nova has stopped between the loss and the fence counts as stopped by its owner",
        "started anew",
        Edit("workflow.attempt", "Attempt.failed_at", "since.append(lost)", "pass"),
    ),
    Mutant(
        "a hypervisor that was never connected is fenced",
        "new hypervisor",
        Edit(
            "pacemaker.fenceable",
            "obstacle",
            "if not connected_once(cib, node):",
            "if False:",
        ),
        Edit(
            "pacemaker.fenceable",
            "obstacle",
            "if node not in machines.recorded(cib):",
            "if False:",
        ),
    ),
    Mutant(
        "after a restart of the whole cluster what boots is fenced",
        "cluster restarts",
        Edit(
            "pacemaker.fenceable",
            "obstacle",
            "if not connected_once(cib, node):",
            "if False:",
        ),
    ),
    Mutant(
        "a member without quorum has hosts fenced",
        "inquorate member",
        Edit(
            "notifier.watchers.watcher",
            "Watcher.controls",
            "return status.quorum and ",
            "return ",
        ),
    ),
    Mutant(
        "hosts of a disabled segment are recovered",
        "segment disabled",
        Edit(
            "workflow.proof.evidence",
            "CloudEvidence.switched_off",
            'if not getattr(segment, "enabled", True):',
            "if False:",
        ),
    ),
    Mutant(
        "hosts of a disabled segment are fenced",
        "disabled, dies",
        Edit(
            "pacemaker.fenceable",
            "obstacle",
            "return properties.reason(cib, node)",
            "return None",
        ),
    ),
    Mutant(
        "a forged report has a healthy host fenced",
        "forged report",
        Edit(
            "workflow.proof.decision",
            "_believe",
            'if policy.fence_reported_failed != "always":',
            "if False:",
        ),
        Edit(
            "workflow.proof.decision",
            "_believe",
            "and seen.connected > report.generated - CLOCK_TOLERANCE:",
            "and False:",
        ),
    ),
    # -- instances are forgotten -------------------------------------------------------------
    Mutant(
        "what Nova has stopped counts as stopped by its owner",
        "listed late",
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
        "what an attempt leaves behind stays locked",
        "reserved host, unplaceable",
        Edit(
            "workflow.ending",
            "_end",
            "recovery.release(this, record, patience=SPAWN_LIMIT if outcome == REFUSED else 0.0)",
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
        "two members switch off each other's machine",
        "carriers of members",
        Edit("fence_agent.turns", "Turn._needed", "if not carried & online:", "if True:"),
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
