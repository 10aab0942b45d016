#!/usr/bin/env python3
"""A `juju` on the PATH that remembers what it is told: FAKE_JUJU names its file.

It answers in the formats of Juju 4.0's client for the few commands that the lab needs before a
bundle is deployed, and refuses what a real one refuses of them.
"""

import json
import os
import sys
import zipfile
from pathlib import Path

state_file = Path(os.environ["FAKE_JUJU"])
state = json.loads(state_file.read_text())
words = sys.argv[1:]


def end(error: str = "", answer: object = None) -> None:
    state_file.write_text(json.dumps(state))
    if error:
        sys.exit(f"ERROR {error}")
    if answer is not None:
        print(answer if isinstance(answer, str) else json.dumps(answer))
    sys.exit()


state["said"].append(" ".join(words))
match words[0]:
    case "version":
        end(answer=state["version"])
    case "controllers":
        end(answer={"controllers": state["controllers"] or None, "current-controller": "lab"})
    case "add-cloud":
        clouds = Path(os.environ["JUJU_DATA"]) / "clouds.yaml"
        if clouds.exists():
            end('use `update-cloud lab --client`: local cloud "lab" already exists')
        state["cloud"] = Path(words[-1]).read_text()
        clouds.write_text(state["cloud"])
    case "bootstrap":
        charm = zipfile.ZipFile(words[words.index("--controller-charm-path") + 1])
        state["controller-charm"] = sorted(charm.namelist())
        known = Path(os.environ["JUJU_DATA"]) / "controllers.yaml"
        known.write_text("controllers: {}\n")
        # It looks for agents here, and else where there is no way to.
        if Path(words[words.index("--metadata-source") + 1]).name != "tools":
            end("failed to bootstrap model: cannot read index data: network is unreachable")
        if state["unreachable"]:
            end("subprocess encountered error code 255 (ssh: connect to host: No route to host)")
        state["controllers"] = {"lab": {}}
        known.write_text("controllers: {lab: {}}\n")
    case "models":
        end(answer={"models": [{"name": f"admin/{n}", "short-name": n} for n in state["models"]]})
    case "add-model":
        state["models"].append(words[1])
    case "show-model":
        if words[1] not in state["models"]:
            end(f"model {words[1]} not found")
        end(answer={words[1]: {}})
    case "machines":
        end(answer={"model": {"name": "lab"}, "machines": state["machines"]})
    case "add-machine":
        if state["unreachable"]:
            end("subprocess encountered error code 255 (ssh: connect to host: No route to host)")
        address = words[1].partition("@")[2]
        machine = {"juju-status": {"current": "pending"}, "instance-id": f"manual:{address}"}
        state["machines"][str(state["next"])] = machine
        state["next"] += 1
    case "spaces":
        end(answer={"spaces": [{"name": name} for name in state["spaces"]]})
    case "add-space":
        state["subnets-after"] -= 1
        if state["subnets-after"] >= 0:
            end(f"subnet {words[2]} not found")
        state["spaces"].append(words[1])
    case "model-config":
        if words[1].partition("=")[2] not in state["spaces"]:
            end(f'space not found: "{words[1]}"')
    case other:
        end(f"unrecognized command: juju {other}")
end()
