#!/usr/bin/env python3
"""Judges what the plugin has written, from nothing but that: line protocol, and the configuration that it ran with.

Usage: judge.py OUTPUT.lp PLANT.json

PLANT.json: {"interval": SECONDS, "ended": SECONDS since the epoch, "meters": {NAME: {"kw": MEAN POWER, "tables": [...]}}}

A gather is due once in an interval between a table's first and last complete line, at the meter's own moment of it, which
most of its lines tell. A line belongs to the nearest one: it is a little later, or a little earlier where it is a frame that
was received before. A newest sample may come a second time, as it was. The books are right when each due gather is a line or
lies in an event of kind "gap", and none is both. Three things are no fault and counted: a gather that was late, so that the
next one followed at once or no hole is left; a line of which a part is held back or refused; and a line that came in the
moment before the plugin was killed, which the next process cannot know of. Shares no code with the plugin and its tests.
"""

import json
import re
import sys
from collections import defaultdict

NAME = "powermonitor_500"
# A line, with the escapes that line protocol has. A field's text may hold everything but an unescaped quote.
LINE = re.compile(
    r'(?P<series>(?:\\.|[^\\ ])+) (?P<fields>(?:[^" ]|"(?:\\.|[^\\"])*")+) (?P<time>-?\d+)\Z', re.DOTALL
)
FIELD = re.compile(r'(?P<name>(?:\\.|[^\\=,])+)=(?P<value>"(?:\\.|[^\\"])*"|[^,"]+)(?:,|\Z)')
# How far the simulated load may be from its mean, and a counter from what it was a moment ago.
LOAD_BAND = (0.6, 1.5)
# A counter that steps back by no more counts on, in Wh or varh.
NOISE = 100
TOTALS = ("active_import_wh", "active_export_wh", "reactive_import_varh", "reactive_export_varh")
# Between two lines that are no further apart nothing is missing, in intervals.
NO_HOLE = 1.5
MS = 1_000_000
# A series ends at the end: the last gathers, and an owner that has just been found again.
END_SECONDS = 10


def parse(line):
    """(measurement, tags, fields, nanoseconds), or an exception."""
    match = LINE.match(line)
    if not match:
        raise ValueError("no line protocol")
    measurement, *tags = re.split(r"(?<!\\),", match["series"])
    tags = dict(re.split(r"(?<!\\)=", tag, maxsplit=1) for tag in tags)
    fields, at = {}, 0
    while at < len(match["fields"]):
        field = FIELD.match(match["fields"], at)
        if not field:
            raise ValueError("a field that is none")
        at = field.end()
        value = field["value"]
        if field["name"] in fields:
            raise ValueError("%s stands twice" % field["name"])
        if value.startswith('"'):
            fields[field["name"]] = value[1:-1]
        else:
            fields[field["name"]] = int(value[:-1]) if value.endswith("i") else float(value)
    return measurement, tags, fields, int(match["time"])


class Series:
    """One table of one meter."""

    def __init__(self):
        self.lines = []
        # By their begin: one that is declared again after a kill takes the place of the one before.
        self.gaps = {}

    def complete(self):
        """Times of the lines that have as many fields as the fullest."""
        most = max(len(fields) for _, fields in self.lines)
        return [time for time, fields in self.lines if len(fields) == most]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[2], encoding="utf-8") as file:
        plant = json.load(file)
    interval = plant["interval"] * 1_000_000_000
    problems, series = [], defaultdict(Series)
    points, events, results, count = {}, defaultdict(int), defaultdict(int), 0
    starts, told, untold, overwritten, noise = defaultdict(list), defaultdict(list), 0, 0, 0
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        text = file.read()
    if text and not text.endswith("\n"):
        problems.append("the last line is torn")
    for line in text.split("\n"):
        if not line:
            continue
        count += 1
        try:
            measurement, tags, fields, time = parse(line)
        except ValueError as error:
            problems.append("%s: %.200s" % (error, line))
            continue
        point = (measurement, tuple(sorted(tags.items())), time)
        if points.setdefault(point, line) != line and tags.get("event") != "gap":
            # Two gathers within a millisecond, after the process stood still: the second one's status holds.
            if measurement == NAME + "_status":
                overwritten += 1
                continue
            problems.append("a second line of this series and time: %.200s" % line)
        meter, table = tags.get("meter"), measurement[len(NAME) + 1 :] or "realtime"
        if meter is not None and meter not in plant["meters"]:
            problems.append("a meter that is none: %s" % meter)
        elif table == "event":
            events[tags["event"]] += 1
            if tags["event"] in ("counter_reset", "counter_glitch", "counter_returned", "counter_jumped"):
                told[meter].append(time)
            if tags["event"] == "started":
                starts[meter].append(time)
            if tags["event"] == "gap":
                for lost in fields["table"].split(","):
                    series[meter, lost].gaps[fields["from_ms"] * 1_000_000] = fields["to_ms"] * 1_000_000
        elif table == "status":
            results[fields["result"]] += 1
        elif meter is not None and table in plant["meters"][meter]["tables"]:
            series[meter, table].lines.append((time, fields))

    due = done = declared = beyond = late = unknown = partial = 0
    values = 0
    for meter, about in plant["meters"].items():
        for table in about["tables"]:
            one, name = series[meter, table], "%s, %s" % (meter, table)
            if not one.lines:
                problems.append("%s: nothing came" % name)
                continue
            times = one.complete()
            moment = moment_of(times, interval)

            def nearest(time, moment=moment):
                return (time - moment + interval // 2) // interval

            for before, after in zip(times, times[1:]):
                if after < before:
                    problems.append("%s: the time went back from %d to %d" % (name, before, after))
            slots = [nearest(time) for time in times]
            # At a start, and when it was stopped, the plugin gathers at once and not at the next multiple.
            beyond += len(slots) - len(set(slots))
            there, first, last = set(slots), slots[0], slots[-1]
            some = set(nearest(time) for time, _ in one.lines)
            lost = set()
            for begin, end in sorted(one.gaps.items()):
                inside = set(range(nearest(begin) + 1, nearest(end))) & set(range(first, last + 1))
                if inside & lost:
                    problems.append("%s: two gaps share time, before %d" % (name, end))
                for covered in [time for time in times if nearest(time) in inside]:
                    following = min((time for time in times if time > covered), default=covered)
                    if any(covered < start <= following + interval for start in starts[meter]):
                        unknown += 1
                    else:
                        problems.append("%s: a gap covers a line that exists, at %d" % (name, covered))
                lost |= inside
            for slot in sorted(set(range(first, last + 1)) - there - lost):
                before = max(time for time in times if nearest(time) < slot)
                after = min(time for time in times if nearest(time) > slot)
                if slots.count(slot + 1) > 1 or after - before < interval * NO_HOLE:
                    there.add(slot)
                    late, beyond = late + 1, beyond - 1
                elif after < (slot + 1) * interval + moment and any(abs(after - begin) <= MS for begin in one.gaps):
                    # It came after a standstill, nearer to the next one's time, and that one is in the gap behind it.
                    there.add(slot)
                    there.discard(slot + 1)
                    lost.add(slot + 1)
                    late += 1
                elif slot in some:
                    there.add(slot)
                    partial += 1
                else:
                    problems.append("%s: neither line nor gap at %d" % (name, slot * interval + moment))
            due += last - first + 1
            done += len(there)
            declared += len(lost - there)
            if plant["ended"] - times[-1] / 1e9 > END_SECONDS + plant["interval"]:
                problems.append("%s: nothing came any more after %d" % (name, times[-1]))
            judged, falls = judge_values(name, about, one.lines, problems)
            values += judged
            for before, after, total, by in falls:
                if any(before < time <= after + interval for time in told[meter]):
                    continue
                # That a meter's counters are noisy is said once.
                if by <= NOISE and any(time <= before for time in told[meter]):
                    noise += 1
                    continue
                # A killed process leaves the times of its readings behind, but not the last counters.
                if any(before < time <= after + interval for time in starts[meter]):
                    untold += 1
                else:
                    problems.append("%s: %s fell without a word at %d" % (name, total, after))

    print("lines                 %d" % count)
    print("events                %s" % ", ".join("%s %d" % pair for pair in sorted(events.items())))
    print("results               %s" % ", ".join("%s %d" % pair for pair in sorted(results.items())))
    print("status written twice  %d" % overwritten)
    print("values judged         %d" % values)
    print("gathers due           %d" % due)
    print("complete lines        %d" % done)
    print("late by half a slot   %d of them" % late)
    print("in part               %d of them" % partial)
    print("just before a kill    %d of them, also declared lost" % unknown)
    print("small steps back      %d, which were said once" % noise)
    print("resets at a kill      %d, which nobody told" % untold)
    print("more than due         %d" % beyond)
    print("in declared gaps      %d" % declared)
    print("left over             %d" % (due - done - declared))
    print("problems              %d" % len(problems))
    for problem in problems[:100]:
        print("  " + problem)
    sys.exit(1 if problems else 0)


def moment_of(times, interval):
    """When in an interval most lines come, however it lies around the interval's ends."""
    tenth = interval // 10
    parts = [time % interval // tenth for time in times]
    most = max(set(parts), key=parts.count)
    return most * tenth + tenth // 2


def judge_values(name, about, lines, problems):
    """Powers are those of this meter and of no other. Gives how many values were judged, and where a counter fell that does
    not say that it counts anew: since when, when, which, by how much.
    """
    low, high = (about["kw"] * 1000 * edge for edge in LOAD_BAND)
    judged, totals, since, last, falls = 0, {}, None, 0, []
    for time, fields in lines:
        power = fields.get("active_power_total_w")
        if power is not None:
            judged += 1
            if not low <= power <= high:
                problems.append("%s: %g W at %d, and the load is %g kW" % (name, power, time, about["kw"]))
        fell = [total for total in TOTALS if total in fields and fields[total] < totals.get(total, 0)]
        counting = fields.get("counting_since_ms")
        if fell and counting == since:
            falls.append((last, time, fell[0], totals[fell[0]] - fields[fell[0]]))
        since = counting if counting is not None else since
        present = {total: fields[total] for total in TOTALS if total in fields}
        judged += len(present)
        totals.update(present)
        last = time
    return judged, falls


if __name__ == "__main__":
    main()
