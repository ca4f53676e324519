"""Reads "hexadecimal-payload topic" lines and prints what pysparkplug understands of them, one JSON object per line."""

import json
import sys

import pysparkplug as sparkplug
from pysparkplug import _protobuf as protobuf

KINDS = {
    "NBIRTH": sparkplug.NBirth,
    "DBIRTH": sparkplug.DBirth,
    "NDATA": sparkplug.NData,
    "DDATA": sparkplug.DData,
    "NDEATH": sparkplug.NDeath,
    "DDEATH": sparkplug.DDeath,
}

births = {}


def text(value):
    if value is None or isinstance(value, str):
        return value
    return repr(value)


def properties(metric):
    found = dict(zip(metric.properties.keys, metric.properties.values))
    unit, quality = found.get("engUnit"), found.get("Quality")
    return unit and unit.string_value, quality.int_value if quality is not None else None


for line in sys.stdin:
    payload, topic = line.rstrip("\n").split(" ", 1)
    levels = topic.split("/")
    kind, device = levels[2], levels[4] if len(levels) > 4 else ""
    raw = bytes.fromhex(payload)
    as_sent = protobuf.Payload.FromString(raw)
    out = {"kind": kind, "device": device, "seq": as_sent.seq if as_sent.HasField("seq") else None, "metrics": []}
    if kind in ("NDEATH", "DDEATH"):
        out["bd_seq"] = next((metric.long_value for metric in as_sent.metrics if metric.name == "bdSeq"), None)
    else:
        birth = births.get(device) if kind.endswith("DATA") else None
        decoded = KINDS[kind].decode(raw, birth=birth)
        if kind.endswith("BIRTH"):
            births[device] = decoded
        for metric, sent in zip(decoded.metrics, as_sent.metrics):
            unit, quality = properties(sent)
            out["metrics"].append(
                {
                    "name": metric.name,
                    "type": metric.datatype.name.title(),
                    "value": text(metric.value),
                    "null": metric.is_null,
                    "at": metric.timestamp,
                    "historical": metric.is_historical,
                    "unit": unit,
                    "quality": quality,
                }
            )
    print(json.dumps(out), flush=True)
