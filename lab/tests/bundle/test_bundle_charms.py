"""Charms' metadata is read from stand-ins, directories, packed charms, and unpacked sources."""

import zipfile

import pytest
from jujulab.juju.charm import LocalCharms
from jujulab.juju.errors import JujuError, NotFoundError


def test_a_directory_is_a_charm(workshop):
    assert LocalCharms().find(str(workshop.directory / "charms/web")).name == "web"


def test_a_packed_charm_is_read(tmp_path):
    path = tmp_path / "shop.charm"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.yaml", "name: shop")
        archive.writestr("config.yaml", "options: {title: {type: string}}")
        archive.writestr("src/charm.py", "")
    meta = LocalCharms().find(str(path))
    assert (meta.name, list(meta.options)) == ("shop", ["title"])


def test_a_file_that_is_no_packed_charm_is_refused(tmp_path):
    (tmp_path / "shop.charm").write_text("text")
    with pytest.raises(JujuError, match=r"shop\.charm: is not a packed charm"):
        LocalCharms().find(str(tmp_path / "shop.charm"))


def test_a_packed_charm_with_wrong_metadata_is_named(tmp_path):
    path = tmp_path / "shop.charm"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.yaml", "summary: no name")
    with pytest.raises(JujuError, match=r"shop\.charm/metadata\.yaml"):
        LocalCharms().find(str(path))


def test_a_charm_that_is_not_packed_yet_has_the_metadata_of_its_source(workshop):
    path = workshop.directory / "charms/web/web_ubuntu@22.04-amd64.charm"
    assert LocalCharms().find(str(path)).name == "web"


def test_another_file_beside_a_source_is_not_a_charm(workshop):
    with pytest.raises(NotFoundError, match="does not exist"):
        LocalCharms().find(str(workshop.directory / "charms/web/web.zip"))
