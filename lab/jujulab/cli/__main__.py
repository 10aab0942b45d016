"""`python -m jujulab.cli`."""

import sys

from jujulab.cli.main import main

sys.exit(main(sys.argv[1:]))
