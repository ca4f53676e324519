#!/usr/bin/env python3
"""Reads tags of a Logix controller with third-party clients, and prints the REALs that they say.

Usage: logix_reader.py HOST:PORT TAG COUNT CLIENT...

CLIENT is pylogix or pycomm3; the second needs a controller that lists its tags. Prints JSON: {CLIENT: [values]}.
"""

import json
import sys

import pylogix
from pycomm3 import LogixDriver


def by_pylogix(host, port, tag, count):
    with pylogix.PLC(host, port=int(port)) as plc:
        return plc.Read(tag, count).Value


def by_pycomm3(host, port, tag, count):
    with LogixDriver("%s:%s/1,0" % (host, port)) as plc:
        return plc.read("%s{%d}" % (tag, count)).value


CLIENTS = {"pylogix": by_pylogix, "pycomm3": by_pycomm3}


def main():
    if len(sys.argv) < 5:
        sys.exit("usage: logix_reader.py HOST:PORT TAG COUNT CLIENT...")
    (host, port), tag, count = sys.argv[1].split(":"), sys.argv[2], int(sys.argv[3])
    print(json.dumps({client: CLIENTS[client](host, port, tag, count) for client in sys.argv[4:]}))


if __name__ == "__main__":
    main()
