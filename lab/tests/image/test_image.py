import subprocess
import threading

import pytest
from jujulab import host
from jujulab.image import image, recipe


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache, and a recipe of two steps that run no command."""
    monkeypatch.setattr(host, "install_packages", lambda: None)
    monkeypatch.setattr(recipe, "STEPS", {"first": first, "second": second})
    CALLS.clear()
    return tmp_path / "cache"


CALLS: list[str] = []


def first(build):
    CALLS.append("first")
    build.root.mkdir(exist_ok=True)
    (build.root / "file").write_text("x")


def second(build):
    CALLS.append("second")


def broken(build):
    build.log.write_text("E: no space left\n")
    raise subprocess.CalledProcessError(100, ["apt-get"])


def test_a_built_image_is_taken_from_the_cache(cache):
    built = image.ensure(cache)
    assert built.parent == cache
    assert (built / "file").read_text() == "x"
    assert image.ensure(cache) == built
    assert CALLS == ["first", "second"]
    assert {path.name for path in cache.iterdir()} == {built.name, "lock"}


def test_a_failed_step_is_named_with_the_log_and_the_build_goes_on_there(cache, monkeypatch):
    monkeypatch.setattr(recipe, "STEPS", {"first": first, "second": broken})
    with pytest.raises(image.ImageError, match=r"(?s)second failed.*E: no space left.*see .*/log"):
        image.ensure(cache)
    assert not image.path(cache).exists()
    monkeypatch.setattr(recipe, "STEPS", {"first": first, "second": second})
    image.ensure(cache)
    assert CALLS == ["first", "second"]


def test_two_at_once_build_one_image(cache, monkeypatch):
    entered, go_on = threading.Event(), threading.Event()

    def slow(build):
        entered.set()
        assert go_on.wait(10)
        first(build)

    monkeypatch.setattr(recipe, "STEPS", {"first": slow})
    threads = [threading.Thread(target=image.ensure, args=(cache,)) for _ in range(2)]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert CALLS == ["first"]


def test_remove_leaves_nothing(cache):
    image.ensure(cache)
    image.remove(cache)
    assert not cache.exists()
    image.remove(cache)


@pytest.fixture
def digest_of(tmp_path, monkeypatch):
    def digest(source):
        module = tmp_path / "recipe.py"
        module.write_text(source)
        monkeypatch.setattr(recipe, "__file__", str(module))
        image.digest.cache_clear()
        return image.digest()

    yield digest
    image.digest.cache_clear()


def test_the_hash_follows_the_code_and_nothing_else(digest_of):
    plain = digest_of('PACKAGES = ("nova", "glance")\ndef f():\n    return 1\n')
    commented = (
        '"""Doc."""\n# why\nPACKAGES = (\n "nova",\n "glance",\n)\n'
        'def f():\n    "D"\n    return 1\n'
    )
    assert digest_of(commented) == plain
    assert digest_of('PACKAGES = ("nova",)\ndef f():\n    return 1\n') != plain
    assert digest_of('PACKAGES = ("nova", "glance")\ndef f():\n    return 2\n') != plain
    assert len(plain) == 12
