#!/usr/bin/env python3
"""Reads tags of a Logix controller with two third-party clients, and prints the REALs that they say.

Usage: logix_reader.py HOST:PORT TAG COUNT

Prints JSON: {"pylogix": [values], "pycomm3": [values]}; the second without a value where it does not know the tag: it
reads what the controller's list of tags names, and a module's member is not among that.
"""

import json
import sys

import pylogix
from pycomm3 import LogixDriver


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: logix_reader.py HOST:PORT TAG COUNT")
    (host, port), tag, count = sys.argv[1].split(":"), sys.argv[2], int(sys.argv[3])
    with pylogix.PLC(host, port=int(port)) as plc:
        first = plc.Read(tag, count).Value
    with LogixDriver("%s:%s/1,0" % (host, port)) as plc:
        second = plc.read("%s{%d}" % (tag, count)).value
    print(json.dumps({"pylogix": first, "pycomm3": second}))


if __name__ == "__main__":
    main()
