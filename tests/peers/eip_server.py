#!/usr/bin/env python3
"""A third-party EtherNet/IP adapter (cpppo) with the assemblies of a PowerMonitor 500.

Usage: eip_server.py METER.json RECORD.jsonl

METER.json: {"identity": {"vendor", "device_type", "product_code", "revision": [major, minor], "status",
"serial", "name"}, "assemblies": {"101": "<hex of attribute 3>", ...}}; attribute 4 is the length of attribute 3.

Prints `listening on 127.0.0.1:PORT` on stdout when it accepts connections. Every encapsulation command received is
one JSON line in RECORD.jsonl: {"command": name}, and for SendRRData and SendUnitData also "service", "class",
"instance", "attribute" (null when the path has none) and "bytes", the request as hex. The record is read from the
bytes, before cpppo interprets or refuses them, so nothing a client sends can be missing in it.
"""

import json
import struct
import sys
import threading

from cpppo.server.enip import device, logix, parser
from cpppo.server.enip.main import main as serve

COMMANDS = {
    0x0001: "ListTargets",
    0x0004: "ListServices",
    0x0063: "ListIdentity",
    0x0064: "ListInterfaces",
    0x0065: "RegisterSession",
    0x0066: "UnRegisterSession",
    0x006F: "SendRRData",
    0x0070: "SendUnitData",
}
LOGICAL_SEGMENTS = {0x20: "class", 0x24: "instance", 0x30: "attribute"}


def parse_request(request):
    """A CIP request's bytes -> service, class, instance and attribute (8 and 16 bit logical segments)."""
    entry = {"service": request[0], "class": None, "instance": None, "attribute": None, "bytes": request.hex()}
    path = request[2 : 2 + 2 * request[1]]
    while path:
        kind = LOGICAL_SEGMENTS.get(path[0] & 0xFC)
        if kind is None or path[0] & 0x03 > 1:
            break
        if path[0] & 0x03 == 0:
            entry[kind], path = path[1], path[2:]
        else:
            entry[kind], path = struct.unpack_from("<H", path, 2)[0], path[4:]
    return entry


def parse_items(payload):
    """The Common Packet Format items of SendRRData and SendUnitData -> [(type, bytes)]."""
    count = struct.unpack_from("<H", payload, 6)[0]
    items, offset = [], 8
    for _ in range(count):
        kind, length = struct.unpack_from("<HH", payload, offset)
        items.append((kind, payload[offset + 4 : offset + 4 + length]))
        offset += 4 + length
    return items


class Record:
    """Appends what was received to a file, one JSON object per line."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8", buffering=1)
        self.lock = threading.Lock()

    def add(self, command, payload):
        entry = {"command": COMMANDS.get(command, "0x%04x" % command)}
        try:
            if command in (0x006F, 0x0070):
                (address, _), (data, request) = parse_items(payload)
                entry["items"] = [address, data]
                entry.update(parse_request(request if data == 0x00B2 else request[2:]))
        except (ValueError, IndexError, struct.error) as error:
            entry["unparsable"] = "%s: %s" % (error, payload.hex())
        with self.lock:
            self.file.write(json.dumps(entry) + "\n")


class Assembly(device.Object):
    """Class 4: attribute 3 is the data, attribute 4 its size in bytes."""

    class_id = 0x04

    def hold(self, data):
        self.attribute["3"] = device.Attribute("Data", parser.USINT, default=list(data))
        self.attribute["4"] = device.Attribute("Size", parser.UINT, default=len(data))


def identity_class(values):
    """cpppo's Identity with the attributes 1 to 7 of the given meter, and no others.

    INT where the specification says UINT: cpppo's own List Identity reads these four as INT.
    """

    class Identity(device.Identity):
        def __init__(self, **keywords):
            super().__init__(**keywords)
            if self.instance_id == 0:
                return
            major, minor = values["revision"]
            for number, kind, value in (
                (1, parser.INT, values["vendor"]),
                (2, parser.INT, values["device_type"]),
                (3, parser.INT, values["product_code"]),
                (4, parser.INT, major | minor << 8),
                (5, parser.WORD, values["status"]),
                (6, parser.UDINT, values["serial"]),
                (7, parser.SSTRING, values["name"]),
            ):
                self.attribute[str(number)] = device.Attribute("Attribute %d" % number, kind, default=value)
            for number in (8, 9, 10):
                del self.attribute[str(number)]

    return Identity


class Announcement(dict):
    """cpppo's server control block; says where the server listens once it does."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        if key == "address":
            print("listening on %s:%d" % tuple(value[:2]), flush=True)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: eip_server.py METER.json RECORD.jsonl")
    with open(sys.argv[1], encoding="utf-8") as file:
        meter = json.load(file)
    record = Record(sys.argv[2])

    for instance, data in meter["assemblies"].items():
        Assembly(name="Assembly", instance_id=int(instance)).hold(bytes.fromhex(data))

    def process(addr, data, **keywords):
        if "request.enip.command" in data:
            received = data.request.enip
            record.add(received.command, bytes(bytearray(received.get("input", b""))))
        return logix.process(addr, data=data, **keywords)

    # --simple: a device that does not route, like the meter; it still answers bare and wrapped requests alike.
    sys.exit(
        serve(
            ["--address", "127.0.0.1:0", "--no-udp", "--no-config", "--simple"],
            enip_process=process,
            identity_class=identity_class(meter["identity"]),
            server={"control": Announcement()},
        )
    )


if __name__ == "__main__":
    main()
