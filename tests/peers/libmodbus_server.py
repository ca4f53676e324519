#!/usr/bin/env python3
"""A third-party Modbus server (libmodbus) at a serial port that holds the given registers and nothing else.

Usage: libmodbus_server.py REGISTERS.json RECORD.jsonl PORT UNIT

REGISTERS.json: {"<PDU address, decimal>": [word, ...], ...}; functions 03 and 04 read the same registers. A read that
touches an address that is not given is answered with exception 02. Prints `listening on file://PORT` on stdout when the
port is open. Every request to the unit is one JSON line in RECORD.jsonl: {"function", "address", "count", "unit"}.
"""

import ctypes
import json
import sys

LONGEST = 256
ALL = 0x10000
ILLEGAL_DATA_ADDRESS = 2


class Mapping(ctypes.Structure):
    """modbus_mapping_t of libmodbus 3.1."""

    _fields_ = [
        ("nb_bits", ctypes.c_int),
        ("start_bits", ctypes.c_int),
        ("nb_input_bits", ctypes.c_int),
        ("start_input_bits", ctypes.c_int),
        ("nb_input_registers", ctypes.c_int),
        ("start_input_registers", ctypes.c_int),
        ("nb_registers", ctypes.c_int),
        ("start_registers", ctypes.c_int),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    ]


def main():
    if len(sys.argv) != 5:
        sys.exit("usage: libmodbus_server.py REGISTERS.json RECORD.jsonl PORT UNIT")
    with open(sys.argv[1], encoding="utf-8") as file:
        blocks = json.load(file)
    words = {int(start) + i: word for start, block in blocks.items() for i, word in enumerate(block)}
    record = open(sys.argv[2], "w", encoding="utf-8", buffering=1)
    port, unit = sys.argv[3], int(sys.argv[4])

    lib = ctypes.CDLL("libmodbus.so.5", use_errno=True)
    lib.modbus_new_rtu.restype = ctypes.c_void_p
    lib.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    mapping = lib.modbus_mapping_new(0, 0, ALL, ALL)
    for address, word in words.items():
        mapping.contents.tab_registers[address] = word
        mapping.contents.tab_input_registers[address] = word
    context = ctypes.c_void_p(lib.modbus_new_rtu(port.encode(), 19200, ctypes.c_char(b"N"), 8, 1))
    if lib.modbus_set_slave(context, unit) or lib.modbus_connect(context):
        sys.exit("libmodbus cannot open %s: errno %d" % (port, ctypes.get_errno()))
    print("listening on file://%s" % port, flush=True)
    query = (ctypes.c_uint8 * LONGEST)()
    while True:
        # Less than one is noise, or a frame to another unit.
        if (length := lib.modbus_receive(context, query)) < 1:
            continue
        asked, function, start, count = query[0], query[1], query[2] << 8 | query[3], query[4] << 8 | query[5]
        entry = {"function": function, "address": start, "count": count, "unit": asked}
        record.write(json.dumps(entry) + "\n")
        if all(address in words for address in range(start, start + count)):
            lib.modbus_reply(context, query, length, mapping)
        else:
            lib.modbus_reply_exception(context, query, ILLEGAL_DATA_ADDRESS)


if __name__ == "__main__":
    main()
