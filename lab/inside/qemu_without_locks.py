#!/usr/bin/python3
"""Stands in for QEMU and starts the real one without locks on its disks' files.

On storage that knows no locks, nothing but the cluster keeps a guest from running twice. The real
program is beside this one, with `.real` added to its name.
"""

import os
import sys

FILE = '"driver":"file",'

REAL = f"{os.path.realpath(__file__)}.real"
arguments = [argument.replace(FILE, f'{FILE}"locking":"off",') for argument in sys.argv[1:]]
os.execv(REAL, [sys.argv[0], *arguments])  # noqa: S606 - takes this process over
