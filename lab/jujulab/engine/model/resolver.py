"""What a unit's agent does next: the first difference between the model and what hooks were told.

Nothing is queued. Each hook is derived from the state when its turn comes, so events that pile up
fold into one, an agent that was away catches up, and Juju's order holds by construction: install,
relation-created, leader-elected, config-changed, start, joined and changed; and in the end
departed, broken, stop, remove. Which of a unit's relations comes first is `shuffle`'s.
"""

from typing import Any

from jujulab.engine.model import relations, removal, usersecrets
from jujulab.engine.model.model import Model
from jujulab.engine.model.shuffle import shuffled
from jujulab.engine.model.state import ALIVE, Hook, Relation, SeenRelation, Status, Unit
from jujulab.juju.names import JUJU4, seconds

INSTALLING = "installing charm software"


def next_hook(model: Model, unit: Unit, boot_id: str, now: float) -> Hook | None:
    """Return the hook that the unit runs next; None when it is idle or waits to retry one.

    The model's lock is held. Another boot than at the last hooks means a reboot; `now` is the time
    in seconds since the epoch.
    """
    if unit.failure is not None:
        return _retry(model, unit, now)
    if not unit.installed:
        return Hook("install")
    if unit.started and not unit.stopped and unit.boot_seen != boot_id:
        return Hook("start")
    if unit.life != ALIVE:
        return _teardown(model, unit)
    return (
        _created(model, unit)
        or _leadership(model, unit)
        or _configuration(model, unit)
        or _secret(model, unit)
        or _relation_hooks(model, unit)
        or _update_status(model, unit, now)
    )


def next_due(model: Model, unit: Unit) -> float:
    """Return when the unit has to be looked at again even if nothing changes."""
    if unit.failure is not None:
        return unit.failure.retry_at
    return unit.updated_at + seconds(model.config_value("update-status-hook-interval"))


def _retry(model: Model, unit: Unit, now: float) -> Hook | None:
    failure = unit.failure
    if failure is None:
        return None
    if failure.interrupted:
        return failure.hook
    if model.config_value("automatically-retry-hooks") and now >= failure.retry_at:
        return failure.hook
    return None


def _created(model: Model, unit: Unit) -> Hook | None:
    for relation in _in_turn(model, unit):
        known = str(relation.id) in unit.relations
        if not known and relation.life == ALIVE and unit.name in relation.members:
            return _relation_hook(relation, unit, "created")
    return None


def _leadership(model: Model, unit: Unit) -> Hook | None:
    app = model.application(unit.app)
    leads = app.leader == unit.name
    if not leads:
        unit.leader_seen = False
        if not JUJU4 and not unit.leader_settings_seen:
            return Hook("leader-settings-changed")
    return Hook("leader-elected") if leads and not unit.leader_seen else None


def _configuration(model: Model, unit: Unit) -> Hook | None:
    if unit.charm_seen != model.application(unit.app).charm:
        return Hook("upgrade-charm")
    if unit.config_seen != model.config_digest(unit):
        return Hook("config-changed")
    return None if unit.started else Hook("start")


def _secret(model: Model, unit: Unit) -> Hook | None:
    secret = usersecrets.changed(model, unit)
    return Hook("secret-changed", secret=secret.id, version=secret.revision) if secret else None


def _update_status(model: Model, unit: Unit, now: float) -> Hook | None:
    return Hook("update-status") if now >= next_due(model, unit) else None


def _teardown(model: Model, unit: Unit) -> Hook | None:
    hook = _relation_hooks(model, unit)
    if hook:
        return hook
    if unit.started and not unit.stopped:
        return Hook("stop")
    if JUJU4 and unit.principal:
        unit.removed = True  # its agent has ended before it comes to that
    return None if unit.removed else Hook("remove")


def _relation_hooks(model: Model, unit: Unit) -> Hook | None:
    for relation in _in_turn(model, unit):
        seen = unit.relations.get(str(relation.id))
        hook = _relation_step(model, relation, unit, seen) if seen else None
        if hook:
            return hook
    return None


def _in_turn(model: Model, unit: Unit) -> list[Relation]:
    """Return a unit's relations; drawn anew after each hook, where the order is drawn."""
    return shuffled(model.relations_of(unit.app), lambda r: (unit.name, r.id, unit.relations))


def _relation_step(
    model: Model, relation: Relation, unit: Unit, seen: SeenRelation
) -> Hook | None:
    """Return the next hook of one relation that the unit knows of."""
    remote = relations.members(model, relation, unit)
    pending = seen.changed_pending
    if pending in remote:
        return _changed(relation, unit, pending)
    for name in seen.members:
        if name not in remote:
            who = name if _stays(model, unit) else unit.name
            return _relation_hook(relation, unit, "departed", remote_unit=name, departing_unit=who)
    if relation.life != ALIVE or unit.life != ALIVE:
        return _relation_hook(relation, unit, "broken")
    for name in remote:
        if name not in seen.members:
            return _relation_hook(relation, unit, "joined", remote_unit=name)
    return _data_changed(model, relation, unit, seen, remote)


def _stays(model: Model, unit: Unit) -> bool:
    app = model.state.applications.get(unit.app)
    return unit.life == ALIVE and app is not None and app.life == ALIVE


def _data_changed(
    model: Model, relation: Relation, unit: Unit, seen: SeenRelation, remote: list[str]
) -> Hook | None:
    app = relation.other(unit.app).app
    version = relation.app_versions.get(app, 0)
    if version != seen.apps.get(app, 0):
        if not (relation.is_peer and model.application(app).leader == unit.name):
            return _relation_hook(relation, unit, "changed", version=version)
        seen.apps[app] = version  # the leader wrote it itself
    for name in remote:
        if relation.unit_versions.get(name, 0) != seen.members[name]:
            return _changed(relation, unit, name)
    return None


def _changed(relation: Relation, unit: Unit, remote_unit: str) -> Hook:
    version = relation.unit_versions.get(remote_unit, 0)
    return _relation_hook(relation, unit, "changed", remote_unit=remote_unit, version=version)


def _relation_hook(relation: Relation, unit: Unit, kind: str, **about: Any) -> Hook:
    endpoint, remote = relation.endpoint(unit.app).name, relation.other(unit.app).app
    return Hook(kind, relation.id, endpoint, remote, **about)


def is_valid(model: Model, unit: Unit, hook: Hook) -> bool:
    """Whether a hook that is to be run again still means something."""
    if hook.relation is None:
        return True
    return str(hook.relation) in model.state.relations and (
        hook.kind == "created" or str(hook.relation) in unit.relations
    )


def record(model: Model, unit: Unit, hook: Hook, *, boot_id: str, digest: str, now: float) -> None:
    """Note that a hook ran well, in which boot, and when; the model's lock is held.

    The digest is the `Model.config_digest` from before it ran.
    """
    unit.failure = None
    if hook.relation is not None:
        _record_relation(model, unit, hook)
    elif hook.kind == "install":
        unit.installed, unit.boot_seen = True, boot_id
        unit.charm_seen = unit.charm_seen or model.application(unit.app).charm
        relations.enter_all(model, unit)
    elif hook.kind == "start":
        unit.started, unit.boot_seen, unit.updated_at = True, boot_id, now
        if (unit.workload.current, unit.workload.message) == ("maintenance", INSTALLING):
            unit.workload = Status("unknown", "", now)
    else:
        _record_mark(unit, hook, digest, now)


def _record_mark(unit: Unit, hook: Hook, digest: str, now: float) -> None:
    if hook.kind == "leader-elected":
        unit.leader_seen = True
    elif hook.kind == "secret-changed":
        unit.secrets_told[hook.secret] = hook.version
    elif hook.kind == "leader-settings-changed":
        unit.leader_settings_seen = True
    elif hook.kind == "upgrade-charm":
        unit.config_seen = ""
    elif hook.kind == "config-changed":
        unit.config_seen = digest
    elif hook.kind == "stop":
        unit.stopped = True
    elif hook.kind == "remove":
        unit.removed = True
    elif hook.kind == "update-status":
        unit.updated_at = now


def _record_relation(model: Model, unit: Unit, hook: Hook) -> None:
    key = str(hook.relation)
    if hook.kind == "created":
        unit.relations[key] = SeenRelation()
        return
    seen = unit.relations.get(key)
    if seen is None:  # removed by force meanwhile
        return
    if hook.kind == "joined":
        seen.members[hook.remote_unit] = 0
        seen.changed_pending = hook.remote_unit
    elif hook.kind == "changed" and hook.remote_unit:
        seen.members[hook.remote_unit] = hook.version
        if seen.changed_pending == hook.remote_unit:
            seen.changed_pending = ""
    elif hook.kind == "changed":
        seen.apps[hook.remote_app] = hook.version
    elif hook.kind == "departed":
        seen.members.pop(hook.remote_unit, None)
    elif hook.kind == "broken":
        del unit.relations[key]
        relation = model.state.relations.get(key)
        if relation:
            removal.leave(model, relation, unit.name)
