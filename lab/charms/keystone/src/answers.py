"""What related units ask of Keystone: how it is done, and what they are told."""

from __future__ import annotations

from functools import partial

import protocol
from identity import Identity
from standin import JUJU_KEYS, Relation, Unit

ADMIN_ROLE = "Admin"
SERVICE_DOMAIN = "service_domain"
SERVICE_PROJECT = "services"
DEFAULT_DOMAIN = "default"
"""The identifier of the domain that Keystone's bootstrap makes."""

NO_TLS = dict.fromkeys(("https_keystone", "ssl_cert", "ssl_key", "ca_cert"), "__null__")
"""What the real charm says of certificates: nothing, in so many words."""

CHARM_USER = "_charm-keystone-admin"


def location(unit: Unit) -> protocol.Location:
    """Where this unit's API is."""
    return protocol.Location(
        public=unit.address("public"),
        internal=unit.address("internal"),
        admin=unit.address("admin"),
        port=unit.config["service-port"],
        admin_port=unit.config["admin-port"],
    )


def api(unit: Unit) -> Identity:
    """Keystone's API on this machine."""
    password = unit.secret("password of the charm")
    return Identity(f"http://127.0.0.1:{unit.config['service-port']}", CHARM_USER, password)


def service(unit: Unit, relation: Relation, ids: dict[str, str]) -> dict[str, object]:
    """Register what the units of a relation ask for, and return what to publish to them."""
    answer: dict[str, object] = {}
    for name, bag in sorted(relation.units.items()):
        where = location(unit).for_service()
        if protocol.wants_no_endpoint(bag):
            answer = {**where, "region": unit.config["region"]}
            continue
        services = protocol.endpoints(bag)
        if not services:
            continue
        # One user for all services of a unit, named after them.
        user = "_".join(sorted(service.service for service in services))
        registered = unit.keep(
            f"{relation.id} {name}",
            partial(register, unit, user, services, bag, ids),
            key=request(bag),
        )
        answer = {
            **where,
            **registered,
            "service_username": user,
            "service_password": unit.secret(f"password of {user}", 64),
            "service_tenant": SERVICE_PROJECT,
            "service_tenant_id": ids["service_project"],
            "service_domain": SERVICE_DOMAIN,
            "service_domain_id": ids["service_domain"],
            "service_type": services[0].kind,
            "admin_domain_id": ids["admin_domain"],
            "admin_project_id": ids["admin_project"],
            "admin_user_id": ids["admin_user"],
            "admin_role": ADMIN_ROLE,
            **NO_TLS,
        }
    return answer


def service_users(unit: Unit) -> list[str]:
    """The users of the services that are registered, whose passwords can be rotated.

    As with the real charm, those of `identity-credentials` are not among them.
    """
    published = (relation.published for relation in unit.related("identity-service"))
    return sorted({bag["service_username"] for bag in published if "service_username" in bag})


def rotate(unit: Unit, user: str, ids: dict[str, str]) -> None:
    """Give a service's user another password and tell the service."""
    password = unit.renew(f"password of {user}", 64)
    api(unit).user(user, ids["service_domain"], password)
    for relation in unit.related("identity-service"):
        if relation.published.get("service_username") == user:
            relation.publish({**relation.published, "service_password": password})


def request(bag: dict[str, str]) -> dict[str, str]:
    """What a client itself has put in its databag."""
    return {key: bag[key] for key in sorted(bag) if key not in JUJU_KEYS}


def register(
    unit: Unit,
    user: str,
    services: list[protocol.Endpoint],
    bag: dict[str, str],
    ids: dict[str, str],
) -> dict[str, str]:
    """Have the services in the catalog and their user in the service project.

    Returns:
        What the answer has from it: ``service_user_id`` and ``created_roles``.
    """
    unit.status("maintenance", f"Registering {user}")
    identity = api(unit)
    for service in services:
        identity.catalog(service.service, service.kind, service.region, service.urls)
    password = unit.secret(f"password of {user}", 64)
    user_id = identity.user(user, ids["service_domain"], password)
    identity.user(user, DEFAULT_DOMAIN, password)  # as the real charm does, for old clients
    roles = protocol.words(bag, "requested_roles")
    for role in [ids["admin_role"], ids["service_role"], *(identity.role(name) for name in roles)]:
        identity.grant(role, user_id, project=ids["service_project"])
    for name in protocol.words(bag, "add_role_to_admin"):
        identity.grant(identity.role(name), ids["admin_user"], project=ids["admin_project"])
    return {"service_user_id": user_id, "created_roles": ",".join(roles)}


def credentials(unit: Unit, relation: Relation) -> dict[str, object]:
    """Make the user that a relation asks for, and return what to publish to it."""
    answer: dict[str, object] = {}
    for name, bag in sorted(relation.units.items()):
        user = bag.get("username")
        if not user:
            continue
        project = bag.get("project") or SERVICE_PROJECT
        domain = bag.get("domain") or SERVICE_DOMAIN
        made = unit.keep(
            f"{relation.id} {name}",
            partial(admit, unit, user, project, domain, bag),
            key=request(bag),
        )
        answer = {
            **location(unit).for_credentials(),
            "credentials_username": user,
            "credentials_password": unit.secret(f"password of {user}", 64),
            "credentials_project": project,
            "credentials_project_id": made["project"],
            "region": unit.config["region"],
            "domain": domain,
            "credentials_user_domain_name": domain,
            "credentials_user_domain_id": made["domain"],
            "credentials_project_domain_name": domain,
            "credentials_project_domain_id": made["domain"],
        }
    return answer


def admit(unit: Unit, user: str, project: str, domain: str, bag: dict[str, str]) -> dict[str, str]:
    """Have a user with its roles on a project; return the ids of project and domain.

    Raises:
        LookupError: the domain does not exist; the real charm makes none here either.
    """
    unit.status("maintenance", f"Making credentials for {user}")
    identity = api(unit)
    domain_id = identity.known_domain(domain)
    project_id = identity.project(project, domain_id)
    user_id = identity.user(user, domain_id, unit.secret(f"password of {user}", 64))
    grants = protocol.words(bag, "requested_grants") or [ADMIN_ROLE]
    for role in {*grants, *protocol.words(bag, "requested_roles")}:
        identity.grant(identity.role(role), user_id, project=project_id)
    return {"project": project_id, "domain": domain_id}
