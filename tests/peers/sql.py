"""Answers one SQL query with Apache DataFusion, the engine of InfluxDB 3, on tables as InfluxDB 3 makes them.

sql.py POINTS < query > rows. POINTS has one point a line, as tests/peers/lineprotocol prints them. A measurement is a
table; its columns are the tags (dictionaries of text), the fields and time (nanoseconds without a zone). The rows are
printed as one JSON array; times are nanoseconds since the epoch.
"""

import json
import sys
from datetime import datetime

import pyarrow as pa
from datafusion import SessionContext

TYPES = {"float": pa.float64(), "int": pa.int64(), "string": pa.utf8(), "bool": pa.bool_()}
TAG = pa.dictionary(pa.int32(), pa.utf8())


def table(points):
    """The table of one measurement."""
    columns = {}
    for point in points:
        columns.update({name: TAG for name in point["tags"]})
        columns.update({name: TYPES[field["type"]] for name, field in point["fields"].items()})

    def values(name):
        for point in points:
            if name in point["fields"]:
                yield point["fields"][name]["value"]
            else:
                yield point["tags"].get(name)

    arrays = {name: pa.array(list(values(name)), kind) for name, kind in columns.items()}
    arrays["time"] = pa.array([point["time"] for point in points], pa.timestamp("ns"))
    return pa.table(arrays)


def cell(column, row):
    """One value, as JSON can say it."""
    value = column[row]
    if pa.types.is_timestamp(column.type):
        return value.value
    value = value.as_py()
    assert not isinstance(value, datetime)
    return value


def main():
    measurements = {}
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in file:
            point = json.loads(line)
            measurements.setdefault(point["measurement"], []).append(point)
    context = SessionContext()
    for name, points in measurements.items():
        context.register_record_batches(name, [table(points).to_batches()])
    answer = context.sql(sys.stdin.read()).to_arrow_table()
    rows = [
        {name: cell(answer.column(name), row) for name in answer.column_names} for row in range(answer.num_rows)
    ]
    json.dump(rows, sys.stdout)


main()
