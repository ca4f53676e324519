#!/usr/bin/env python3
"""A third-party Logix controller (cm-ethernetip) with tags.

Usage: logix_server.py TAGS.json RECORD.jsonl

TAGS.json: {"tags": {"PM:I.Data": {"type": "REAL", "data": "<hex>"}, ...}}; a tag whose "moves" is true has its first
byte counted up with each read, as the last digits of a live meter move.

Prints `listening on 127.0.0.1:PORT` on stdout when it accepts connections. Every CIP request received, those inside
an Unconnected Send or a Multiple Service Packet included, is one JSON line in RECORD.jsonl: {"service": number, "tag":
name or null, "class": number or null, "data": hex}.
"""

import asyncio
import json
import sys

from ethernetip.cip.identity_info import IdentityInfo
from ethernetip.logix import data_types
from ethernetip.logix.logix_dispatcher import LogixDispatcher
from ethernetip.logix.tag_database import TagDatabase
from ethernetip.protocol.eip_adapter import EipAdapter

SIZES = {"REAL": 4, "SINT": 1, "USINT": 1, "BOOL": 1, "INT": 2, "DINT": 4}


class Recording(LogixDispatcher):
    """Writes down what it is asked; a dispatcher asks itself for what is wrapped in a request."""

    def __init__(self, record, moving, *arguments):
        self.record, self.moving = record, moving
        super().__init__(*arguments)

    def dispatch(self, service_code, path, data):
        entry = {"service": service_code, "tag": path.symbolic_name, "class": path.class_id, "data": bytes(data).hex()}
        self.record.write(json.dumps(entry) + "\n")
        for tag in self.moving:
            first = tag.get_data(0, 1)[0]
            tag.set_data(bytes([(first + 1) % 256]), 0)
        return super().dispatch(service_code, path, data)


async def main():
    if len(sys.argv) != 3:
        sys.exit("usage: logix_server.py TAGS.json RECORD.jsonl")
    with open(sys.argv[1], encoding="utf-8") as file:
        served = json.load(file)["tags"]
    database, moving = TagDatabase(), []
    for name, tag in served.items():
        data = bytes.fromhex(tag["data"])
        kind = getattr(data_types, tag["type"])
        added = database.add_tag(name, kind, element_count=len(data) // SIZES[tag["type"]])
        added.set_data(data, 0)
        if tag.get("moves"):
            moving.append(added)
    identity = IdentityInfo(
        vendor_id=1, device_type=0x0E, product_code=166, major_revision=32, minor_revision=11,
        serial_number=0x00C0FFEE, product_name="1756-L83E/B",
    )
    record = open(sys.argv[2], "w", encoding="utf-8", buffering=1)
    adapter = EipAdapter(Recording(record, moving, database, identity), identity)
    await adapter.listen("127.0.0.1", 0)
    print("listening on 127.0.0.1:%d" % adapter.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
