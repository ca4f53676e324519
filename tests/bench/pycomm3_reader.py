#!/usr/bin/env python3
"""Reads assemblies 101 and 102 in turn with pycomm3, and prints what that took.

Usage: pycomm3_reader.py HOST:PORT READS

Output: elapsed and CPU time of the reads in nanoseconds, without the start.
"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "peers"))

from eip_client import Driver  # noqa: E402


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: pycomm3_reader.py HOST:PORT READS")
    with Driver(sys.argv[1]) as driver:
        began, cpu = time.perf_counter_ns(), time.process_time_ns()
        for read in range(int(sys.argv[2])):
            driver.attribute(101 + read % 2, 3)
        print(time.perf_counter_ns() - began, time.process_time_ns() - cpu)


if __name__ == "__main__":
    main()
