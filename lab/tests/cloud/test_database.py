"""What is read in the database, from a client that is a script here."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from typing import Any

import pytest
from jujulab.cloud.database import (
    NOTIFICATIONS,
    DatabaseError,
    DatabaseView,
    Notification,
    ServerView,
)

CLIENT = """
import sys
answers = {"nova.instances": sys.argv[1], "masakari.notifications": sys.argv[2]}
for line in sys.stdin:
    for table, answer in answers.items():
        if table in line:
            if answer == "gone":
                sys.exit(1)
            if answer == "silent":
                sys.stdin.readline()
                break
            sys.stdout.write(answer)
    if line.startswith("SELECT '"):
        print(line.split("'")[1])
    sys.stdout.flush()
"""

SERVERS = (
    "a\tactive\t\tnode1.maas\t1\t2026-11-21 08:00:00\n"
    "b\tactive\trebuild_spawning\tnode1.maas\t0\t\n"
    "c\tstopped\t\tnode2.maas\t4\t\n"
    "d\tpaused\t\tnode2.maas\t3\t\n"
)


class Client:
    """A machine on which the client answers with fixed texts."""

    def __init__(self, servers: str = SERVERS, notifications: str = "") -> None:
        self.texts = [servers, notifications]
        self.started = 0

    def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        assert argv[0] == "mariadb"
        self.started += 1
        return subprocess.Popen([sys.executable, "-c", CLIENT, *self.texts], **options)


def view_of(client: Any, timeout: float = 10.0) -> DatabaseView:
    return DatabaseView(client, timeout)


def test_guests_are_called_as_the_api_calls_them() -> None:
    client = Client()
    made = view_of(client)
    found = made.servers()
    assert found["a"] == ServerView("ACTIVE", "node1.maas", None, True, "2026-11-21 08:00:00")
    assert found["a"].runs
    assert found["b"].rebuilding
    assert [view.status for view in found.values()] == ["ACTIVE", "REBUILD", "SHUTOFF", "PAUSED"]
    assert made.servers() == found
    assert client.started == 1
    made.close()


def test_notifications() -> None:
    made = view_of(Client(notifications="uuid-1\tCOMPUTE_HOST\trunning\thost-1\n"))
    assert made.notifications() == [Notification("uuid-1", "COMPUTE_HOST", "running", "host-1")]
    made.close()


def test_that_a_host_has_come_back_is_no_report_of_a_failure() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("ATTACH ':memory:' AS masakari")
    database.execute(
        "CREATE TABLE masakari.notifications (id INTEGER PRIMARY KEY, notification_uuid, type,"
        " status, source_host_uuid, payload, deleted)"
    )
    for uuid, event in (("one", "STARTED"), ("two", "STOPPED")):
        payload = json.dumps({"event": event, "cluster_status": "ONLINE"})
        values = (uuid, "COMPUTE_HOST", "new", "host", payload, 0)
        database.execute(
            "INSERT INTO masakari.notifications VALUES (NULL, ?, ?, ?, ?, ?, ?)", values
        )
    rows = database.execute(NOTIFICATIONS).fetchall()
    assert rows == [("two", "COMPUTE_HOST", "new", "host")]


@pytest.mark.parametrize(("fault", "text"), [("gone", "ended|pipe"), ("silent", "in time")])
def test_a_database_that_is_away_is_asked_anew(fault: str, text: str) -> None:
    client = Client(servers=fault)
    made = view_of(client, timeout=0.3)
    with pytest.raises(DatabaseError, match=text):
        made.servers()
    client.texts[0] = SERVERS
    made.timeout = 10.0
    assert len(made.servers()) == 4
    assert client.started == 2
    made.close()
