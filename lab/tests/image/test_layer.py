"""The layer with the packages that not every lab needs: built once, over the image."""

import subprocess

import pytest
from jujulab import host
from jujulab.image import bare, image, layer


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with an image, and an apt that installs nothing."""
    monkeypatch.setattr(image, "ensure", lambda cache: tmp_path / "image")
    monkeypatch.setattr(host, "check_space", lambda folder, gigabytes: None)
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def runs(monkeypatch):
    """What was run, over what, and how it ends."""
    found = []

    def run(lower, folder, script, *, environment):
        found.append((lower, environment["WANTED"]))
        (folder / "upper/file").write_text("x")
        return subprocess.CompletedProcess([], ends[0], "E: no such package\n")

    ends = [0]
    monkeypatch.setattr(bare, "run", run)
    return found, ends


def test_it_is_made_once_over_the_image_and_found_again(cache, runs, tmp_path):
    made, _ = runs
    found = layer.ensure("ceph", cache)
    assert layer.ensure("ceph", cache) == found
    assert made == [([tmp_path / "image"], " ".join(layer.PACKAGES["ceph"]))]
    assert (found / "file").read_text() == "x"
    assert {path.name for path in cache.iterdir()} == {found.name, "lock"}


def test_a_failure_is_told_with_apts_words_and_leaves_no_layer(cache, runs):
    made, ends = runs
    ends[0] = 100
    with pytest.raises(image.ImageError, match=r"(?s)layer ceph failed.*no such package"):
        layer.ensure("ceph", cache)
    assert not layer.path("ceph", cache).exists()
    ends[0] = 0
    assert layer.ensure("ceph", cache).is_dir()
    assert len(made) == 2


def test_another_image_or_other_packages_make_another_layer(monkeypatch):
    before = layer.digest("ceph")
    monkeypatch.setattr(layer, "PACKAGES", {"ceph": ("ceph-mon",)})
    other = layer.digest("ceph")
    monkeypatch.setattr(image, "digest", lambda: "another")
    assert len({before, other, layer.digest("ceph")}) == 3
