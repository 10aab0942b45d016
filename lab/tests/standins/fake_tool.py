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
    if tool == "action-get":
        return state["parameters"].get(argv[0])
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
            raise RuntimeError("relation-set: ERROR cannot write relation settings")
        relation = state["relations"][argv[argv.index("-r") + 1]]
        bag = relation["local_app" if "--app" in argv else "local"]
        bag.update(json.loads(stdin))
        for key in [key for key, value in bag.items() if value == ""]:
            del bag[key]
    return None


def perform(tool: str, argv: list[str], stdin: str, file: Path) -> str:
    """Answer, and keep a record of the call.

    Raises:
        RuntimeError: it fails, as the test wishes or Juju would.
    """
    state = json.loads(file.read_text())
    state["calls"].append({"tool": tool, "argv": argv, "stdin": stdin})
    file.write_text(json.dumps(state))
    if tool in state["failing"]:
        raise RuntimeError(f"{tool}: fails, as the test wishes")
    said = answer(tool, argv, stdin, state)
    file.write_text(json.dumps(state))
    if tool == "systemctl" and argv[0] == "is-active":
        return "\n".join("inactive" if name in state["down"] else "active" for name in argv[1:])
    if tool == "dpkg-query":
        return "2:26.2.2-1~deb12u3"
    if tool == "ceph" and "get-key" in argv:
        return f"key of {argv[-1]}"
    if tool == "ceph" and "new" in argv:
        return "0"
    if "--gen-print-key" in argv:
        return "osdsecret"
    return "" if said is None else json.dumps(said)


def run(argv: list[str], stdin: str, file: Path) -> tuple[int, str, str]:
    """Run as the program ``argv[0]``; return its exit code, output and complaint."""
    try:
        return 0, perform(argv[0], argv[1:], stdin, file) + "\n", ""
    except RuntimeError as exc:
        return 1, "", str(exc).partition(": ")[2] + "\n"


def main() -> None:
    """Run as the program of that name."""
    argv = sys.argv[1:]
    fed = argv[0] in ("mysql", "relation-set") or {"import_definitions", "python3"} & set(argv)
    stdin = sys.stdin.read() if fed else ""
    code, out, complaint = run(argv, stdin, Path(os.environ["FAKE_JUJU"]))
    sys.stdout.write(out)
    sys.stderr.write(complaint)
    sys.exit(code)


if __name__ == "__main__":
    main()
