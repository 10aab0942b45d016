#!/bin/sh -eu
# The end of each charm's build: what all charms carry, and nothing that tells where and when they
# were built, so that two packs of one commit are the same; times and order are the packing's
# (tests/packing/reproducible.py). craft-parts sets the two variables.
cp "$CRAFT_PART_SRC/LICENSE" "$CRAFT_PART_SRC/charms/dispatch" "$CRAFT_PART_INSTALL/"
cd "$CRAFT_PART_INSTALL/venv"
find . '(' -name direct_url.json -o -name uv_cache.json ')' -delete
find . -name RECORD -exec sed -i '/direct_url.json,\|uv_cache.json,/d' '{}' +
