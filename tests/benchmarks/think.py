"""What the hook tools and commands of the benchmark answer.

`tool.sh` runs it with the file for the answer, the name of the tool and its arguments, where that
answer is not known yet. `BENCH_STATE` names a file with what Juju and the machine say.
"""

import json
import os
import sys
from pathlib import Path


def main(known: str, name: str, *arguments: str) -> int:
    """Answer, and remember it, unless it changes the state: then all answers are out of date."""
    file = Path(os.environ["BENCH_STATE"])
    state = json.loads(file.read_text())
    answer = juju(name, list(arguments), state)
    code, text = (
        machine(name, list(arguments), state) if answer is None else (0, json.dumps(answer))
    )
    if changing(name, list(arguments)):
        file.write_text(json.dumps(state))
        for old in Path(known).parent.iterdir():
            old.unlink()
    else:
        Path(known).write_text(f"{code}\n{text}")
    sys.stdout.write("" if name in ("relation-set", "open-port", "close-port") else text)
    return code


def changing(name: str, arguments: list[str]) -> bool:
    """Say whether a call changes the state."""
    if name == "systemctl":
        return not any(word == "show" or word.startswith("is-") for word in arguments)
    return name in ("relation-set", "open-port", "close-port")


def juju(name: str, arguments: list[str], state: dict) -> object:
    """Return what a hook tool answers, None for another program."""
    words = [word for word in arguments if word != "--format=json"]
    if name.startswith("relation-"):
        return relation(name, words, state)
    if name in ("open-port", "close-port"):
        left = set(state["ports"]) - set(words)
        state["ports"] = sorted(left | set(words) if name == "open-port" else left)
        return True
    if name == "network-get":
        return state["networks"].get(words[0], state["networks"][""])
    status = {"status": "active", "message": ""}
    answers = {"config-get": state["config"], "is-leader": state["leader"],
               "opened-ports": state["ports"], "status-get": status}  # fmt: skip
    return answers.get(name)


def relation(name: str, words: list[str], state: dict) -> object:
    """Return what a hook tool about relations answers."""
    if name == "relation-ids":
        known = state["relations"].items()
        return [f"{r['endpoint']}:{i}" for i, r in known if r["endpoint"] == words[0]]
    bags = state["relations"][words[words.index("-r") + 1].rpartition(":")[2]]["bags"]
    if name == "relation-list":
        if "--app" in words:
            return next(iter(bags)).partition("/")[0]
        return [who for who in bags if "/" in who and who != state["unit"]]
    who = state["unit"] if name == "relation-set" else words[-1]
    who = who.partition("/")[0] if "--app" in words else who
    if name == "relation-get":
        return bags.get(who, {})
    bag = {**bags.get(who, {}), **json.load(sys.stdin)}
    bags[who] = {key: value for key, value in bag.items() if value != ""}
    return True


def machine(name: str, arguments: list[str], state: dict) -> tuple[int, str]:
    """Be a command of a machine on which everything runs that was not stopped."""
    if name == "dpkg-query":
        names = [word for word in arguments if not word.startswith("-")]
        return 0, "".join(f"{package}\tii \t14.0.2-2\n" for package in names)
    if name == "systemctl":
        words = [word for word in arguments if not word.startswith("-")]
        if words[0] == "show":
            return 0, "\n".join(shown(name, state["stopped"]) for name in words[1:])
        return systemctl(words[0], words[-1], state["stopped"])
    return 0, state["answers"].get(name, "")


def shown(name: str, stopped: list[str]) -> str:
    """Be `systemctl show` for one unit."""
    runs = name.removesuffix(".service") not in stopped
    active, file = ("active", "enabled") if runs else ("inactive", "disabled")
    return f"Id={name}\nLoadState=loaded\nActiveState={active}\nUnitFileState={file}\n"


def systemctl(verb: str, service: str, stopped: list[str]) -> tuple[int, str]:
    """Start, stop or look at a service; one that is stopped is disabled too."""
    if verb in ("stop", "disable", "mask") and service not in stopped:
        stopped.append(service)
    elif verb in ("start", "restart", "enable") and service in stopped:
        stopped.remove(service)
    elif verb in ("is-active", "is-enabled", "is-failed"):
        runs = service not in stopped
        words = {"is-active": ("inactive", "active"), "is-enabled": ("disabled", "enabled")}
        text = words.get(verb, ("inactive", "active"))[runs]
        return 0 if runs and verb != "is-failed" else 3, f"{text}\n"
    return 0, ""


sys.exit(main(*sys.argv[1:]))
