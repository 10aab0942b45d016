"""Reads images of Ceph block by block, for whoever writes its requests to the standard input.

It reads the objects of which an image is made, by librados. So it takes no lock on the image, is
none of its watchers, and has no cache: it sees what Ceph has, and changes nothing, whoever writes.

A request is a line of JSON, `{"pool", "image", "offset", "size"}`, and so is its answer:
`{"data"}`, compressed by zlib, in Base64; or `{"error"}`, a text. It ends with its input.
"""

import base64
import json
import struct
import sys
import zlib

import rados

OBJECT = 4 * 1024 * 1024
"""Bytes of each object of an image: the default, which nobody here changes."""

TIMEOUT = "3"
"""Seconds for connecting, and for each answer."""


def read(pool, image, offset, size):
    """Return a part of an image; what was never written is zeros, as in a file with holes."""
    with cluster.open_ioctx(pool) as objects:
        raw = objects.read(f"rbd_id.{image}")
        (length,) = struct.unpack_from("<I", raw)
        identifier = raw[4 : 4 + length].decode()
        found = b""
        while size:
            number, start = divmod(offset, OBJECT)
            part = min(size, OBJECT - start)
            try:
                data = objects.read(f"rbd_data.{identifier}.{number:016x}", part, start)
            except rados.ObjectNotFound:
                data = b""
            found += data.ljust(part, b"\0")
            offset, size = offset + part, size - part
        return found


def answer(line):
    """Return the answer to a request."""
    try:
        return {"data": base64.b64encode(zlib.compress(read(**json.loads(line)), 1)).decode()}
    except (rados.Error, struct.error) as error:
        return {"error": f"{type(error).__name__}: {error}"}


options = {
    "client_mount_timeout": TIMEOUT,
    "rados_mon_op_timeout": TIMEOUT,
    "rados_osd_op_timeout": TIMEOUT,
}
cluster = rados.Rados(conffile="/etc/ceph/ceph.conf", conf=options)
cluster.connect()
for request in sys.stdin:
    print(json.dumps(answer(request)), flush=True)
