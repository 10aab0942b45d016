"""Runs the exporter: `python -m masakari_fencing.exporter`, as its unit does."""

import logging

from masakari_fencing.commands import Subprocess
from masakari_fencing.exporter.collector import Collector
from masakari_fencing.exporter.server import serve

logging.basicConfig(level=logging.INFO, format="%(message)s")
serve(Collector(Subprocess()).collect)
