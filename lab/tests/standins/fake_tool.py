"""One hook tool or system command of `fake_juju`, run by a link of its name.

Usage: fake_tool.py NAME ARGUMENT...
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def answer(tool: str, argv: list[str], stdin: str, state: dict[str, Any]) -> Any:
    """Do what the tool does to the state, and return what it prints."""
    argv = [arg for arg in argv if arg != "--format=json"]
    if tool == "config-get":
        return state["config"]
    if tool == "is-leader":
        return state["leader"]
    if tool == "network-get":
        address = {"value": state["addresses"][argv[0]]}
        return {"bind-addresses": [{"addresses": [address]}]}
    if tool == "relation-get":
        relation = state["relations"][argv[argv.index("-r") + 1]]
        return relation["app_data"] if "--app" in argv else relation["units"][argv[-1]]
    if tool == "relation-set":
        if "--app" in argv and not state["leader"]:
            sys.exit("ERROR cannot write relation settings")
        relation = state["relations"][argv[argv.index("-r") + 1]]
        bag = relation["local_app" if "--app" in argv else "local"]
        bag.update(json.loads(stdin))
        for key in [key for key, value in bag.items() if value == ""]:
            del bag[key]
    return None


def main() -> None:
    """Answer, and keep a record of the call."""
    tool, *argv = sys.argv[1:]
    file = Path(os.environ["FAKE_JUJU"])
    state = json.loads(file.read_text())
    fed = tool in ("mysql", "relation-set") or {"import_definitions", "python3"} & set(argv)
    stdin = sys.stdin.read() if fed else ""
    state["calls"].append({"tool": tool, "argv": argv, "stdin": stdin})
    if tool in state["failing"]:
        file.write_text(json.dumps(state))
        sys.exit(f"{tool} fails, as the test wishes")
    said = answer(tool, argv, stdin, state)
    file.write_text(json.dumps(state))
    if tool == "systemctl" and argv[0] == "is-active":
        print("\n".join("inactive" if name in state["down"] else "active" for name in argv[1:]))
    elif tool == "dpkg-query":
        print("2:26.2.2-1~deb12u3", end="")
    elif said is not None:
        print(json.dumps(said))


if __name__ == "__main__":
    main()
