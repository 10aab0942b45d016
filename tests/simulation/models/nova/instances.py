"""What Nova's API shows of instances, and whether it takes a request for one."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from novaclient import exceptions

from simulation.models.nova.part import Part
from simulation.models.nova.records import ADMIN, Action, iso
from simulation.world import Guest


class Instances(Part):
    """The instances' records."""

    def show(self, url: str) -> tuple[int, Any]:
        """`api/openstack/compute/servers.py` and `instance_actions.py`, as far as asked for."""
        # Lab: test_what_does_not_exist_is_not_found
        # Lab: test_what_died_is_stopped_by_nova_in_nobodys_name
        guest = self.world.guests.get(url.split("/")[2])
        if guest is None:
            return 404, {"itemNotFound": {"message": "Instance could not be found."}}
        if url.endswith("/os-instance-actions"):
            return 200, {"instanceActions": [vars(action) for action in guest.actions]}
        shown = {
            "OS-EXT-STS:vm_state": guest.vm_state,
            "OS-EXT-STS:task_state": guest.task_state,
        }
        return 200, {"server": shown}

    def migrations(self, url: str) -> tuple[int, Any]:
        """`api/openstack/compute/migrations.py: index`, of a host and a status."""
        # Lab: test_a_start_ends_the_last_of_several_evacuations
        asked = parse_qs(urlsplit(url).query)
        found = [
            {"instance_uuid": m.instance_uuid}
            for m in self.nova.migrations
            if [m.source_compute, m.migration_type, m.status]
            == [asked[name][0] for name in ("source_compute", "migration_type", "status")]
        ]
        return 200, {"migrations": found}

    def listed(self, url: str) -> tuple[int, Any]:
        """`api/openstack/compute/servers.py: index`, of one host."""
        # Source only: nova/api/openstack/compute/servers.py: _get_servers
        host = parse_qs(urlsplit(url).query)["host"][0]
        found = [{"id": g.uuid} for g in self.world.guests.values() if g.host == host]
        return 200, {"servers": found[:1]}

    def find(self, uuid: Any) -> Guest:
        """Look a guest up, by its identifier or novaclient's object."""
        # Lab: test_what_does_not_exist_is_not_found
        found = self.world.guests.get(str(getattr(uuid, "id", uuid)))
        if found is None:
            raise exceptions.NotFound(404, f"Instance {uuid} could not be found.")
        return found

    def require(
        self, guest: Guest, states: tuple[str, ...], what: str, *, idle: bool = True
    ) -> None:
        """`compute/api.py: check_instance_state`; `idle`: nothing may be done to it."""
        # Lab: test_which_states_are_not_evacuated
        # Lab: test_which_states_are_evacuated_and_how_they_arrive
        # Lab: test_which_states_are_not_stopped
        # Lab: test_which_states_are_not_started
        # Lab: test_what_was_never_started_is_not_evacuated
        # Lab: test_what_was_never_started_is_not_stopped_nor_rebooted
        refused = guest.vm_state not in states or not guest.launched
        if refused or (idle and guest.task_state is not None):
            text = f"Cannot '{what}' instance while it is in {guest.vm_state}/{guest.task_state}"
            raise exceptions.Conflict(409, text)

    def note(self, guest: Guest, action: str, by: str = ADMIN) -> Action:
        """Write down what is done to an instance, and by whom."""
        # Lab: test_what_died_is_stopped_by_nova_in_nobodys_name
        # Lab: test_a_stop_and_a_start
        number = f"req-{len(guest.actions)}"
        found = Action(action, None if by == "nova" else by, iso(self.kernel.now), number)
        guest.actions.append(found)
        return found

    def begun(self, guest: Guest, name: str, action: Action | None = None) -> dict[str, str]:
        """Write down that a nova-compute begins with something, and return what.

        What it does by itself as it starts counts for the last that was asked for.
        """
        # Lab: test_what_is_being_started_is_started_when_nova_compute_starts
        found = action or (guest.actions[-1] if guest.actions else None)
        event = {"event": name, "start_time": iso(self.kernel.now)}
        if found is not None:
            found.events.append(event)
        return event

    def reset_state(self, uuid: Any, state: str) -> None:
        """`os-resetState`, of an administrator: the record only."""
        # Lab: test_a_task_that_is_reset_while_the_process_starts
        guest = self.find(uuid)
        guest.vm_state, guest.task_state = state, None
        self.kernel.trace("nova", f"reset_state {guest.uuid[:8]} {state}")
        self.kernel.changed("guests")
