"""The process that decodes SILK: packets on standard input, int16 samples on standard output.

Run as a file, so that it imports nothing of this package.
"""

from __future__ import annotations

import io
import sys

_HEAD = b"\x02#!SILK_V3"


def main() -> None:
    """Decodes each run of packets; where an empty one stands, 20 ms of silence."""
    rate_hz = int(sys.argv[1])
    sys.path[:] = sys.argv[2:] or sys.path  # where the caller finds its packages
    import pysilk

    data = memoryview(sys.stdin.buffer.read())
    out = sys.stdout.buffer
    run = io.BytesIO()

    def flush() -> None:
        if run.tell():
            pysilk.decode(io.BytesIO(_HEAD + run.getvalue()), out, rate_hz)
            run.seek(0)
            run.truncate()

    at = 0
    while at + 2 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "little")
        if end - at > 2:
            run.write(data[at:end])
        else:
            flush()
            out.write(bytes(rate_hz // 50 * 2))
        at = end
    flush()


if __name__ == "__main__":
    main()
