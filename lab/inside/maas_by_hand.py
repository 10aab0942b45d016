"""Switches a machine off by MAAS's API, with nothing but Python's own library.

Reads a line of JSON (`url`, `key`, `hostname`), says `ready`, waits for another line, has the
machine switched off, and says `off` once MAAS does. The key is on the standard input, where no
list of processes shows it. The requests are those of MAAS's API 2.0
(`machines/{system_id}/op-...`), signed with OAuth 1.0 PLAINTEXT, as its documentation has them.
"""

import json
import sys
import time
import urllib.parse
import urllib.request

INTERVAL = 0.1

given = json.loads(sys.stdin.readline())
consumer, token, secret = given["key"].split(":")
parameters = {
    "oauth_version": "1.0",
    "oauth_signature_method": "PLAINTEXT",
    "oauth_consumer_key": consumer,
    "oauth_token": token,
    "oauth_signature": urllib.parse.quote(f"&{secret}"),
}


def ask(path: str, data: "bytes | None" = None) -> "list | dict":
    """Send a request to MAAS: a POST where there is data."""
    own = {
        **parameters,
        "oauth_nonce": str(time.time_ns()),
        "oauth_timestamp": str(int(time.time())),
    }
    header = "OAuth " + ", ".join(f'{name}="{value}"' for name, value in own.items())
    request = urllib.request.Request(f"{given['url']}/api/2.0/{path}", data=data)  # noqa: S310
    request.add_header("Authorization", header)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the lab's
        return json.load(answer)


[machine] = ask(f"machines/?hostname={given['hostname']}")
path = f"machines/{machine['system_id']}/"
print("ready", flush=True)
sys.stdin.readline()
ask(f"{path}op-power_off", b"stop_mode=hard")
while ask(f"{path}op-query_power_state")["state"] != "off":
    time.sleep(INTERVAL)
print("off", flush=True)
