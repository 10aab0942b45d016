"""Relations: which endpoints fit, who is in scope, and the databags."""

from jujulab.engine.model import units
from jujulab.engine.model.model import Model
from jujulab.engine.model.state import ALIVE, Endpoint, Relation, Unit
from jujulab.juju.charm import Candidate, CharmEndpoint, fitting
from jujulab.juju.errors import JujuError
from jujulab.juju.names import JUJU4


def infer(model: Model, first: str, second: str) -> tuple[Candidate, Candidate]:
    """Find the one pair of endpoints that two ``app[:endpoint]`` can mean.

    Raises:
        JujuError: There is none, or more than one.
    """
    pairs = fitting(_candidates(model, first), _candidates(model, second))
    if not pairs:
        raise JujuError("no relations found")
    if len(pairs) > 1:
        found = sorted(f'"{a[0]}:{a[1].name} {b[0]}:{b[1].name}"' for a, b in pairs)
        raise JujuError(
            f'ambiguous relation: "{first} {second}" could refer to {"; ".join(found)}'
        )
    return pairs[0]


def _candidates(model: Model, spec: str) -> list[Candidate]:
    app, _, name = spec.partition(":")
    endpoints = model.meta(app).endpoints
    if name and name not in endpoints:
        raise JujuError(f'application "{app}" has no "{name}" relation')
    return [(app, e) for e in endpoints.values() if (e.name == name or not name)]


def find(model: Model, first: str, second: str) -> Relation | None:
    """Return the existing relation between two explicit ``app:endpoint``, in either order."""
    for relation in model.state.relations.values():
        if {str(e) for e in relation.endpoints} == {first, second}:
            return relation
    return None


def add(model: Model, first: str, second: str) -> Relation:
    """Relate two applications.

    Raises:
        JujuError: The endpoints do not fit, or the relation exists.
    """
    left, right = infer(model, first, second)
    names = [f"{app}:{endpoint.name}" for app, endpoint in (left, right)]
    failure = f'cannot add relation "{" ".join(names)}"'
    if find(model, *names):
        raise JujuError(f"{failure}: relation already exists")
    scope = "container" if "container" in (left[1].scope, right[1].scope) else "global"
    if scope == "container":
        _check_container(model, failure, left[0], right[0])
    for (app, endpoint), name in zip((left, right), names, strict=True):
        used = [r for r in model.relations_of(app) if r.endpoint(app).name == endpoint.name]
        if endpoint.limit and len(used) >= endpoint.limit:
            limit = f"its maximum relation limit of {endpoint.limit}"
            why = f"establishing a new relation for {name} would exceed {limit}"
            raise JujuError(f"{failure}: {why}")
    return _create(model, [left, right], scope)


def _check_container(model: Model, failure: str, *names: str) -> None:
    apps = [model.application(name) for name in names]
    if not any(app.subordinate for app in apps):
        why = "container scoped relation requires at least one subordinate application"
        raise JujuError(f"{failure}: {why}")
    if len({app.base for app in apps if app.base}) > 1:
        raise JujuError(f"{failure}: principal and subordinate applications' bases must match")


def add_peers(model: Model, app: str) -> None:
    """Create the peer relations of a new application."""
    for endpoint in model.meta(app).endpoints.values():
        if endpoint.role == "peer":
            add_peer(model, app, endpoint)


def add_peer(model: Model, app: str, endpoint: CharmEndpoint) -> Relation:
    """Create one peer relation."""
    return _create(model, [(app, endpoint)], "global")


def _create(model: Model, sides: list[Candidate], scope: str) -> Relation:
    endpoints = [Endpoint(app, e.name, e.role, e.interface) for app, e in sides]
    relation = Relation(model.state.next_relation, endpoints, scope)
    model.state.next_relation += 1
    model.state.relations[str(relation.id)] = relation
    for endpoint in endpoints:
        for unit in model.units_of(endpoint.app):
            enter(model, relation, unit)
    return relation


def enter(model: Model, relation: Relation, unit: Unit) -> None:
    """Bring a unit into a relation's scope, with its own databag, once it is installed."""
    if not (unit.installed and unit.life == ALIVE and relation.life == ALIVE):
        return
    if unit.name in relation.members or not _concerns(relation, unit):
        return
    relation.members.append(unit.name)
    address = model.address(unit, relation.endpoint(unit.app).name)
    own = relation.unit_data.setdefault(unit.name, {})
    own.update({"egress-subnets": f"{address}/32", "ingress-address": address})
    if not JUJU4:
        own["private-address"] = address
    relation.unit_versions[unit.name] = relation.unit_versions.get(unit.name, 0) + 1
    if relation.scope == "container" and not unit.principal:
        other = relation.other(unit.app).app
        if model.application(other).subordinate:
            units.add_subordinate(model, unit, other)


def enter_all(model: Model, unit: Unit) -> None:
    """Bring a unit that was just installed into all relations of its application."""
    for relation in model.relations_of(unit.app):
        enter(model, relation, unit)


def _concerns(relation: Relation, unit: Unit) -> bool:
    if relation.scope != "container" or not unit.principal:
        return True
    return relation.other(unit.app).app == unit.principal.partition("/")[0]


def members(model: Model, relation: Relation, unit: Unit) -> list[str]:
    """Return the remote units that a unit sees in a relation, in natural order."""
    if unit.life != ALIVE or relation.life != ALIVE:
        return []
    remote = relation.other(unit.app).app
    names = [n for n in relation.members if n.partition("/")[0] == remote and n != unit.name]
    if relation.scope == "container":
        units = model.state.units
        names = [n for n in names if n in units and units[n].scope_key == unit.scope_key]
    return sorted(names, key=lambda name: int(name.partition("/")[2]))


def write(relation: Relation, owner: str, changes: dict[str, str]) -> bool:
    """Write into the databag of a unit or application; an empty value deletes its key.

    Returns:
        Whether anything is different now; then the bag has a new version.
    """
    is_unit = "/" in owner
    bags = relation.unit_data if is_unit else relation.app_data
    versions = relation.unit_versions if is_unit else relation.app_versions
    before = bags.get(owner, {})
    bags[owner] = changed(before, changes)
    if bags[owner] == before:
        return False
    versions[owner] = versions.get(owner, 0) + 1
    return True


def changed(bag: dict[str, str], changes: dict[str, str]) -> dict[str, str]:
    """Return what a databag is with changes; an empty value deletes its key."""
    return {key: value for key, value in (bag | changes).items() if value}
