"""The bridge to the cloud's APIs: each request gets an answer, whatever goes wrong."""

import importlib.util
import json
from pathlib import Path

import pytest
from keystoneauth1 import exceptions

BRIDGE = Path(__file__).resolve().parents[2] / "inside" / "openstack_bridge.py"


class Reply:
    status_code = 200

    def json(self):
        return {"segments": []}


class Session:
    """Keystone's session, whose catalog has a service or not."""

    def __init__(self, catalog_has_it, new_catalog_has_it):
        self.has_it = catalog_has_it
        self.new_has_it = new_catalog_has_it

    def invalidate(self):
        self.has_it = self.new_has_it

    def request(self, path, method, **arguments):
        if not self.has_it:
            raise exceptions.EndpointNotFound("public endpoint for instance-ha not found")
        return Reply()


@pytest.fixture
def bridge():
    spec = importlib.util.spec_from_file_location("openstack_bridge", BRIDGE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(bridge, capsys, session):
    bridge.serve(session, {"id": 7, "method": "GET", "service": "instance-ha", "path": "/"})
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("known", [True, False])
def test_a_service_that_came_after_the_token_is_found(bridge, capsys, known):
    answer = ask(bridge, capsys, Session(known, True))
    assert answer == {"id": 7, "status": 200, "body": {"segments": []}}


def test_a_service_that_is_nowhere_is_said_so(bridge, capsys):
    answer = ask(bridge, capsys, Session(False, False))
    assert answer["status"] == 0
    assert "EndpointNotFound: public endpoint for instance-ha not found" in answer["body"]
