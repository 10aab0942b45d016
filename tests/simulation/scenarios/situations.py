"""The directed situations, each of which was once a fault."""

from __future__ import annotations

import functools
from collections.abc import Callable

from simulation.scenarios.directed import (
    engines,
    guests,
    hosts,
    lives,
    members,
    orders,
    outages,
    reports,
    returns,
)
from simulation.simulation import Simulation, Situation

EVERY_STATE = (
    "active", "active/image_uploading", "resized", "paused", "rescued", "suspended", "stopped",
    "stopped/powering-on", "active/powering-off", "error", "locked",
)  # fmt: skip


def _situation(name: str, begin: Callable[[Simulation], None], **more: object) -> Situation:
    return Situation(name, begin, **more)  # type: ignore[arg-type]


_RESERVED = {"method": "reserved_host", "reserved": 1, "must_recover": True}
_MANY = ("active",) * 12
_RESUMED = {"guests": ("active",) * 4, "resume_guests": True}
_SIX = ("active",) * 6
_MIXTURE = ("active", "stopped", "active", "paused", "locked", "active", "error", "active")

SITUATIONS = {
    found.name: found
    for found in (
        _situation("host dies", hosts.host_dies),
        _situation("two hosts die, lost messages", hosts.two_hosts_die),
        _situation("resumed unit", reports.resumed_unit),
        _situation("API away for hours", outages.api_away_for_hours),
        _situation("second report", reports.second_report),
        _situation("pacemaker away", members.pacemaker_away),
        _situation("database restarts", outages.database_restarts, guests=("active",) * 3),
        _situation("early boot", hosts.early_boot, guests=_MANY),
        _situation(
            "early boot, guests resumed", hosts.early_boot, guests=_MANY, resume_guests=True
        ),
        _situation("dies while locked", engines.dies_while_locked),
        _situation("late request", engines.late_request, guests=("resized",)),
        _situation("every state", hosts.host_dies, guests=EVERY_STATE),
        _situation(
            "every state, one failed attempt", engines.one_failed_attempt, guests=EVERY_STATE
        ),
        _situation("reserved host, one error", engines.one_error, **_RESERVED),
        _situation("reserved host, engine dies", engines.engine_dies, **_RESERVED),
        _situation("reserved host, guest deleted", guests.guest_is_deleted, **_RESERVED),
        _situation("reserved host, unplaceable", guests.unplaceable, **_RESERVED),
        _situation(
            "frozen engine",
            engines.freezes,
        ),
        _situation("dies amid rebuilds", engines.dies_amid_rebuilds),
        _situation("nova-compute late", hosts.compute_late, guests=_MANY, resume_guests=True),
        _situation("no proof", outages.without_proof),
        _situation("reported again", reports.reported_again),
        _situation("listed late", outages.listed_late),
        _situation("Nova away meanwhile", outages.nova_away_meanwhile),
        _situation("Nova away for long", outages.nova_away_for_long, must_recover=True),
        _situation("Nova away for nothing", outages.nova_away_for_nothing, must_recover=True),
        _situation("dies without a record", engines.without_record),
        _situation("scheduler away", outages.scheduler_away, guests=_SIX),
        _situation("answers lost", outages.answers_lost, guests=_SIX),
        _situation("no reports as it returns", outages.no_reports_as_it_returns, guests=_SIX),
        _situation("arrives late", guests.arrives_late, must_recover=True),
        _situation(
            "one has no room",
            functools.partial(outages.refused_by_one, what="room"),
            guests=_SIX,
            must_recover=True,
        ),
        _situation(
            "one starts nothing",
            functools.partial(outages.refused_by_one, what="start"),
            guests=_SIX,
            must_recover=True,
        ),
        _situation("cut off as it begins", engines.begins_cut_off),
        _situation("no quorum", members.without_quorum, must_recover=True),
        _situation(
            "no quorum at the end", members.ends_without_quorum, guests=_SIX, must_recover=True
        ),
        _situation("disabled, dies", hosts.disabled_dies),
        _situation("fails again and again", hosts.fails_again, must_recover=True),
        _situation("back before its recovery", hosts.back_before),
        _situation("partly started, dies", hosts.partly_started, must_recover=True),
        _situation("reporter dies", reports.reporter_dies),
        _situation("taken back in Nova", hosts.taken_back_in_nova),
        _situation("lost for a moment", hosts.lost_for_a_moment),
        _situation("back as it is fenced", hosts.back_as_it_is_fenced),
        _situation("deleted meanwhile", guests.deleted_meanwhile),
        _situation("dies at a migration's end", guests.migrated_at_the_end),
        _situation("started anew", hosts.started_anew, must_recover=True),
        _situation("proxy", outages.proxy),
        _situation("inquorate member", members.inquorate),
        _situation("member is back", members.member_is_back, must_recover=True),
        _situation("nothing noted", members.nothing_noted, must_recover=True),
        _situation("segment disabled", reports.segment_disabled),
        _situation("disabled, reported", reports.disabled_report),
        _situation("other name of the hypervisor", hosts.host_dies, suffix=".maas"),
        _situation("other name in the cluster", hosts.unknown_name, host_suffix=".maas"),
        _situation("forged report", reports.forged),
        _situation("storage lost", hosts.storage_lost),
        _situation("isolated", hosts.isolated_host),
        _situation("guest dies twice", guests.guest_dies_twice),
        _situation("guest's start is lost", guests.start_is_lost),
        _situation("guest given up", guests.instance_given_up),
        _situation("new hypervisor", hosts.new_hypervisor),
        _situation("cluster restarts", members.cluster_restarts),
        _situation("controller's unit is paused", members.paused, must_recover=True),
        _situation("power controller away", outages.slow_controller),
        _situation("member goes too", hosts.member_goes_too),
        _situation("carriers of members", hosts.carriers_lost, carriers=2),
        _situation("carrier boots early", hosts.carrier_boots, carriers=1),
        _situation("carrier held", hosts.carrier_held, carriers=2),
        _situation("taken back early", hosts.taken_back_early),
        _situation("dies as it is started", hosts.dies_as_it_is_started),
        _situation("dies once it is started", hosts.dies_once_it_is_started),
        _situation("all die", hosts.all_die),
        _situation("gone again amid its recovery", hosts.gone_again, **_RESUMED),
        _situation("boots as it is evacuated", hosts.boots_meanwhile, **_RESUMED),
        _situation("nowhere to go", hosts.nowhere),
        _situation("unanswered, closed", hosts.unanswered_and_closed, guests=("active",)),
        _situation("no room, and returned", orders.full, guests=_SIX),
        _situation("returns unseen", hosts.returns_unseen),
        _situation("dies twice", hosts.dies_twice),
        _situation("boots and dies without quorum", hosts.boots_without_quorum),
        _situation("groups", orders.in_groups, guests=_MIXTURE, must_recover=True),
        _situation("groups, some fail", orders.with_failures, guests=_SIX, must_recover=True),
        _situation("groups, engine dies", orders.engine_dies, guests=_SIX, must_recover=True),
        _situation("groups, unplaceable", orders.unplaceable, guests=_SIX, must_recover=True),
        _situation(
            "ruled out",
            orders.ruled_out,
            guests=_SIX,
            options={"recover_never": "name:none, metadata:spare"},
        ),
        _situation("groups, deleted", orders.deleted, guests=("active",) * 3),
        _situation(
            "limited domain",
            orders.limited_domain,
            guests=_MANY,
            must_recover=True,
            limits="segment=1",
        ),
        _situation("groups, reserved host", orders.with_failures, guests=_SIX, **_RESERVED),
        _situation("reported, and works", returns.reported_works, method="reserved_host"),
        _situation("all die, none is listed", returns.listing_fails),
        _situation("held, maintenance ended", returns.held_and_taken_back),
        _situation("dies as it is returned", returns.dies_as_it_is_returned),
        _situation("none is started, dies", returns.started_never_dies),
        _situation("started, Nova away at the end", returns.away_at_the_end),
        _situation(
            "reserved host, returned twice",
            returns.reserved_and_returned_twice,
            method="reserved_host",
            reserved=1,
        ),
        _situation("a record's life", lives.begin, guests=("active",) * 3),
        _situation(
            "a record's life, reserved host",
            lives.begin,
            guests=("active",) * 3,
            method="reserved_host",
            reserved=1,
        ),
    )
}
