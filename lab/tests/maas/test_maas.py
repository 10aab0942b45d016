import http.client
import json
import threading
from http import HTTPStatus
from http.server import ThreadingHTTPServer

import pytest
from jujulab.maas import server as maas
from jujulab.maas.oauth import ApiKey
from jujulab.maas.power import PowerController
from jujulab.machines.addresses import MachineId, addresses

KEY = ApiKey("consumer", "token", "secret")
GOOD = (
    'OAuth oauth_version="1.0", oauth_signature_method="PLAINTEXT", oauth_consumer_key="consumer",'
    ' oauth_token="token", oauth_signature="%26secret", oauth_nonce="1", oauth_timestamp="1"'
)
BAD = GOOD.replace("secret", "wrong")


class Node:
    def __init__(self, machine_id):
        self.identity = MachineId.parse(machine_id)
        self.hostname = self.identity.hostname
        self.fqdn = self.identity.fqdn
        self.parent = self.identity.parent
        self.addresses = addresses(10 + self.identity.node)
        self.state = "on"
        self.firmware_until = None

    def power_off(self):
        if self.hostname == "node2":
            raise RuntimeError("stuck")
        self.state = "off"


class FakeLab:
    def __init__(self, run_dir):
        self.run_dir = run_dir
        self.all = [Node("1"), Node("2"), Node("1/lxd/0")]

    def machines(self):
        return self.all


@pytest.fixture
def power(tmp_path):
    return PowerController(FakeLab(tmp_path))


@pytest.fixture
def request_(power):
    """Send a request over HTTP; return status, content type and body."""
    handler = maas.handler(maas.Api(power, KEY))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        connection = http.client.HTTPConnection(*server.server_address, timeout=10)

        def send(method, path, authorization=GOOD, body=None):
            headers = {"Authorization": authorization} if authorization else {}
            connection.request(method, f"/MAAS/api/2.0/{path}", body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            kind = answer.headers["Content-Type"].partition(";")[0]
            return answer.status, json.loads(text) if kind == "application/json" else text

        try:
            yield send
        finally:
            connection.close()
            server.shutdown()
            thread.join(10)


def test_machines_are_found_by_their_short_name(request_):
    status, (machine,) = request_("GET", "machines/?hostname=node1")
    assert status == HTTPStatus.OK
    assert (machine["system_id"], machine["fqdn"]) == ("lab001", "node1.maas")
    assert machine["power_state"] == "on"
    assert "10.77.3.11" in machine["ip_addresses"]
    assert request_("GET", "machines/?hostname=node1.maas")[1] == []
    assert request_("GET", "machines/?hostname=juju-lab-1-lxd-0")[1] == []
    assert len(request_("GET", "machines/")[1]) == 2
    assert len(request_("GET", "machines/?hostname=node1&hostname=node2")[1]) == 2


def test_power_is_switched_and_asked_for(request_, power):
    assert request_("GET", "machines/lab001/?op=query_power_state")[1] == {"state": "on"}
    status, machine = request_("POST", "machines/lab001/?op=power_off", body="a=b")
    assert (status, machine["power_state"]) == (HTTPStatus.OK, "off")
    assert request_("GET", "machines/lab001/op-query_power_state")[1] == {"state": "off"}
    assert request_("GET", "machines/lab001/")[1]["power_state"] == "off"
    power.settings.boot_delay = 60
    assert request_("POST", "machines/lab001/?op=power_on")[1]["power_state"] == "on"


@pytest.mark.parametrize("authorization", [BAD, None, "Basic x"])
def test_a_wrong_key_switches_nothing(request_, power, authorization):
    status, text = request_("POST", "machines/lab001/?op=power_off", authorization)
    assert status == HTTPStatus.UNAUTHORIZED
    assert "Invalid API key" in text
    assert power.nodes()[0].state == "on"
    assert request_("GET", "users/?op=whoami", authorization)[0] == HTTPStatus.UNAUTHORIZED


def test_the_version_is_told_to_anybody(request_):
    status, answer = request_("GET", "version/", None)
    assert status == HTTPStatus.OK
    assert answer["version"]


def test_whoami_needs_the_key(request_):
    assert request_("GET", "users/?op=whoami")[1]["is_superuser"] is True


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "machines/lab009/", HTTPStatus.NOT_FOUND),
        ("GET", "zones/", HTTPStatus.NOT_FOUND),
        ("GET", "machines/lab001/?op=power_off", HTTPStatus.BAD_REQUEST),
        ("POST", "machines/lab001/?op=release", HTTPStatus.BAD_REQUEST),
        ("POST", "machines/", HTTPStatus.NOT_FOUND),
    ],
)
def test_what_there_is_not_is_refused(request_, power, method, path, status):
    assert request_(method, path)[0] == status
    assert power.nodes()[0].state == "on"


def test_an_outage_hits_everything_and_ends(request_, power):
    power.settings.outage = True
    assert request_("GET", "version/", None)[0] == HTTPStatus.SERVICE_UNAVAILABLE
    status, _ = request_("POST", "machines/lab001/?op=power_off")
    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert power.nodes()[0].state == "on"
    power.settings.outage = False
    assert request_("POST", "machines/lab001/?op=power_off")[0] == HTTPStatus.OK


def test_a_forgotten_node_is_neither_listed_nor_switched(request_, power):
    power.settings.forgotten = {"node1"}
    assert request_("GET", "machines/?hostname=node1")[1] == []
    assert request_("POST", "machines/lab001/?op=power_off")[0] == HTTPStatus.NOT_FOUND
    assert power.nodes()[0].state == "on"
    power.settings.forgotten = ()
    assert request_("POST", "machines/lab001/?op=power_off")[0] == HTTPStatus.OK


def test_a_mute_power_controller_is_that_of_a_machine_that_is_known(request_, power):
    power.settings.mute = {"node1"}
    assert len(request_("GET", "machines/?hostname=node1")[1]) == 1
    for method, operation in (("GET", "query_power_state"), ("POST", "power_off")):
        status, _ = request_(method, f"machines/lab001/?op={operation}")
        assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert power.nodes()[0].state == "on"
    power.settings.mute = ()
    assert request_("POST", "machines/lab001/?op=power_off")[0] == HTTPStatus.OK


def test_one_machines_trouble_is_an_error_not_the_servers_end(request_):
    status, text = request_("POST", "machines/lab002/?op=power_off")
    assert (status, text) == (HTTPStatus.INTERNAL_SERVER_ERROR, "RuntimeError: stuck")
    assert request_("GET", "version/", None)[0] == HTTPStatus.OK


def test_the_secret_is_in_no_journal(request_, power):
    request_("POST", "machines/lab001/?op=power_off", BAD)
    request_("POST", "machines/lab001/?op=power_off")
    text = power.journal.path.read_text()
    assert "wrong API key" in text
    assert "secret" not in text


def test_the_url_is_that_of_a_bridge():
    assert maas.url() == "http://10.77.2.1:5240/MAAS"
    assert maas.url("internal") == "http://10.77.3.1:5240/MAAS"
