"""Whether KVM really runs a guest here, and is worth it.

/dev/kvm may exist, and even open, without a processor that lets a guest run; only a guest proves
it. And where an outer hypervisor emulates that feature of the processor, a guest runs, at a
fiftieth of the speed of QEMU's own emulation: four seconds of processor time for its BIOS, where a
processor needs a tenth.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

# mov al,16; out 0xf4,al; hlt; jmp back to hlt
CODE = b"\xb0\x10\xe6\xf4\xf4\xeb\xfd"
SECTOR = CODE.ljust(510, b"\0") + b"\x55\xaa"

PROVED = 16 * 2 + 1
"""What QEMU ends with when its guest writes 16 to the debug-exit device."""

PROCESSOR_SECONDS = 1


def works() -> bool:
    """Boot a guest of a single sector under KVM and see whether it gets to say so in time."""
    import tempfile

    if not Path("/dev/kvm").exists():
        return False
    with tempfile.NamedTemporaryFile() as disk:
        disk.write(SECTOR)
        disk.flush()
        command = [
            # Processor time: the wall clock says nothing while other machines are busy.
            "prlimit", f"--cpu={PROCESSOR_SECONDS}",
            "qemu-system-x86_64", "-machine", "pc,accel=kvm", "-m", "16", "-nodefaults",
            "-display", "none", "-no-reboot",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
            "-drive", f"file={disk.name},format=raw,if=ide",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == PROVED
