#!/usr/bin/env python3
"""A third-party Logix controller (cpppo) with tags.

Usage: logix_cpppo.py TAGS.json RECORD.jsonl

TAGS.json: {"tags": {"PM_VA": {"type": "REAL", "values": [numbers]}, ...}}. Prints `listening on 127.0.0.1:PORT` on
stdout when it accepts connections. RECORD.jsonl is not written: the other controller records what it is asked.
"""

import json
import sys

from cpppo.server.enip import device
from cpppo.server.enip.main import main as serve


class Announcement(dict):
    """cpppo's server control block; says where the server listens once it does."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        if key == "address":
            print("listening on %s:%d" % tuple(value[:2]), flush=True)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: logix_cpppo.py TAGS.json RECORD.jsonl")
    with open(sys.argv[1], encoding="utf-8") as file:
        tags = json.load(file)["tags"]

    class Held(device.Attribute):
        """Holds what it was given."""

        def __init__(self, name, *arguments, **options):
            super().__init__(name, *arguments, **options)
            if name in tags:
                self[:] = tags[name]["values"]

    sys.exit(
        serve(
            ["--address", "127.0.0.1:0", "--no-udp", "--no-config"]
            + ["%s=%s[%d]" % (name, tag["type"], len(tag["values"])) for name, tag in tags.items()],
            attribute_class=Held,
            server={"control": Announcement()},
        )
    )


if __name__ == "__main__":
    main()
