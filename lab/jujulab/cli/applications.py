"""Deploying, changing and removing applications, units and relations."""

from pathlib import Path
from typing import Any

from jujulab.cli.command import CommandError, Invocation, command, say, split_list
from jujulab.cli.output import emit, format_flag
from jujulab.juju.charm import is_path
from jujulab.juju.gnuflag import Flag, UsageError, key_values
from jujulab.juju.names import JUJU4
from jujulab.juju.yamlfiles import read_mapping

_FORCE = Flag("force", kind="bool")
_NO_PROMPT = Flag("no-prompt", kind="bool")
_DESTROY_STORAGE = Flag("destroy-storage", kind="bool")
_TO = Flag("to", kind="list")
_CONFIG = Flag("config", kind="list")
_RESET = Flag("reset", kind="list")
_ENDPOINTS = "<application>[:<endpoint>] <application>[:<endpoint>]"


def _is_bundle(path: Path) -> bool:
    named = path.suffix in (".yaml", ".yml")
    if path.is_dir():
        there = named or (path / "bundle.yaml").exists()
        return there and not (path / "charmcraft.yaml").exists()
    return named


def _options(words: list[str], app: str) -> dict[str, Any]:
    """Return options from ``--config``: ``key=value``, or a YAML file, maybe by application."""
    options: dict[str, Any] = {}
    for word in words:
        if "=" in word:
            key, _, value = word.partition("=")
            options[key] = _at_file(value)
            continue
        loaded = read_mapping(Path(word))
        options |= loaded.get(app, loaded) if isinstance(loaded.get(app), dict) else loaded
    return options


def _at_file(value: str) -> str:
    """Return what a file holds for ``@file``, any other value as it is."""
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read option value: {error}") from error


def _bindings(text: str) -> dict[str, str]:
    """Read ``--bind``: ``space endpoint=space ...``."""
    bindings = {}
    for word in text.split():
        endpoint, equals, space = word.rpartition("=")
        bindings[endpoint if equals else ""] = space
    return bindings


@command(
    "deploy",
    "<charm or bundle> [<application name>]",
    Flag("base", default=""),
    Flag("bind", default=""),
    Flag("channel", default=""),
    _CONFIG,
    Flag("constraints", kind="list"),
    Flag("dry-run", kind="bool"),
    Flag("map-machines", default=""),
    Flag("num-units", short="n", kind="int"),
    Flag("overlay", kind="list"),
    Flag("revision", kind="int"),
    _TO,
    Flag("trust", kind="bool"),
)
def deploy(call: Invocation) -> None:
    """Deploy a charm or a bundle."""
    call.expect(1, 2, "charm or bundle")
    reference = call.args[0]
    path = Path(reference).expanduser()
    if is_path(reference) and not path.exists():
        if path.suffix != ".charm":
            raise CommandError(f'no charm or bundle was found at "{reference}"')
    elif _is_bundle(path):
        _deploy_bundle(call, path)
        return
    if JUJU4 and path.is_dir():
        raise CommandError(f'deploying "{reference}": a local charm has to be a .charm archive')
    _unsupported(call, "charm", ("overlay", "map-machines", "dry-run"))
    name = call.args[1] if len(call.args) > 1 else ""
    call.client.call(
        "deploy_charm",
        charm=str(path.absolute()) if is_path(reference) else reference,
        name=name,
        **{flag: call.flags[flag] for flag in ("channel", "revision", "base", "trust")},
        options=_options(call.flags["config"], name),
        bindings=_bindings(call.flags["bind"]),
        constraints=" ".join(call.flags["constraints"]),
        units=call.flags["num-units"],
        to=split_list(call.flags["to"]),
    )


def _unsupported(call: Invocation, what: str, flags: tuple[str, ...]) -> None:
    for name in flags:
        if call.flags[name]:
            raise UsageError(
                f"options provided but not supported when deploying a {what}: --{name}"
            )


def _deploy_bundle(call: Invocation, path: Path) -> None:
    call.expect(1, 1, "bundle")
    other = ("base", "bind", "channel", "config", "constraints", "num-units", "revision", "to")
    _unsupported(call, "bundle", other)
    call.client.call(
        "deploy_bundle",
        bundle=str(path.absolute()),
        overlays=[str(Path(overlay).expanduser().absolute()) for overlay in call.flags["overlay"]],
        map_machines=call.flags["map-machines"],
        dry_run=call.flags["dry-run"],
    )


@command(
    "refresh",
    "<application>",
    Flag("channel", default=""),
    _CONFIG,
    Flag("path", default=""),
    Flag("revision", kind="int"),
    Flag("switch", default=""),
)
def refresh(call: Invocation) -> None:
    """Refresh an application's charm."""
    app = call.one("application")
    if call.flags["path"] and call.flags["switch"]:
        raise UsageError("--path and --switch are mutually exclusive")
    path = call.flags["path"] or call.flags["switch"]
    if is_path(path):
        path = str(Path(path).expanduser().absolute())
    call.client.call(
        "refresh",
        app=app,
        path=path,
        channel=call.flags["channel"],
        revision=call.flags["revision"],
        options=_options(call.flags["config"], app),
    )


@command("add-unit", "<application>", Flag("num-units", short="n", kind="int", default=1), _TO)
def add_unit(call: Invocation) -> None:
    """Add one or more units to an application."""
    app = call.one("application")
    if call.flags["num-units"] < 1:
        raise UsageError("--num-units must be a positive integer")
    to = split_list(call.flags["to"])
    call.client.call("add_unit", app=app, units=call.flags["num-units"], to=to)


@command(
    "remove-unit",
    "<unit> [...] | <application>",
    Flag("num-units", kind="int"),
    _DESTROY_STORAGE,
    _FORCE,
    _NO_PROMPT,
)
def remove_unit(call: Invocation) -> None:
    """Remove units from the model."""
    call.expect(1, None, "units or application")
    count = call.flags["num-units"]
    if count is None and any("/" not in name for name in call.args):
        raise CommandError("--num-units must be specified to remove units of an application")
    _confirm(call, "remove-unit")
    call.client.call("remove_unit", names=call.args, count=count, force=call.flags["force"])


@command("remove-application", "<application> [...]", _DESTROY_STORAGE, _FORCE, _NO_PROMPT)
def remove_application(call: Invocation) -> None:
    """Remove applications from the model."""
    call.expect(1, None, "application")
    _confirm(call, "remove-application")
    call.client.call("remove_application", names=call.args, force=call.flags["force"])


def _confirm(call: Invocation, what: str) -> None:
    """Ask whether to go on, unless the flags or the model's owner have answered."""
    if call.flags["no-prompt"] or call.flags["force"]:
        return
    say(f"WARNING This command will perform {what} on: {', '.join(call.args)}")
    try:
        answer = input("Continue [y/N]? ")
    except EOFError:
        answer = ""
    if answer.lower() not in ("y", "yes"):
        raise CommandError(f"{what}: aborted")


@command("integrate", _ENDPOINTS)
def integrate(call: Invocation) -> None:
    """Integrate two applications."""
    if len(call.args) != 2:
        raise UsageError("an integration must involve two applications")
    call.client.call("integrate", first=call.args[0], second=call.args[1])


@command("remove-relation", _ENDPOINTS, _FORCE)
def remove_relation(call: Invocation) -> None:
    """Remove an existing relation between two applications."""
    if len(call.args) != 2:
        raise UsageError("a relation must involve two applications")
    first, second = call.args
    call.client.call("remove_relation", first=first, second=second, force=call.flags["force"])


_CONFIG_USAGE = "<application> [--reset <key>[,...]] [<key>[=<value>] ...]"


@command("config", _CONFIG_USAGE, _RESET, format_flag("", "json", "yaml", "smart"))
def config(call: Invocation) -> None:
    """Get, set, or reset configuration for a deployed application."""
    call.expect(1, None, "application name")
    app, words = call.args[0], call.args[1:]
    reset = split_list(call.flags["reset"])
    assignments = [word for word in words if "=" in word]
    if assignments or reset:
        if len(assignments) != len(words):
            raise UsageError("cannot set and retrieve values simultaneously")
        values = {name: _at_file(value) for name, value in key_values(assignments).items()}
        if twice := sorted(set(values) & set(reset)):
            raise UsageError(f'key "{twice[0]}" cannot be both set and reset')
        call.client.call("set_config", app=app, values=values, reset=reset)
        return
    info = call.client.call("get_config", app=app)
    if not words:
        emit(info, call.flags["format"] or "yaml")
        return
    if len(words) > 1:
        raise UsageError("can only retrieve a single value, or all values")
    if words[0] not in info["settings"]:
        where = f'"{app}" application config or charm settings.'
        raise CommandError(f'key "{words[0]}" not found in {where}')
    emit(info["settings"][words[0]].get("value", ""), call.flags["format"] or "smart")


@command("resolve", "<unit> ...")
@command("resolved", "<unit> ...")
def resolved(call: Invocation) -> None:
    """Mark unit errors resolved and re-execute failed hooks."""
    call.expect(1, None, "unit")
    call.client.call("resolve", names=call.args)
