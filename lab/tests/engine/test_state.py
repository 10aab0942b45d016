"""What is persisted comes back, and is never half there."""

import stat
from pathlib import Path

import pytest
from jujulab.engine.model import store
from jujulab.engine.model.state import Hook, HookFailure, Relation, State, Unit
from jujulab.files import replace_text


def sample() -> State:
    unit = Unit("app/0", "0/lxd/1", failure=HookFailure(Hook("joined", 3, "db"), tries=2))
    relation = Relation(3, [], unit_data={"app/0": {"k": "v"}}, unit_versions={"app/0": 4})
    return State(uuid="u", units={unit.name: unit}, relations={"3": relation})


def test_a_state_survives_the_round_trip() -> None:
    state = sample()
    assert store.loads(store.dumps(state)) == state


def test_fields_that_an_older_file_lacks_get_their_defaults() -> None:
    assert store.loads('{"uuid": "u", "of-a-later-version": 1}') == State(uuid="u")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"units": [1]}')
    with pytest.raises(ValueError, match=r"state\.json"):
        store.read(path)


def test_the_writer_writes_what_was_touched(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state = sample()
    writer = store.Writer(path, lambda: store.dumps(state))
    writer.start()
    writer.touch()
    writer.flush()
    assert store.read(path) == state
    state.uuid = "later"
    writer.touch()
    writer.stop()
    assert store.read(path).uuid == "later"


def test_nobody_else_can_read_the_state(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("old")
    path.chmod(0o644)
    replace_text(path, "new", 0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "new"
