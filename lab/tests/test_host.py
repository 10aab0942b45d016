from jujulab import host


def test_limits_are_raised_never_lowered(tmp_path):
    for name in host.LIMITS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    low = tmp_path / "fs/inotify/max_user_instances"
    high = tmp_path / "fs/inotify/max_user_watches"
    low.write_text("128\n")
    high.write_text("99999999\n")
    host.raise_limits(tmp_path)
    assert int(low.read_text()) == host.LIMITS["fs/inotify/max_user_instances"] > 128
    assert high.read_text() == "99999999\n"
    assert not (tmp_path / "fs/aio-max-nr").exists()
