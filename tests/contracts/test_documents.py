"""What the documents name is there: links, paths, commands, options, defaults, statuses, modules.

Whether a sentence is right, nobody but a reader can say; whether what it names exists, this can.
"""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from charm_sources import OWN, REPOSITORY, charmcraft

FENCING = REPOSITORY / "packages/masakari-fencing"
MF = FENCING / "src/masakari_fencing"

# The lab's `juju` knows the flags of Juju's commands.
sys.path += [str(REPOSITORY / "lab"), str(FENCING / "src")]

ELSEWHERE = {
    "latest/edge": "a channel",
    "2.8/stable": "a channel",
    "tests/pacemaker/test_releases.py": "said to be in the package of its fixtures",
    "sites-enabled/masakari-api.conf": "on a machine",
    "1/lxd/0": "a machine",
}
"""What looks like a path in this repository, and what it is."""

OTHERS = {
    "concurrent-fencing": "Pacemaker's",
    "load-threshold": "Pacemaker's",
    "resume-guests-state-on-host-boot": "nova-compute's",
    "startup-fencing": "Pacemaker's",
    "symmetric-cluster": "Pacemaker's",
}
"""Options with a value that are none of our charms', and whose they are."""

REAL_JUJU = {"add-machine", "bind", "bootstrap", "upgrade-machine"}
"""Commands that a document gives and the lab's `juju` does not have."""


PLACES = (
    "*.md",
    ".github/**/*.md",
    "docs/**/*.md",
    "charms/*/*.md",
    "packages/*/*.md",
    "lab/*.md",
)
DOCUMENTS = sorted(path for place in PLACES for path in REPOSITORY.glob(place))


def _name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _quoted(path: Path) -> list[str]:
    """What stands between backticks, in one line each."""
    text = re.sub(r"```.*?```", "", _text(path), flags=re.DOTALL)
    return [re.sub(r"\s+", " ", found) for found in re.findall(r"`([^`]+)`", text)]


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", _text(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", _text(document)):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        page = target / "README.md" if target.is_dir() else target
        assert not anchor or anchor in _anchors(page), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_paths_are_there(document: Path) -> None:
    """Those that begin here, beside the document, or among its sources; `<name>`, NAME: any."""
    roots = [REPOSITORY, document.parent, MF, REPOSITORY / "lab/jujulab"]
    roots += list(document.parent.glob("src/*"))
    for quoted in _quoted(document):
        if not re.fullmatch(r"[\w.<>-]+(/[\w.<>-]+)+/?", quoted) or quoted in ELSEWHERE:
            continue
        if quoted.startswith((".cache/", "src/")):
            continue  # made here; of each charm
        path = re.sub(r"<\w+>|[A-Z]{3,}", "*", quoted.removeprefix("MF/")).rstrip("/")
        places = [name for root in roots for end in ("", ".py") for name in root.glob(path + end)]
        assert places, quoted


def test_targets_of_make_and_environments_of_tox_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", _text(REPOSITORY / "Makefile"), re.MULTILINE))
    tox = re.findall(r"^\[testenv:([a-z-]+)", _text(REPOSITORY / "tox.ini"), re.MULTILINE)
    environments = {name.strip("-") for name in tox}
    for document in DOCUMENTS:
        for quoted in [*_quoted(document), *re.findall(r"^    (make .*)$", _text(document), re.M)]:
            found = re.match(r"make ([a-z][a-z-]*)", quoted)
            assert not found or found[1] in targets, f"{_name(document)}: {quoted}"
            for named in re.findall(r"tox run -e ([\w,-]+)", quoted):
                for each in named.split(","):
                    assert each.partition("-py")[0] in environments, f"{_name(document)}: {quoted}"


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Each command line of `juju` in documents and overlays, with where it stands."""
    for path in [*DOCUMENTS, *(REPOSITORY / "overlays").iterdir()]:
        text = re.sub(r"\\\n#? *", " ", _text(path))
        lines = re.findall(r"^#?  +(?:lab/)?(juju .*)$", text, re.MULTILINE)
        if path.suffix == ".md":
            lines += re.findall(r"^juju .* (?!--)\S+$", "\n".join(_quoted(path)), re.MULTILINE)
        for line in lines:
            words = shlex.split(
                re.sub(r"\$\(.*?\)", "VALUE", line).partition(" | ")[0], comments=True
            )
            if len(words) > 1:
                yield _name(path), words[1:]


def _parsed(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """The flags and arguments of a command line, by Juju's rules."""
    main = importlib.import_module("jujulab.cli.main")
    command = importlib.import_module("jujulab.cli.command")
    gnuflag = importlib.import_module("jujulab.juju.gnuflag")
    main._load("")
    known = command.COMMANDS[words[0]]
    flags, arguments = gnuflag.parse(known.flags, words[1:])
    return flags, list(arguments)


def _keys(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if "=" in word]


def test_commands_of_juju_are_such() -> None:
    """With flags, actions, their parameters and options that exist."""
    seen = 0
    for where, words in _commands():
        words = [word for word in words if word != "--relations"]
        if words[0] in REAL_JUJU:
            continue
        flags, arguments = _parsed(words)
        seen += 1
        application = arguments[0].partition("/")[0] if arguments else ""
        if application not in OWN or words[0] not in ("run", "config"):
            continue
        metadata = charmcraft(application)
        if words[0] == "run":
            action = metadata["actions"][arguments[1]]
            known = set(action.get("params", {}))
            wrong = set(_keys(arguments[2:])) - known
            missing = set(action.get("required", ())) - set(_keys(arguments[2:]))
            wrong |= missing if arguments[2:] else set()
        else:
            wrong = {*_keys(arguments[1:]), *filter(None, flags["reset"])}
            wrong -= set(metadata["config"]["options"])
        assert wrong == set(), f"{where}: {words}"
    assert seen > 60


def _options() -> dict[str, Any]:
    """The options of all our charms, by their names."""
    return {n: o for charm in OWN for n, o in charmcraft(charm)["config"]["options"].items()}


def _parameters() -> set[str]:
    actions = [action for charm in OWN for action in charmcraft(charm)["actions"].values()]
    return {name for action in actions for name in action.get("params", {})}


def test_options_and_parameters_with_a_value_are_there() -> None:
    known = {*_options(), *_parameters(), *OTHERS}
    for document in DOCUMENTS:
        for quoted in _quoted(document):
            found = re.fullmatch(r"([a-z]+(?:-[a-z]+)+)=.*", quoted)
            assert not found or found[1] in known, f"{_name(document)}: {quoted}"


@pytest.mark.parametrize("charm", OWN)
def test_defaults_are_as_the_readme_says(charm: str) -> None:
    """As `option` (3), `option` (3 s; ...), or in a row of a table."""
    text = re.sub(r"\s+", " ", _text(REPOSITORY / "charms" / charm / "README.md"))
    said = re.findall(r"`([a-z-]+)` \((\d+)(?: s)?[);]", text)
    said += re.findall(r"\| `([a-z-]+)` \| (\d+) s \|", text)
    options = _options()
    wrong = {n: v for n, v in said if str(options.get(n, {}).get("default")) != v}
    assert wrong == {}
    assert charm != "masakari" or len(said) > 10


def test_every_action_and_each_endpoint_of_masakari_is_in_the_readme() -> None:
    for charm in OWN:
        metadata = charmcraft(charm)
        named = set(metadata["actions"])
        if charm == "masakari":
            named |= {*metadata["requires"], *metadata["provides"]}
        quoted = " ".join(_quoted(REPOSITORY / "charms" / charm / "README.md"))
        assert {n for n in named if not re.search(rf"(?<![\w-]){n}(?![\w-])", quoted)} == set()


def _sources() -> str:
    """What our charms and programs say, without the breaks in and between strings."""
    paths = [*REPOSITORY.glob("charms/*/src/**/*.py"), *REPOSITORY.glob("packages/*/src/**/*.py")]
    return re.sub(r"\s+", " ", re.sub(r'"\s*\n\s*f?"', "", "".join(map(_text, paths))))


@pytest.mark.parametrize("charm", OWN)
def test_statuses_are_what_the_charms_say(charm: str) -> None:
    """Of each that a table quotes, the longest piece without a placeholder is in the sources."""
    sources, seen = _sources(), 0
    for block in _text(REPOSITORY / "charms" / charm / "README.md").split("\n\n"):
        if not re.match(r"\| (what the )?status", block):
            continue
        for row in block.splitlines()[2:]:
            for quoted in re.findall(r"`([^`]+)`", row.split(" | ")[0]):
                pieces = re.split(r"\.\.\.|\b[A-Z]+\b|\b\d\b|[:;,()]", quoted)
                piece = max((each.strip() for each in pieces), key=len)
                assert piece.removesuffix("s") in sources, quoted
                seen += 1
    assert charm == "pacemaker-remote" or seen > 4


@pytest.mark.parametrize("package", ["instance-ha-common", "network-matrix"])
def test_a_packages_readme_names_its_modules(package: str) -> None:
    source = next(path for path in (REPOSITORY / "packages" / package / "src").iterdir())
    modules = {
        str(path.relative_to(source).with_suffix(""))
        for path in source.rglob("*.py")
        if not path.stem.startswith("__")
    }
    table = re.findall(r"^\| (`.*?) \|", _text(source.parents[1] / "README.md"), re.MULTILINE)
    assert set(re.findall(r"`([\w/]+)`", " ".join(table))) == modules


def test_the_fencing_packages_readme_names_its_folders() -> None:
    folders = {path.parent.name for path in MF.glob("*/__init__.py")}
    text = _text(FENCING / "README.md")
    assert set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)) == folders - {"data"}


@cache
def _fencing_defaults() -> dict[str, str]:
    """The options of `[fencing]` with their defaults, as a file would have them."""
    named = {
        "masakari_fencing.retries.DEFAULT": importlib.import_module(
            "masakari_fencing.retries"
        ).DEFAULT,
        "list(SOURCES)": ", ".join(
            importlib.import_module("masakari_fencing.openstack.restart_order").SOURCES
        ),
    }
    found = {
        ast.literal_eval(call.args[0]): ast.unparse(default.value)
        for call in ast.walk(ast.parse(_text(MF / "workflow/options.py")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Opt")
        for default in call.keywords
        if default.arg == "default"
    }
    return {name: named.get(text, text.strip("'").lower()) for name, text in found.items()}


def test_options_of_the_charm_have_the_defaults_of_the_package() -> None:
    """Those of `[fencing]` in masakari.conf that are called the same."""
    options = charmcraft("masakari")["config"]["options"]
    defaults = {n.replace("_", "-"): v for n, v in _fencing_defaults().items()}
    both = sorted(defaults.keys() & options.keys())
    assert len(both) > 10
    for name in both:
        assert str(options[name].get("default", "")).lower() == defaults[name], name


def test_the_options_of_masakari_conf_are_as_its_readme_says() -> None:
    """The defaults of `[fencing]`, and the lists of tasks, as the package has them."""
    block = re.findall(r"^```ini\n(.*?)^```", _text(FENCING / "README.md"), re.M | re.DOTALL)[0]
    said = dict(re.findall(r"^(\w+) = ?(.*)$", block, re.MULTILINE))
    defaults = _fencing_defaults()
    fencing = {n: v for n, v in said.items() if n in defaults}
    assert fencing == defaults | {"refusals_directory": fencing["refusals_directory"]}
    written = _text(REPOSITORY / "charms/masakari/src/workload/masakari_conf.py")
    default = block.partition("[DEFAULT]")[2].partition("[")[0]
    set_here = re.findall(r"^(\w+) = ", default, re.MULTILINE)
    assert {name for name in set_here if f'"{name}"' not in written} == set()
    package = importlib.import_module("masakari_fencing")
    tasks = [value for name, value in said.items() if name.endswith("_recovery_tasks")]
    assert tasks == [
        package.AUTO_RECOVERY_TASKS,
        package.RESERVED_HOST_RECOVERY_TASKS,
        package.INSTANCE_RECOVERY_TASKS,
        package.PROCESS_RECOVERY_TASKS,
    ]


def test_the_ports_that_a_firewall_has_to_let_through_are_so() -> None:
    said = re.findall(
        r"\b(\d{4,5})\b", _text(REPOSITORY / "SECURITY.md").partition("**Ports**")[2]
    )
    ports = {
        "charms/masakari/src/workload/haproxy.py": ["PUBLIC_PORT", "UNIT_PORT"],
        "charms/pacemaker-remote/src/relations/hacluster.py": ["PORT"],
        "packages/network-matrix/src/network_matrix/ports.py": ["TESTIMONY"],
    }
    for path, names in ports.items():
        for name in names:
            found = re.search(rf"^{name} = (\d+)$", _text(REPOSITORY / path), re.MULTILINE)
            assert found and found[1] in said, name
