"""Runs inside a machine of the lab and passes requests on to the cloud's APIs.

The host has no route into the lab's networks. One line of JSON on standard input is one request,
one line on standard output is its answer; requests run at once, answers come as they finish.
The first line of input holds the credentials (so that they are in no process list).
"""

import json
import pathlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

_TIMEOUT = 30
_READ_TIMEOUT = 5  # a dead host answers nothing; whoever only looks asks again
_output = threading.Lock()


def answer(**content):
    """Write one answer."""
    with _output:
        print(json.dumps(content), flush=True)


def serve(connection, request):
    """Pass one request on; whatever goes wrong is an answer too."""
    try:
        headers = {}
        looks = request["method"] == "GET"
        if request.get("microversion"):
            version = f"{request['service']} {request['microversion']}"
            headers["OpenStack-API-Version"] = version
            headers["X-OpenStack-Nova-API-Version"] = request["microversion"]
        body = request.get("body")
        arguments = {"json": body} if body is not None else {}
        if "data" in request:
            arguments = {"data": pathlib.Path(request["data"]).read_bytes()}
            headers["Content-Type"] = "application/octet-stream"
        arguments |= {
            "endpoint_filter": {"service_type": request["service"], "interface": "public"},
            "headers": headers,
            "raise_exc": False,
            # An address that moves to another unit closes what was connected to it.
            "connect_retries": 2 if looks else 0,
            "timeout": _READ_TIMEOUT if looks else _TIMEOUT,
        }
        try:
            reply = connection.request(request["path"], request["method"], **arguments)
        except exceptions.EndpointNotFound:
            # The token's catalog may be older than the service, which was deployed meanwhile.
            connection.invalidate()
            reply = connection.request(request["path"], request["method"], **arguments)
        try:
            content = reply.json()
        except ValueError:
            content = reply.text
        answer(id=request["id"], status=reply.status_code, body=content)
    except Exception as error:
        answer(id=request["id"], status=0, body=f"{type(error).__name__}: {error}")


def main():
    """Read requests until standard input ends."""
    auth = v3.Password(**json.loads(sys.stdin.readline()))
    connection = session.Session(auth=auth, timeout=_TIMEOUT)
    with ThreadPoolExecutor(8) as pool:
        for line in sys.stdin:
            pool.submit(serve, connection, json.loads(line))


if __name__ == "__main__":
    main()
