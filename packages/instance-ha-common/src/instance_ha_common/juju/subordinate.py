"""What the charms beside nova-compute do alike."""

from __future__ import annotations

import logging
from collections.abc import Callable

import ops

from instance_ha_common.juju.charm import Charm
from instance_ha_common.juju.problems import (
    Hindrance,
    Problem,
    Verdict,
    blocked,
    first_line,
    waiting,
)
from instance_ha_common.machine import awaited, hostname, nova
from instance_ha_common.machine.awaited import AGAIN
from instance_ha_common.machine.commands import MachineError
from instance_ha_common.machine.host import Host
from instance_ha_common.machine.services import ServiceError

logger = logging.getLogger(__name__)

AWAITS_NOVA = waiting("Waiting for Nova to be configured on this machine", hostname.CONFIGURED)


class Subordinate(Charm):
    """A charm that goes on where something fails, and says what: it is tried again.

    Attributes:
        problem: what kept this hook from its end.
    """

    def __init__(self, framework: ops.Framework, host: Host) -> None:
        super().__init__(framework, host)
        self.problem: Problem | None = None

    # What a charm defines.

    def apply(self, event: ops.EventBase) -> None:
        """Make the machine what Juju asks for.

        Raises:
            ValueError: an option or an answer is unusable; the text says which, and the cure.
            Hindrance: a neighbour has to do its part first.
            MachineError: the machine is not as it should be.
            ServiceError: a service does not start or stop.
        """
        raise NotImplementedError

    def problems(self) -> list[Problem]:
        """What keeps the unit from being ready.

        Raises:
            ValueError: an option or an answer is unusable; the text says which, and the cure.
            Hindrance: a neighbour has to do its part first.
        """
        raise NotImplementedError

    # What they have in common.

    def reconcile(self, event: ops.EventBase) -> None:
        """Make the machine what Juju asks for, as far as that can be done."""
        try:
            self.apply(event)
        except ValueError as error:
            self.problem = blocked(str(error))
        except Hindrance as hindrance:
            self.problem = hindrance.problem
        except (MachineError, ServiceError) as error:
            logger.error("%s", error)
            self.problem = blocked(first_line(error), AGAIN)

    def judge(self) -> Verdict:
        """What keeps the unit from being ready."""
        try:
            return Verdict(self.problems())
        except ValueError as error:
            return Verdict([blocked(str(error))])
        except Hindrance as hindrance:
            return Verdict([hindrance.problem])

    def tell_version(
        self, event: ops.EventBase, version: Callable[[], str | None], *, installed: bool
    ) -> None:
        """Tell Juju which version of the packages is there, where that may be news.

        Hooks of relations come in great numbers. What somebody else has upgraded meanwhile is told
        by the next one that is of none, such as update-status.

        Args:
            event: what happened.
            version: finds out the version; None where there is none.
            installed: this hook has installed packages.
        """
        if (installed or not isinstance(event, ops.RelationEvent)) and (found := version()):
            self.unit.set_workload_version(found)

    def nova_host(self, override: str) -> str | None:
        """The name by which Nova knows this machine; None while Nova is not configured on it.

        Args:
            override: the operator's choice, if any.

        Raises:
            ValueError: it has a name that is none.
        """
        principal = ops.JujuContext.from_environ().principal_unit or ""
        expect = principal.startswith("nova-compute") or self.host.path("/etc/nova").is_dir()
        try:
            return hostname.nova_host_name(self.host, override=override, expect_nova=expect)
        except hostname.HostNameNotKnownYet:
            return None

    def nova_problems(self) -> list[Problem]:
        """What Nova would do on this hypervisor against a recovery, with the cure."""
        path = nova.resumes_guests(self.host)
        if path is None:
            return []
        text = (
            f"{path}: {nova.RESUMES_GUESTS} has a host that was fenced start instances that run"
            " elsewhere by then: set resume-guests-state-on-host-boot=false on nova-compute"
        )
        return [blocked(text, f"! {awaited.holds(path, nova.RESUMES_GUESTS_LINE)}")]
