"""Passwords that change under a running deployment."""

from __future__ import annotations

import json
import secrets

import jubilant
import pytest
from jujulab.trials.deployment import Deployment
from jujulab.trials.experiment import Experiment
from operating import Operator, wait_until

TAKES = 120
WORKERS = {"masakari-api", "masakari-engine"}
MONITORS = {"masakari-host-monitor", "masakari-instance-monitor"}


def assert_works(operator: Operator, demo: Deployment) -> None:
    """The API answers an authenticated request, and the engine recovers a guest."""
    assert "rack1" in str(operator.action("masakari/leader", "list-segments"))
    assert Experiment(demo).kill_guest() == []


@pytest.mark.parametrize(
    ("application", "concerned"),
    [
        ("rabbitmq-server", WORKERS),
        ("keystone", WORKERS | {"masakari-fencing-notifier"}),
    ],
)
def test_the_service_users_password_is_rotated(
    operator: Operator, on_duty: Deployment, guest: str, application: str, concerned: set[str]
) -> None:
    operator.settle()
    before = operator.starts()
    leader = f"{application}/leader"
    operator.action(leader, "rotate-service-user-password", service_user="masakari")
    wait_until("services follow", lambda: operator.restarted(before) == concerned, TAKES)
    operator.settle()
    assert operator.restarted(before) == concerned
    assert_works(operator, on_duty)


def test_keystone_rotates_no_credentials(operator: Operator) -> None:
    """The real charm refuses it, too: only services' users are on its list."""
    with pytest.raises(jubilant.TaskError, match="Invalid service requested"):
        operator.action(
            "keystone/leader", "rotate-service-user-password", service_user="masakari-monitors"
        )


def test_monitors_follow_credentials_that_were_changed_by_hand(
    operator: Operator, on_duty: Deployment, guest: str
) -> None:
    password = secrets.token_hex(16)
    user = "masakari-monitors --domain service_domain"
    operator.openstack(f"openstack user set --password {password} {user}")
    before = operator.starts()
    [relation] = json.loads(
        operator.juju.exec(
            "relation-ids identity-credentials --format=json", unit="keystone/0"
        ).stdout
    )
    change = f"relation-set -r {relation} credentials_password={password}"
    operator.juju.exec(change, unit="keystone/0")
    wait_until("monitors follow", lambda: operator.restarted(before) == MONITORS, TAKES)
    operator.settle()
    assert operator.restarted(before) == MONITORS
    assert_works(operator, on_duty)
