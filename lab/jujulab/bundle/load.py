"""Reading a bundle with its overlays."""

from collections.abc import Iterable
from pathlib import Path

from jujulab.juju.charm import LocalCharms

from .data import Bundle
from .errors import BundleError, Origin
from .merge import merge, resolve_files
from .nodes import Table, is_null, read_documents
from .schema import BundleSpec, check_document
from .verify import verify


def load(bundle_path: Path, overlay_paths: Iterable[Path] = (), *, charms: LocalCharms) -> Bundle:
    """Read a bundle, merge overlays into it, and verify the result.

    A file may have several documents: the first one of the bundle file is the base, all others
    are overlays, in the order of the files.

    Args:
        bundle_path: A bundle file, or a directory with a `bundle.yaml`.
        overlay_paths: Overlay files, in the order in which they are merged.
        charms: Where the charms' metadata comes from.

    Raises:
        BundleError: Something is wrong with the files or what they say; it has all problems of
            the step that found the first one (reading, merging, verifying).
    """
    path = bundle_path / "bundle.yaml" if bundle_path.is_dir() else bundle_path
    documents = [(path, document) for document in read_documents(path)]
    if not documents:
        raise BundleError.of("the bundle is empty", Origin(path))
    for overlay in overlay_paths:
        documents += [(overlay, document) for document in read_documents(overlay)]
    problems = [
        problem
        for number, (_, document) in enumerate(documents)
        for problem in check_document(document, overlay=number > 0)
    ]
    if problems:
        raise BundleError(problems)
    _refuse_empty_applications(documents[0][1])
    merged, *overlays = [resolve_files(doc, source.parent) for source, doc in documents]
    for table in overlays:
        merged = merge(merged, table)
    return verify(BundleSpec.model_validate(merged), charms)


def _refuse_empty_applications(base: Table) -> None:
    for name, node in base.table("applications").items():
        if is_null(node):
            rule = f'application "{name}" has no body; only an overlay can remove one so'
            raise BundleError.of(rule, node.origin)
