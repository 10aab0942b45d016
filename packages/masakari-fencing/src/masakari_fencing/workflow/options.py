"""The `[fencing]` group of masakari.conf."""

from __future__ import annotations

import logging
from typing import Any

from oslo_config import cfg

import masakari_fencing.retries
from masakari_fencing.openstack.failure_domains import Kind, parse_kinds
from masakari_fencing.openstack.restart_order import SOURCES
from masakari_fencing.openstack.scope import Rule, Scope, parse
from masakari_fencing.records.refusals import DIRECTORY
from masakari_fencing.retries import Retries
from masakari_fencing.workflow.proof.decision import Policy

LOG = logging.getLogger(__name__)

GROUP = cfg.OptGroup(
    "fencing",
    title="Fencing",
    help="What proves that a failed host is dead before its instances are started elsewhere.",
)

OPTIONS = [
    cfg.BoolOpt(
        "allow_unfenced_recovery",
        default=False,
        help="Recover the instances of a host even when nothing proves that it is dead. An "
        "instance may then run on two hosts at once, and destroy its disk.",
    ),
    cfg.StrOpt(
        "fence_reported_failed",
        default="confirmed",
        choices=["never", "confirmed", "always"],
        help="Which reports about a host that is a live member of the cluster make Pacemaker "
        "fence it: none; those for which it was already fenced once, and came back unrecovered; "
        "or every report that is newer than its connection to the cluster.",
    ),
    cfg.IntOpt(
        "fencing_timeout",
        default=120,
        min=1,
        help="Seconds to wait for a fence to be confirmed.",
    ),
    cfg.IntOpt(
        "fence_max_age",
        default=600,
        min=1,
        help="A fence counts if it was completed at most this many seconds before the failure "
        "was reported.",
    ),
    cfg.IntOpt(
        "recovery_timeout",
        default=900,
        min=1,
        help="Seconds to wait for the end of another recovery of the same host.",
    ),
    cfg.IntOpt(
        "rebuild_timeout",
        default=1800,
        min=1,
        help="Seconds for which an evacuation of an instance that has begun, for example by an "
        "engine that has died since, is waited for before the instance is evacuated again.",
    ),
    cfg.IntOpt(
        "report_limit_hosts",
        default=2,
        min=0,
        help="Hosts of a segment that may be fenced because they were reported failed. When more "
        "are reported within report_limit_window, none is fenced. 0 for no limit.",
    ),
    cfg.IntOpt(
        "report_limit_window",
        default=120,
        min=1,
        help="Seconds for which a report counts for report_limit_hosts.",
    ),
    cfg.FloatOpt(
        "report_settle",
        default=5,
        min=0,
        help="Seconds to wait for reports about other hosts before a host is fenced because it "
        "was reported failed, so that the limit is known to be kept.",
    ),
    cfg.FloatOpt(
        "poll_interval",
        default=0.5,
        min=0.1,
        help="Seconds between two looks at the cluster while a fence is awaited.",
    ),
    cfg.IntOpt(
        "command_timeout",
        default=15,
        min=1,
        help="Seconds that one Pacemaker command may take.",
    ),
    cfg.IntOpt(
        "nova_timeout",
        default=60,
        min=1,
        help="Seconds within which Nova must show the compute service as forced down.",
    ),
    cfg.FloatOpt(
        "evacuation_stagger",
        default=0,
        min=0,
        help="Seconds between the beginnings of two evacuations from the same host, so that many "
        "at once do not overwhelm Nova, the storage or the network.",
    ),
    cfg.StrOpt(
        "recover_only",
        default="",
        help="Rules, separated by commas, one of which must hold for an instance to be recovered: "
        "name:PATTERN, project:ID, metadata:KEY[=VALUE], flavor:..., image:..., aggregate:..., "
        "image-tag:TAG. Empty: all are.",
    ),
    cfg.StrOpt(
        "recover_never",
        default="",
        help="Rules of the same form; where one holds, an instance is not recovered.",
    ),
    cfg.BoolOpt(
        "recover_amphorae",
        default=False,
        help="Recover Octavia's load balancers, too, which Octavia replaces by itself.",
    ),
    cfg.ListOpt(
        "restart_order_from",
        default=list(SOURCES),
        help="Where instanceha:restart_priority and instanceha:restart_group of an instance are "
        "looked for: server (its metadata, which its owner sets; they count first), flavor (extra "
        "specs, as they were when the instance was made or resized), image (properties; each "
        "image is asked for once).",
    ),
    cfg.IntOpt(
        "restart_group_timeout",
        default=120,
        min=1,
        help="Seconds after which a group of instances is begun although one of the group before "
        "it is not up: the second group after so many since the recovery began, the third after "
        "twice as many.",
    ),
    cfg.IntOpt(
        "restart_group_pause",
        default=0,
        min=0,
        help="Seconds between the last instance of a group that is ACTIVE and the next group.",
    ),
    cfg.StrOpt(
        "recovery_retries",
        default=masakari_fencing.retries.DEFAULT,
        help="Seconds after the first, second, ... failure of a recovery until it is begun again, "
        "separated by commas; ... behind the last one repeats it without end. The notifier begins "
        "it; the engine only has to know which attempt is the last.",
    ),
    cfg.StrOpt(
        "recovery_destination",
        default="",
        help="What the hosts share with the failed one to which its instances go, separated by "
        "commas: segment, zone, aggregate (one of them), aggregate:KEY (one whose metadata has "
        "that key). Empty: Nova's scheduler picks among all.",
    ),
    cfg.BoolOpt(
        "recovery_destination_fallback",
        default=False,
        help="Where none of those hosts takes an instance, Nova's scheduler picks among all.",
    ),
    cfg.StrOpt(
        "refusals_directory",
        default=str(DIRECTORY),
        help="Where refused recoveries are left for the charm to report.",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    """Make the options known; more than once does no harm."""
    conf.register_group(GROUP)
    conf.register_opts(OPTIONS, group=GROUP)


def policy(conf: cfg.ConfigOpts) -> Policy:
    """Return the operator's choices."""
    group = conf.fencing
    return Policy(
        allow_unfenced_recovery=group.allow_unfenced_recovery,
        fence_reported_failed=group.fence_reported_failed,
        fencing_timeout=group.fencing_timeout,
        fence_max_age=group.fence_max_age,
        poll_interval=group.poll_interval,
        report_settle=group.report_settle,
        command_timeout=group.command_timeout,
    )


def retries(conf: cfg.ConfigOpts) -> Retries:
    """Return after which failures a recovery is tried again; as ever where that makes no sense."""
    try:
        return masakari_fencing.retries.parse(conf.fencing.recovery_retries)
    except ValueError as error:
        LOG.warning("recovery_retries is not heeded: %s", error)
        return masakari_fencing.retries.parse(masakari_fencing.retries.DEFAULT)


def destination(conf: cfg.ConfigOpts) -> tuple[Kind, ...]:
    """Return what destinations share with a failed host; nothing where that makes no sense."""
    try:
        return parse_kinds(conf.fencing.recovery_destination)
    except ValueError as error:
        LOG.warning("recovery_destination is not heeded: %s", error)
        return ()


def scope(conf: cfg.ConfigOpts) -> Scope:
    """Return which instances are recovered; a rule that makes no sense is left out, and logged."""
    group = conf.fencing
    return Scope(_rules(group.recover_only), _rules(group.recover_never), group.recover_amphorae)


def _rules(text: str) -> tuple[Rule, ...]:
    found: list[Rule] = []
    for part in text.split(","):
        try:
            found += parse(part)
        except ValueError as error:
            LOG.error("A rule of [fencing] recover_only or recover_never is left out: %s", error)
    return tuple(found)


def list_opts() -> list[tuple[str, list[Any]]]:
    """List the options for oslo.config's sample generator."""
    return [(GROUP.name, list(OPTIONS))]
