"""Stand-in for keystone: Keystone behind `identity-service` and `identity-credentials`.

The leader alone serves and answers, in its own unit databag; other units are idle. Like the real
charm it never takes a user or an endpoint back.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import openstack_peers
import protocol
import workload
from identity import Identity
from standin import JUJU_KEYS, Relation, Unit, main, require

SETTINGS = "etc/keystone/keystone.conf"
UWSGI = "etc/keystone/keystone-uwsgi.ini"
ADMIN_ROLE = "Admin"
ADMIN_DOMAIN = "admin_domain"
SERVICE_DOMAIN = "service_domain"
SERVICE_PROJECT = "services"
CHARM_USER = "_charm-keystone-admin"


def reconcile(unit: Unit) -> list[str]:
    """Operate Keystone and answer the related units."""
    if not unit.leader:
        return []
    openstack_peers.ask_database(unit, "keystone", **{"": "keystone"})
    database = openstack_peers.database_url(unit, "keystone", "keystone")
    require(unit, {"database": ("shared-db", database)})
    configure(unit, database)
    unit.keep("schema", lambda: bootstrap(unit), key=database)
    services = workload.serve(unit, ["keystone"], SETTINGS, UWSGI)
    ids = unit.keep("identity", lambda: first_things(unit))
    for relation in unit.related("identity-service"):
        relation.publish(answer_service(unit, relation, ids))
    for relation in unit.related("identity-credentials"):
        relation.publish(answer_credentials(unit, relation))
    return services


def location(unit: Unit) -> protocol.Location:
    """Where this unit's API is."""
    return protocol.Location(
        public=unit.address("public"),
        internal=unit.address("internal"),
        admin=unit.address("admin"),
        port=unit.config["service-port"],
        admin_port=unit.config["admin-port"],
    )


def configure(unit: Unit, database: str) -> None:
    """Write Keystone's configuration."""
    settings = {
        "DEFAULT": {"debug": unit.config["debug"]},
        # Makes a request ten times cheaper, and is coherent because there is one process.
        "cache": {"enabled": True, "backend": "dogpile.cache.memory_pickle"},
        "database": {"connection": database},
        # Strong hashes cost a quarter of a second of processor for every token.
        "identity": {"password_hash_rounds": 4},
        "token": {"provider": "fernet", "expiration": unit.config["token-expiration"]},
    }
    text = workload.ini(settings)
    workload.write(unit.root / SETTINGS, text, group="keystone", mode=0o640)
    port = f"http-socket = :{unit.config['admin-port']}"
    workload.tune_uwsgi(unit.root / UWSGI, 1, 8, port)


def bootstrap(unit: Unit) -> None:
    """Make Keystone's schema, keys, first user and own endpoints."""
    unit.status("maintenance", "Bootstrapping Keystone")
    here = location(unit)
    keys = "--keystone-user keystone --keystone-group keystone"
    commands = [
        "db_sync",
        f"fernet_setup {keys}",
        f"credential_setup {keys}",
        f"bootstrap --bootstrap-username {CHARM_USER} --bootstrap-role-name {ADMIN_ROLE}"
        f" --bootstrap-project-name admin --bootstrap-service-name keystone"
        f" --bootstrap-region-id {unit.config['region'].split()[0]}"
        f" --bootstrap-public-url http://{here.public}:{here.port}/v3"
        f" --bootstrap-internal-url http://{here.internal}:{here.port}/v3"
        f" --bootstrap-admin-url http://{here.admin}:{here.admin_port}/v3",
    ]
    script = Path(__file__).with_name("initialise.py")
    password = {"OS_BOOTSTRAP_PASSWORD": unit.secret("password of the charm")}
    workload.run(
        "python3", "-", *commands, stdin=script.read_text(), user="keystone", env=password
    )


def api(unit: Unit) -> Identity:
    """Keystone's API on this machine."""
    password = unit.secret("password of the charm")
    return Identity(f"http://127.0.0.1:{unit.config['service-port']}", CHARM_USER, password)


def admin_password(unit: Unit) -> str:
    """The password of the cloud's admin user."""
    fixed = str(unit.config.get("admin-password", "None"))
    return unit.secret("password of admin") if fixed == "None" else fixed


def first_things(unit: Unit) -> dict[str, str]:
    """Make the domains, projects, roles and the user that every cloud has; return their ids."""
    unit.status("maintenance", "Making the first domains and users")
    identity = api(unit)
    admin_domain = identity.domain(ADMIN_DOMAIN)
    service_domain = identity.domain(SERVICE_DOMAIN)
    project = identity.project("admin", admin_domain)
    role = identity.role(ADMIN_ROLE)
    admin = identity.user(unit.config["admin-user"], admin_domain, admin_password(unit))
    identity.grant(role, admin, project=project)
    identity.grant(identity.role("member"), admin, project=project)
    identity.grant(role, admin, domain=admin_domain)
    return {
        "admin_domain": admin_domain,
        "admin_project": project,
        "admin_user": admin,
        "admin_role": role,
        "service_domain": service_domain,
        "service_project": identity.project(SERVICE_PROJECT, service_domain),
        "service_role": identity.role("service"),
    }


def answer_service(unit: Unit, relation: Relation, ids: dict[str, str]) -> dict[str, object]:
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
        }
    return answer


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
    roles = protocol.words(bag, "requested_roles")
    for role in [ids["admin_role"], ids["service_role"], *(identity.role(name) for name in roles)]:
        identity.grant(role, user_id, project=ids["service_project"])
    for name in protocol.words(bag, "add_role_to_admin"):
        identity.grant(identity.role(name), ids["admin_user"], project=ids["admin_project"])
    return {"service_user_id": user_id, "created_roles": ",".join(roles)}


def answer_credentials(unit: Unit, relation: Relation) -> dict[str, object]:
    """Make the user that a relation asks for, and return what to publish to it."""
    answer: dict[str, object] = {}
    for name, bag in sorted(relation.units.items()):
        user = bag.get("username")
        if not user:
            continue
        project, domain = (
            bag.get("project") or SERVICE_PROJECT,
            bag.get("domain") or SERVICE_DOMAIN,
        )
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
    """Have a user with its roles on a project; return the ids of project and domain."""
    unit.status("maintenance", f"Making credentials for {user}")
    identity = api(unit)
    domain_id = identity.domain(domain)
    project_id = identity.project(project, domain_id)
    user_id = identity.user(user, domain_id, unit.secret(f"password of {user}", 64))
    grants = protocol.words(bag, "requested_grants") or [ADMIN_ROLE]
    for role in {*grants, *protocol.words(bag, "requested_roles")}:
        identity.grant(identity.role(role), user_id, project=project_id)
    return {"project": project_id, "domain": domain_id}


def get_admin_password(unit: Unit) -> dict[str, str]:
    """The action of that name."""
    return {"admin-password": admin_password(unit)}


ACTIONS = {"get-admin-password": get_admin_password}

if __name__ == "__main__":
    main(reconcile, version_of="keystone", actions=ACTIONS)
