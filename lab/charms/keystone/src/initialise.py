"""Set Keystone up from nothing: schema, keys, first user and endpoints.

Runs as the keystone user, in one process: each call of ``keystone-manage`` by itself spends two
seconds on imports. The first user's password comes in OS_BOOTSTRAP_PASSWORD.

Usage: initialise.py COMMAND...     each a command of keystone-manage with its arguments
"""

import sys

from keystone.cmd import cli


def initialise(commands: list[str]) -> None:
    """Run commands of keystone-manage one after the other."""
    for command in commands:
        cli.CONF.reset()
        cli.main(argv=["keystone-manage", *command.split()])


if __name__ == "__main__":
    initialise(sys.argv[1:])
