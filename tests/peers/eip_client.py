#!/usr/bin/env python3
"""A third-party EtherNet/IP client (pycomm3): what it reads from an adapter, as one JSON object.

Usage: eip_client.py HOST:PORT INSTANCE...

Output: {"identity": the reply to List Identity, "assemblies": {"101": {"data": "<hex of attribute 3>", "size":
attribute 4}, ...}}. Ends with a sentence and status 1 when the adapter refuses a read.
"""

import json
import sys

from pycomm3 import UINT, CIPDriver, Services

ASSEMBLY = 0x04


class Driver(CIPDriver):
    """pycomm3 takes the port only from its own setting, not from the address."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        super().__init__(host)
        self._cfg["port"] = int(port)

    def attribute(self, instance, number, data_type=None):
        """Get_Attribute_Single, unconnected and bare: no Unconnected Send, no route."""
        tag = self.generic_message(
            service=Services.get_attribute_single,
            class_code=ASSEMBLY,
            instance=instance,
            attribute=number,
            data_type=data_type,
            connected=False,
            unconnected_send=False,
            route_path=False,
            name="assembly %d attribute %d" % (instance, number),
        )
        if tag.error:
            sys.exit("assembly %d, attribute %d: %s" % (instance, number, tag.error))
        return tag.value


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: eip_client.py HOST:PORT INSTANCE...")
    with Driver(sys.argv[1]) as driver:
        result = {
            "identity": driver._list_identity(),
            "assemblies": {
                instance: {
                    "data": driver.attribute(int(instance), 3).hex(),
                    "size": driver.attribute(int(instance), 4, UINT),
                }
                for instance in sys.argv[2:]
            },
        }
    print(json.dumps(result, default=bytes.hex))


if __name__ == "__main__":
    main()
