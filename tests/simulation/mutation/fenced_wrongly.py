"""Faults by which something healthy was cut off."""

from __future__ import annotations

from simulation.mutation.mutations import Edit, Mutant

MUTANTS = (
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
            "_judge_returned",
            "if seen.in_service and",
            "if False and",
        ),
    ),
    Mutant(
        "a fenced host that is in service again is fenced once more",
        "back before its recovery",
        Edit(
            "workflow.proof.decision",
            "_judge_returned",
            "if seen.in_service and",
            "if False and",
        ),
    ),
    Mutant(
        "a host is fenced for its nova-compute's silence while nobody in Nova can report",
        "no reports as it returns",
        Edit(
            "workflow.proof.decision",
            "_judge_returned",
            "if seen.others_heard is None:",
            "if False:",
        ),
        Edit(
            "workflow.proof.decision",
            "_judge_returned",
            "max(seen.connected or 0.0, seen.others_heard)",
            "(seen.connected or 0.0)",
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
            "_state",
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
            "self.up_for(name) > away + UPTIME_MARGIN",
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
            "workflow.ending",
            "conclude",
            "if CONF.fencing.allow_unfenced_recovery or isinstance(error, Unreadable):",
            "if True:",
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
)
