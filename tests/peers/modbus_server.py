#!/usr/bin/env python3
"""A third-party Modbus server (pymodbus) that holds the given registers and nothing else.

Usage: modbus_server.py REGISTERS.json RECORD.jsonl [socket|rtu|PORT]

Over TCP, with Modbus TCP's packets or, with "rtu", the frames of a serial line; or at a serial port.

REGISTERS.json: {"<PDU address, decimal>": [word, ...], ...}; functions 03 and 04 read the same registers. A read that
touches an address that is not given is answered with exception 02. Prints `listening on 127.0.0.1:PORT` on stdout when
it accepts connections. Every request received is one JSON line in RECORD.jsonl: {"function", "address", "count", "unit"}.
"""

import asyncio
import json
import sys

from pymodbus import FramerType
from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server import ModbusSerialServer, ModbusTcpServer


def load(path):
    """The registers as pymodbus wants them: its device contexts add one to every address on the wire."""
    with open(path, encoding="utf-8") as file:
        blocks = json.load(file)
    return {int(start) + 1 + i: word for start, words in blocks.items() for i, word in enumerate(words)}


async def main():
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: modbus_server.py REGISTERS.json RECORD.jsonl [socket|rtu|PORT]")
    block = ModbusSparseDataBlock(load(sys.argv[1]), mutable=False)
    record = open(sys.argv[2], "w", encoding="utf-8", buffering=1)

    def received(sending, pdu):
        if not sending:
            entry = {
                "function": pdu.function_code,
                "address": getattr(pdu, "address", None),
                "count": getattr(pdu, "count", None),
                "unit": pdu.dev_id,
            }
            record.write(json.dumps(entry) + "\n")
        return pdu

    context = ModbusServerContext(slaves=ModbusSlaveContext(hr=block, ir=block), single=True)
    speaks = sys.argv[3] if len(sys.argv) == 4 else "socket"
    if speaks.startswith("/"):
        server = ModbusSerialServer(
            context, framer=FramerType.RTU, port=speaks, baudrate=19200, trace_pdu=received
        )
        await server.listen()
        print("listening on file://%s" % speaks, flush=True)
        await asyncio.Event().wait()
    server = ModbusTcpServer(
        context,
        framer=FramerType(speaks),
        address=("127.0.0.1", 0),
        trace_pdu=received,
    )
    await server.listen()
    print("listening on 127.0.0.1:%d" % server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
