"""Runs charmlint, and Charmhub's listing review as far as it needs no public repository.

Findings that stay are in charmlint.toml, and below, each with its reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from charmhub_listing_review import evaluate

REPOSITORY = Path(__file__).resolve().parents[1]
CHARMS = sorted(path.parent for path in REPOSITORY.glob("charms/*/charmcraft.yaml"))

CHECKS = (
    evaluate.action_names,
    evaluate.relations_includes_optional,
    evaluate.python_requires_version,
    evaluate.charm_has_icon,
)
"""What each charm must meet."""

EXPLAINED = {
    evaluate.metadata_links: "wants links.issues and links.source: no public address yet",
    evaluate.option_names: "ssl_key, vip_cidr and their like are what all OpenStack charms have",
    evaluate.charmcraft_tooling: "its commands are make's: make lint, make unit, make lab",
    evaluate.charm_plugin_strict_dependencies: "of the plugin charm; these charms use uv",
    evaluate.repo_has_lock_file: "requirements.txt is the lock, and uv.lock is made from it",
    evaluate.charm_lib_docs: "no charm provides a library",
}
"""What need not be met, and why."""


def main() -> int:
    """Check each charm; the exit status is 1 if one has a finding that nobody explained."""
    problems = 0
    for charm in CHARMS:
        command = [sys.executable, "-m", "charmlint", "--format=json"]
        done = subprocess.run(
            [*command, str(charm)], capture_output=True, text=True, check=False, timeout=60
        )
        # It has no exit code for what is only information.
        if not done.stdout or json.loads(done.stdout)["total"]:
            problems += 1
            print(f"{charm.name}: charmlint\n{done.stdout}{done.stderr}")
        results = [check(charm) for check in CHECKS]
        results.append(evaluate.check_charm_name(charm.name))
        for result in results:
            if not result.startswith("* [x]"):
                problems += 1
                print(f"{charm.name}: {result}")
    for check, reason in EXPLAINED.items():
        if all(check(charm).startswith("* [x]") for charm in CHARMS):
            problems += 1
            print(f"{check.__name__} is met by now; it need not be explained: {reason}")
    print(f"charmlint and listing review: {len(CHARMS)} charms, {problems} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
