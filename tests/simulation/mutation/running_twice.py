"""Faults by which a guest ran on two hosts, or could have."""

from __future__ import annotations

from simulation.mutation.mutations import Edit, Mutant

MUTANTS = (
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
            "again = asked or self._goes_on(server)",
            "again = False",
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
            "workflow.instances.restart_groups",
            "RestartGroups._wait_for_others",
            "while before and",
            "while False and",
        ),
    ),
    Mutant(
        "a group begins when those before it have ended, up or not",
        "groups, some fail",
        Edit(
            "workflow.instances.restart_groups",
            "RestartGroups._wait_for_others",
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
            "filter(self._rank_delay.mine, fenced)",
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
        Edit(
            "workflow.ending",
            "_end",
            "((record.held and last) or alone)",
            "(record.held and last)",
        ),
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
)
