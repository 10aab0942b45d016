"""Stand-in for keystone: Keystone behind `identity-service` and `identity-credentials`.

The leader alone serves and answers, in its own unit databag; other units are idle. Like the real
charm it never takes a user or an endpoint back.
"""

from __future__ import annotations

from pathlib import Path

import answers
import openstack_peers
import workload
from standin import ActionFailed, Unit, main, require

SETTINGS = "etc/keystone/keystone.conf"
UWSGI = "etc/keystone/keystone-uwsgi.ini"
ADMIN_DOMAIN = "admin_domain"


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
        relation.publish(answers.service(unit, relation, ids))
    for relation in unit.related("identity-credentials"):
        relation.publish(answers.credentials(unit, relation))
    return services


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
    here = answers.location(unit)
    keys = "--keystone-user keystone --keystone-group keystone"
    commands = [
        "db_sync",
        f"fernet_setup {keys}",
        f"credential_setup {keys}",
        f"bootstrap --bootstrap-username {answers.CHARM_USER}"
        f" --bootstrap-role-name {answers.ADMIN_ROLE}"
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


def admin_password(unit: Unit) -> str:
    """The password of the cloud's admin user."""
    fixed = str(unit.config.get("admin-password", "None"))
    return unit.secret("password of admin") if fixed == "None" else fixed


def first_things(unit: Unit) -> dict[str, str]:
    """Make the domains, projects, roles and the user that every cloud has; return their ids."""
    unit.status("maintenance", "Making the first domains and users")
    identity = answers.api(unit)
    admin_domain = identity.domain(ADMIN_DOMAIN)
    service_domain = identity.domain(answers.SERVICE_DOMAIN)
    project = identity.project("admin", admin_domain)
    role = identity.role(answers.ADMIN_ROLE)
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
        "service_project": identity.project(answers.SERVICE_PROJECT, service_domain),
        "service_role": identity.role("service"),
    }


def get_admin_password(unit: Unit) -> dict[str, str]:
    """The action of that name."""
    return {"admin-password": admin_password(unit)}


def list_service_usernames(unit: Unit) -> dict[str, str]:
    """The action of that name."""
    return {"usernames": ",".join(answers.service_users(unit))}


def rotate_service_user_password(unit: Unit) -> dict[str, str]:
    """The action of that name."""
    user = unit.parameter("service-user")
    known = answers.service_users(unit)
    if not unit.leader:
        raise ActionFailed("This unit is not the leader and therefore can't rotate the password")
    if user not in known:
        services = ", ".join(known)
        raise ActionFailed(f"Invalid service requested: '{user}' not one of {services} services.")
    answers.rotate(unit, user, unit.keep("identity", lambda: first_things(unit)))
    return {}


ACTIONS = {
    "get-admin-password": get_admin_password,
    "list-service-usernames": list_service_usernames,
    "rotate-service-user-password": rotate_service_user_password,
}

if __name__ == "__main__":
    main(reconcile, version_of="keystone", actions=ACTIONS)
