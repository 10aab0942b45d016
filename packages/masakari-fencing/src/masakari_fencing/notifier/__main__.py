"""Runs the notifier: `python -m masakari_fencing.notifier`, as its unit does."""

from masakari_fencing.notifier.daemon import main

raise SystemExit(main())
