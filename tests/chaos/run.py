#!/usr/bin/env python3
"""Runs the plugin for a while among meters, PLCs, a controller, gateways and a serial line that all misbehave, each in a
process of its own, and lets judge.py judge what it wrote.

Usage: run.py PROGRAM DIRECTORY SECONDS [SEED]

What goes wrong: processes are killed and started again, or stopped and continued, the plugin among them; what stands in
front of meters refuses, swallows, delays, cuts, drips and repeats. For the last part of the time nothing does, so that
each gap can end. Needs the UDP port 2222 of a network to itself, and Linux.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# Twice as long as a frame may be old that is still a reading: sixteen packet intervals of the input-only meter.
INTERVAL = 4
# An owner is looked for after a minute, then after two more.
CALM = 200
RPI = "100ms"
EIP, MODBUS, RTU = 44818, 1502, 1503


class Stoppable:
    """A process that is stopped and continued, or started again where it has ended."""

    def stop(self):
        self.child.send_signal(signal.SIGSTOP)

    def heal(self):
        if self.child.poll() is not None:
            self.start()
        else:
            self.child.send_signal(signal.SIGCONT)


class Process(Stoppable):
    """A simulator, which is started again whenever it was killed."""

    def __init__(self, name, arguments, directory, link=None):
        self.name, self.arguments, self.link = name, arguments, link
        self.log = open(os.path.join(directory, name + ".log"), "ab")
        self.child = None
        self.start()

    def start(self):
        self.child = subprocess.Popen(self.arguments, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def faults(self):
        return ["killed", "stopped"]

    def strike(self, fault):
        if fault == "killed":
            self.end()
            # Its pseudo terminal is gone, and the next one may be somebody else's. Killed early it had none yet.
            if self.link:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.link)
        else:
            self.stop()

    def end(self):
        self.child.kill()
        self.child.wait()


class Relay:
    """Passes TCP on to a meter, and does to its answers what networks and converters do."""

    FAULTS = ["refuses", "swallows", "delays", "delays beyond the timeout", "cuts", "drips", "repeats", "resets"]

    def __init__(self, name, here, there):
        self.name, self.here, self.there = name, here, there
        self.fault, self.clients, self.lock = None, set(), threading.Lock()
        self.listener = None
        self.listen()

    def listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self.here)
        listener.listen(16)
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with self.lock:
            self.clients.add(client)
        try:
            meter = socket.create_connection(self.there, timeout=2)
            meter.settimeout(None)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.pump, args=(meter, client, True), daemon=True).start()
            self.pump(client, meter, False)
        except OSError:
            pass
        finally:
            with self.lock:
                self.clients.discard(client)
            client.close()

    def pump(self, source, target, answers):
        try:
            while data := source.recv(65536):
                fault = self.fault if answers else None
                if fault == "swallows":
                    continue
                if fault == "delays":
                    time.sleep(0.1)
                elif fault == "delays beyond the timeout":
                    time.sleep(0.45)
                elif fault == "cuts":
                    target.sendall(data[: len(data) // 2])
                    break
                elif fault == "resets":
                    target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    break
                elif fault == "drips":
                    for at in range(len(data)):
                        target.sendall(data[at : at + 1])
                        time.sleep(0.003)
                    continue
                target.sendall(data)
                if fault == "repeats":
                    target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        target.close()

    def faults(self):
        return self.FAULTS

    def strike(self, fault):
        self.fault = fault
        if fault == "refuses":
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            with self.lock:
                clients = list(self.clients)
            for client in clients:
                try:
                    client.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def heal(self):
        refused, self.fault = self.fault == "refuses", None
        if refused:
            self.listen()

    def end(self):
        pass


class Plugin(Stoppable):
    """The program under test, as Telegraf runs it: stdin held open, stdout read."""

    name = "plugin"

    def __init__(self, program, config, directory):
        self.arguments = [program, "--config", config]
        self.output = open(os.path.join(directory, "output.lp"), "wb")
        self.log = open(os.path.join(directory, "plugin.log"), "ab")
        self.codes, self.reader, self.child = [], None, None
        self.start()

    def start(self):
        self.child = subprocess.Popen(
            self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log
        )
        self.reader = threading.Thread(target=self.read, args=(self.child.stdout,), daemon=True)
        self.reader.start()

    def read(self, pipe):
        while data := os.read(pipe.fileno(), 65536):
            self.output.write(data)

    def faults(self):
        return ["killed", "stopped", "ended"]

    def strike(self, fault):
        if fault == "stopped":
            self.stop()
        elif fault == "killed":
            self.child.kill()
            self.child.wait()
            self.reader.join()
        else:
            self.end()

    def end(self):
        self.child.stdin.close()
        self.codes.append(self.child.wait(timeout=30))
        self.reader.join()
        self.output.flush()


class Plant:
    """Meters and what stands before them, the configuration that reads them, and what the judge knows of them."""

    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        self.parts, self.meters, self.tables = [], {}, []
        self.count = 0
        for name in ("explicit-1", "explicit-2"):
            address, kw = self.simulate(name)
            self.read(name, kw, self.relay(name, (address, EIP)), connection="explicit")
        for name, connection in (("listen-1", "listen_only"), ("listen-2", "auto"), ("input-1", "input_only")):
            address, kw = self.simulate(name)
            if connection != "input_only":
                # A PLC has an address for each assembly that it owns.
                plc = "127.0.1.%d" % (10 * self.count)
                owner = ["--owner-of", address, "--owner-address", plc, "--owner-rpi", RPI]
                self.process("owner-of-" + name, *owner)
            self.read(name, kw, address, connection=connection, rpi=RPI)
        for name in ("modbus-1", "modbus-2"):
            address, kw = self.simulate(name)
            self.read(name, kw, "modbus://" + self.relay(name, (address, MODBUS)))
        self.controller("logix-1", "127.0.3.1")
        port = os.path.join(directory, "port")
        _, kw = self.simulate("serial", "--serial", "--serial-link", port, link=port)
        for unit in (1, 2, 3):
            self.read("serial-%d" % unit, kw, "file://" + port, unit_id=unit, baud_rate=115200)
        address, kw = self.simulate("gateway", "--serial", "--gateway-port", MODBUS)
        there = self.relay("gateway", (address, MODBUS))
        for unit in (1, 2, 3):
            self.read("gateway-%d" % unit, kw, "modbus://" + there, unit_id=unit)
        address, kw = self.simulate("frames", "--serial", "--rtu-over-tcp-port", RTU)
        there = self.relay("frames", (address, RTU))
        for unit in (1, 2, 3):
            self.read("frames-%d" % unit, kw, "modbus://" + there, unit_id=unit, transmission_mode="RTUoverTCP")

    def process(self, name, *arguments, link=None):
        self.parts.append(Process(name, [self.program, "simulate", *map(str, arguments)], self.directory, link))

    def simulate(self, name, *more, link=None):
        """A meter of its own address; its load is far from any other one, so that another meter's value shows."""
        address, kw = "127.0.0.%d" % (self.count + 2), round(2 * 1.9**self.count, 1)
        self.count += 1
        self.process("meter-" + name, "--bind", address, "--load", "%gkW" % kw, *more, link=link)
        return address, kw

    def relay(self, name, there):
        here = ("127.0.2.%d" % (self.count + 1), there[1])
        self.parts.append(Relay("relay-" + name, here, there))
        return "%s:%d" % here

    def read(self, name, kw, address, **options):
        over_modbus = "://" in address
        tables = ["realtime", "alarm"] + (["energy"] if over_modbus else [])
        self.meters[name] = {"kw": kw, "tables": tables}
        options = {"name": name, "address": address, **options}
        if over_modbus:
            options["intervals"] = {"energy": "%ds" % INTERVAL}
        self.tables.append(options)

    def controller(self, name, address):
        instances = (101, 102, 108)
        assemblies = [word for instance in instances for word in ("--controller-assembly", instance)]
        _, kw = self.simulate(name, "--controller", "--controller-address", address, *assemblies)
        tags = {str(instance): "PM1_%dS:I.Data" % instance for instance in instances}
        there = self.relay(name, (address, EIP))
        self.read(name, kw, there, connection="logix", route="1,0", fault_tag="PM1_Fault", logix_tags=tags)

    def configuration(self):
        def value(it):
            if isinstance(it, dict):
                return "{ %s }" % ", ".join("%s = %s" % (key, value(each)) for key, each in it.items())
            return json.dumps(it)

        blocks = [
            '[[inputs.powermonitor_500]]\nstate_file = "state.json"\ninterval = "%ds"\nround_interval = true\n'
            'timeout = "300ms"\nconnect_timeout = "300ms"\ngather_timeout = "600ms"\n' % INTERVAL
        ]
        for options in self.tables:
            lines = ["%s = %s" % (key, value(it)) for key, it in options.items()]
            blocks.append("[[inputs.powermonitor_500.meter]]\n" + "\n".join(lines) + "\n")
        return "\n".join(blocks)


def strike_at_random(chance, parts, until, counts):
    """Several things are wrong at a time, each for a while."""
    wrong = {}
    while time.time() < until:
        now = time.time()
        for part, (fault, ends) in list(wrong.items()):
            if now >= ends:
                part.heal()
                del wrong[part]
        well = [part for part in parts if part not in wrong]
        if well and len(wrong) < 5 and chance.random() < 0.15:
            part = chance.choice(well)
            fault = chance.choice(part.faults())
            part.strike(fault)
            wrong[part] = (fault, now + chance.choice((0.5, 2, 5, 12, 30)))
            counts[fault] = counts.get(fault, 0) + 1
        time.sleep(0.25)
    for part in wrong:
        part.heal()


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    program, directory, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) == 5 else random.randrange(1_000_000)
    os.makedirs(directory)
    plant = Plant(program, directory)
    path = os.path.join(directory, "config.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(plant.configuration())
    plugin = Plugin(program, path, directory)
    # As often as any other part: now and then.
    time.sleep(10)
    counts = {}
    try:
        strike_at_random(random.Random(seed), plant.parts + [plugin], time.time() + seconds, counts)
        time.sleep(CALM)
    finally:
        ended = time.time()
        plugin.end()
        for part in plant.parts:
            part.end()
    about = {"interval": INTERVAL, "ended": ended, "meters": plant.meters}
    described = os.path.join(directory, "plant.json")
    with open(described, "w", encoding="utf-8") as file:
        json.dump(about, file)
    print("meters                %d" % len(plant.meters))
    print("seconds               %d, and %d in peace; seed %d" % (seconds, CALM, seed))
    print("faults                %s" % ", ".join("%s %d" % pair for pair in sorted(counts.items())))
    print("exit codes            %s" % sorted(plugin.codes), flush=True)
    judge = os.path.join(HERE, "judge.py")
    judged = subprocess.run([sys.executable, judge, os.path.join(directory, "output.lp"), described], check=False)
    sys.exit(judged.returncode or int(any(plugin.codes)))


if __name__ == "__main__":
    main()
