"""What is sent by Nova's broker, and waits where nobody takes it."""

from __future__ import annotations

from typing import Any

from simulation.models.nova.part import Part
from simulation.models.nova.records import Action
from simulation.world import Guest


class Messages(Part):
    """Nova's broker."""

    def hold(self, send: Any) -> None:
        """A process of Nova's API waits for the broker with a message, whoever waits for it.

        It tries for ever (`retry` of oslo_messaging's clients, which Nova does not set).
        """
        # Source only: nova/rpc.py: get_client
        if self.nova.broker_away:
            self.kernel.after(0.5 + self.kernel.rng.random(), lambda: self.hold(send))
        else:
            send()

    def send(self, guest: Guest, what: Any, soon: float = 1.0) -> None:
        """Send a message to a guest's nova-compute, which may come to it much later.

        RabbitMQ keeps what nobody has taken, be the host dead for days; what nova-compute had
        taken is lost with it.
        """
        # Lab: test_what_is_stopped_on_a_dead_host_stays_being_stopped
        # Lab: test_what_is_asked_of_a_dead_host_does_not_follow_an_instance
        host = self.nova.host(guest.host)
        if self.nova.broker_away:
            if self.kernel.rng.random() < self.nova.held:
                self.hold(lambda: self.send(guest, what, soon))
            return
        wait, boot = soon * (0.3 + 2 * self.kernel.rng.random()), host.boots
        taken = self.kernel.rng.random() < 0.5 and host.compute and host.reachable

        def arrive() -> None:
            if guest.uuid not in self.world.guests:
                return
            if host.compute and host.reachable:
                if not taken or host.boots == boot:
                    what(host)
            elif host.compute:
                self.kernel.after(5.0, arrive)
            else:
                self.nova.queues.setdefault(host.name, []).append(arrive)

        self.kernel.after(wait, arrive)

    def leave(self, guest: Guest, action: Action) -> None:
        """Have a message wait for nova-compute that it takes when it is started next."""
        # Lab: test_what_was_to_be_started_runs_twice_once_the_host_is_back
        # Lab: test_what_was_to_be_stopped_is_recorded_as_stopped
        starts, host = guest.task_state == "powering-on", self.nova.host(guest.host)

        def arrive() -> None:
            if guest.uuid not in self.world.guests:
                return
            if starts:
                self.nova.requests.started(guest, host, action)
            else:
                self.nova.requests.stopped(guest, host)

        self.nova.queues.setdefault(host.name, []).append(arrive)
