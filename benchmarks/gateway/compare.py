#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares latencies of completions from the same engines: directly, through nginx and through the example gateway. The
three take turns, at a fixed load. Starts the programs that it needs, and ends them."""

import argparse
import gc
import http.client
import itertools
import json
import os
import pathlib
import platform
import random
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Callable, Optional

PERCENTILES = (50, 90, 99)
WARM_UP = 100  # requests at the beginning of a round that are not counted
AHEAD = 128  # prefills that end before a round's first decode: more than the requests that are ever in progress
PREFILL_PARAMS = {"do_remote_decode": True, "do_remote_prefill": False, "remote_engine_id": None,
                  "remote_block_ids": None, "remote_host": None, "remote_port": None}


class Programs:
    """The running programs. They are ended at the end of the `with`."""

    def __init__(self):
        self.children = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.terminate()
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()

    def start(self, *command):
        """Starts a program that prints the address on which it listens. Returns its process id and the port."""
        child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        line = child.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"{command[0]} has not started")
        return child.pid, int(line.rsplit(":", 1)[1])

    def start_nginx(self, folder, port):
        """Starts nginx. Returns the worker's process id."""
        child = subprocess.Popen(["nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"],
                                 env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
        self.children.append(child)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return int(pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text())
            except (OSError, ValueError):
                time.sleep(0.05)
        raise RuntimeError("nginx has not started")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body and json.dumps(body), {"X-Request-Id": "compare"})
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    if reply.status != 200:
        raise RuntimeError(f"{path} at port {port}: {reply.status} {text}")
    return json.loads(text)


def completion_request(body):
    return (b"POST /v1/completions HTTP/1.1\r\nHost: compare\r\nContent-Type: application/json\r\n"
            b"X-Request-Id: compare\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


class Engines:
    """A prefill and a decode engine, and the requests for them."""

    def __init__(self, prefill, decode, words):
        self.prefill, self.decode = prefill, decode
        self.plain_body = {"model": "demo", "prompt": " ".join(f"word{i}" for i in range(words)), "max_tokens": 16}
        self.prefill_body = {**self.plain_body, "stream": False, "max_tokens": 1, "kv_transfer_params": PREFILL_PARAMS}

    def plain(self):
        return itertools.repeat(completion_request(json.dumps(self.plain_body).encode()))

    def prefills(self):
        return itertools.repeat(completion_request(json.dumps(self.prefill_body).encode()))

    def decodes(self):
        """Each request names the oldest prefill that has ended, not its own, because nginx cannot read the reply of a
        prefill. All prompts are the same, so the engines see no difference."""
        asked = [ask(self.prefill, "POST", "/v1/completions", self.prefill_body) for _ in range(AHEAD)]
        params = asked[0]["kv_transfer_params"]
        engine, first = params["transfer_id"].rsplit("/", 1)
        body = json.dumps({**self.plain_body, "kv_transfer_params": {**params, "transfer_id": f"{engine}/NUMBER"}})
        before, after = body.encode().split(b"NUMBER")
        return (completion_request(b"%b%d%b" % (before, number, after)) for number in itertools.count(int(first)))

    def asked(self):
        """The number of completions of each engine."""
        reports = [ask(port, "GET", "/admin/report") for port in (self.prefill, self.decode)]
        for report in reports:
            if report["violations"] or report["failed"] or report["refused"] or report["cancelled"]:
                raise RuntimeError(f"an engine complains: {report}")
        return [report["requests"] for report in reports]


@dataclass
class Arm:
    """One of the ways to the engines that are compared."""

    name: str
    ports: tuple  # of the exchanges that the client makes in sequence for one request
    requests: Callable  # the requests of a round: an iterator for each exchange
    asked: tuple  # the completions that prefill and decode compute for one request
    process: Optional[int] = None  # of the proxy


def run_round(arm, schedule, sources):
    """Sends each request when it is due, on an idle connection or a new one, so that it never waits for another reply.
    Returns the microseconds from sending to the last byte of the reply. If the client makes two exchanges, this is the
    sum of both, without the client's own work in between."""
    clock = time.perf_counter_ns
    busy, times = {}, []

    def connect():
        lane = [socket.create_connection(("127.0.0.1", port)) for port in arm.ports]
        for each in lane:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return lane

    def send(lane, exchange, before):
        request = next(sources[exchange])
        busy[lane[exchange].fileno()] = (lane, exchange, before, clock(), bytearray())
        lane[exchange].sendall(request)

    idle = [connect() for _ in range(16)]
    start = clock()
    end = start + schedule[-1] + 10_000_000_000
    due = iter(schedule)
    next_due = start + next(due)
    while next_due < end or busy:
        ready = select.select(busy, (), (), max(0, next_due - clock()) / 1e9)[0]
        now = clock()
        if now >= end:
            raise RuntimeError(f"{arm.name}: {len(busy)} requests have no reply")
        for number in ready:
            lane, exchange, before, sent, text = busy[number]
            text += lane[exchange].recv(65536)
            if not text.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"{arm.name}: {text.decode()}")
            head, _, body = text.partition(b"\r\n\r\n")
            length = head.partition(b"\r\nContent-Length: ")[2].partition(b"\r\n")[0]
            if not length or len(body) < int(length):
                continue
            del busy[number]
            if exchange + 1 < len(lane):
                send(lane, exchange + 1, before + now - sent)
            else:
                times.append((before + now - sent) / 1000)
                idle.append(lane)
        if now >= next_due:
            send(idle.pop() if idle else connect(), 0, 0)
            moment = next(due, None)
            next_due = end if moment is None else start + moment
    for each in itertools.chain(*idle):
        each.close()
    return times[WARM_UP:]


def cpu_microseconds(process):
    return int(pathlib.Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1000


def measure(arm, engines, schedule):
    """Measures one round: the percentiles, and the proxy's CPU time per request."""
    sources = arm.requests()
    before, cpu = engines.asked(), arm.process and cpu_microseconds(arm.process)
    times = sorted(run_round(arm, schedule, sources))
    if arm.process:
        cpu = (cpu_microseconds(arm.process) - cpu) / len(schedule)
    asked = [now - then for now, then in zip(engines.asked(), before)]
    if asked != [len(schedule) * count for count in arm.asked]:
        raise RuntimeError(f"{arm.name}: {len(schedule)} requests made the engines compute {asked} completions")
    figures = {f"p{p}": times[len(times) * p // 100] for p in PERCENTILES}
    return {**figures, "cpu": cpu} if arm.process else figures


def compare(rounds):
    """Computes from each round: latencies, the latency that a proxy adds to the same exchanges, and ratios."""
    gateway, one, two = "gateway", "nginx, one exchange", "nginx, two exchanges"
    percentiles = [f"p{p}" for p in PERCENTILES]
    added = {one: "direct, one exchange", two: "direct, two exchanges", gateway: "direct, two exchanges"}
    for arms in rounds:
        for name, direct in added.items():
            arms[f"added by {name}"] = {p: arms[name][p] - arms[direct][p] for p in percentiles}
        for other in two, one:
            arms[f"gateway / {other}"] = {what: arms[gateway][what] / arms[other][what] for what in arms[gateway]}
            arms[f"added by gateway / {other}"] = {
                p: arms[f"added by {gateway}"][p] / arms[f"added by {other}"][p] for p in percentiles}

    def summary(values):
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return {"median": median, "quartiles": [low, high]}

    return {name: {what: summary([arms[name][what] for arms in rounds]) for what in first}
            for name, first in rounds[0].items()}


def print_table(results, about):
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print("microseconds, and their ratios: medians over the rounds (quartiles)\n")
    print(f"{'':38}" + "".join(f"{head:>20}" for head in (*(f"p{p}" for p in PERCENTILES), "CPU of the proxy")))
    for name, figures in results.items():
        digits = 2 if "/" in name else 0
        cells = ["{:.{d}f} ({:.{d}f}-{:.{d}f})".format(figure["median"], *figure["quartiles"], d=digits)
                 for figure in figures.values()]
        print(f"{name:38}" + "".join(f"{cell:>20}" for cell in cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", type=pathlib.Path, help="the folder of pdroute_gateway")
    parser.add_argument("--commit", default="unknown")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--rate", type=float, default=500, help="requests a second, at random moments")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--requests", type=int, default=1000, help="of each arm in a round")
    parser.add_argument("--words", type=int, default=64, help="of a prompt")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    with tempfile.TemporaryDirectory() as name, Programs() as programs:
        folder, here = pathlib.Path(name), pathlib.Path(__file__).resolve().parent
        engine = (options.programs / "engine" / "pdroute_engine", "--role", "both", "--time-scale", 0)
        prefill, decode = [programs.start(*engine, "--listen", "127.0.0.1:0", "--id", name)[1] for name in ("p0", "d0")]
        config = folder / "gateway.conf"
        config.write_text(f"listen 127.0.0.1:0\nmodel demo\nendpoint prefill p0 127.0.0.1:{prefill}\n"
                          f"endpoint decode d0 127.0.0.1:{decode}\n")
        gateway, gateway_port = programs.start(options.programs / "pdroute_gateway", "--config", config)
        engines = Engines(prefill, decode, options.words)
        one, two = free_ports(2)
        text = (here / "nginx.conf").read_text()
        for place, value in {"prefill": f"127.0.0.1:{prefill}", "decode": f"127.0.0.1:{decode}",
                             "one_exchange": f"127.0.0.1:{one}", "two_exchanges": f"127.0.0.1:{two}",
                             "here": here, "prefill_body": json.dumps(engines.prefill_body)}.items():
            text = text.replace(f"@{place}@", str(value))
        (folder / "nginx.conf").write_text(text)
        nginx = programs.start_nginx(folder, one)

        plain, decodes = lambda: [engines.plain()], lambda: [engines.decodes()]
        both = lambda: [engines.prefills(), engines.decodes()]
        arms = [Arm("direct, one exchange", (decode,), plain, (0, 1)),
                Arm("nginx, one exchange", (one,), plain, (0, 1), nginx),
                Arm("direct, two exchanges", (prefill, decode), both, (1, 1)),
                Arm("nginx, two exchanges", (two,), decodes, (1, 1), nginx),
                Arm("gateway", (gateway_port,), plain, (1, 1), gateway)]
        rounds = []
        gc.disable()
        for number in range(options.rounds):
            # Arrivals are independent of each other and the same for all arms. The arms take turns to be first.
            pauses = random.Random(number)
            count = WARM_UP + options.requests
            schedule = list(itertools.accumulate(pauses.expovariate(options.rate / 1e9) for _ in range(count)))
            first = number % len(arms)
            measured = {arm.name: measure(arm, engines, schedule) for arm in arms[first:] + arms[:first]}
            rounds.append({arm.name: measured[arm.name] for arm in arms})

    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    about = {"requests/s": options.rate, "rounds": options.rounds, "requests": options.requests, "words": options.words,
             "CPUs": os.cpu_count(), "CPU": model, "load": os.getloadavg()[0], "commit": options.commit}
    results = compare(rounds)
    print_table(results, about)
    if options.json:
        options.json.write_text(json.dumps({"about": about, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
