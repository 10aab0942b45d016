import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "lab: boots machines; needs root and the lab's image")


@pytest.fixture(autouse=True)
def _own_cache(request, tmp_path, monkeypatch):
    """What a test keeps for the next time is not what the lab keeps."""
    if not request.node.get_closest_marker("lab"):
        monkeypatch.setenv("LAB_CACHE", str(tmp_path / "lab-cache"))
