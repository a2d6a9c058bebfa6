#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure heddle, native threads, Go, a bare epoll loop and State Threads in turn.

Usually run by `make bench`, which builds the programs first. Each round runs every case
once for every runtime, one right after the other, so that a machine whose speed drifts
treats them alike; tables show medians over the rounds. The measured process has the first
CPU of the affinity mask to itself, the load generator the second. Main figure is the CPU
time of the measured process, which other work on the machine disturbs least.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

import bench_cases
import bench_report

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Failed(Exception):
    """A benchmark program did not do its work."""


def pinned(cpu):
    """For preexec_fn: run the child on one CPU."""
    def setup():
        os.sched_setaffinity(0, {cpu})
    return setup


def parse(output):
    """The lines "name<TAB>value<TAB>unit" as [(name, value, unit)]."""
    measured = []
    for line in output.splitlines():
        fields = line.split("\t")
        if len(fields) == 3:
            measured.append((fields[0], float(fields[1]), fields[2]))
    return measured


def ending(status, stderr):
    how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    last = stderr.strip().splitlines()[-3:]
    return how + (": " + " | ".join(last) if last else "")


def check_preloaded(stderr):
    """A library that ld.so refuses, or that steps aside, leaves the native program: no figure of heddle's."""
    for line in stderr.splitlines():
        if "cannot be preloaded" in line or line.startswith("heddle: off"):
            raise Failed("ran without heddle: " + line)


class Bench:
    def __init__(self, directory, runtimes):
        self.directory = directory
        self.runtimes = {r.name: r for r in runtimes}
        cpus = sorted(os.sched_getaffinity(0))
        self.cpu = cpus[0]
        self.load_cpu = cpus[1 % len(cpus)]

    def environment(self, runtime):
        return {**os.environ, **self.runtimes[runtime].env}

    def command(self, args):
        return [os.path.join(self.directory, args[0])] + args[1:]

    def run(self, case, runtime):
        if case.connections:
            return self.run_server(case, runtime)
        args = self.command(case.commands[runtime])
        try:
            done = subprocess.run(args, env=self.environment(runtime), preexec_fn=pinned(self.cpu),
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=case.timeout)
        except subprocess.TimeoutExpired as e:
            raise Failed(f"no end after {case.timeout} s") from e
        check_preloaded(done.stderr)
        if done.returncode != 0:
            raise Failed(ending(done.returncode, done.stderr))
        return [(case.rename.get(m, m), value, unit) for m, value, unit in parse(done.stdout)]

    def run_server(self, case, runtime):
        port, behind = free_port(), free_port()
        with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile("w+") as stderr, \
             contextlib.ExitStack() as running:
            env = self.environment(runtime)
            if case.server is None:
                args = self.command(case.commands[runtime]) + [str(port)]
            else:
                args = case.server.start(directory, port, behind)
                if case.server.start_behind is not None:
                    other = case.server.start_behind(directory, behind)
                    running.enter_context(serving(other, os.environ, self.load_cpu, subprocess.DEVNULL))
                    await_listener(behind)
            server = running.enter_context(serving(args, env, self.cpu, stderr))
            try:
                load = subprocess.run(
                    self.command(["load", str(port), str(case.connections), str(case.requests), str(server.pid),
                                  case.server.protocol if case.server else "echo"]),
                    preexec_fn=pinned(self.load_cpu), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                    timeout=case.timeout)
            except subprocess.TimeoutExpired as e:
                raise Failed(f"load generator: no end after {case.timeout} s") from e
            finally:
                died = server.poll()
                running.close()
            stderr.seek(0)
            said = stderr.read()
        check_preloaded(said)
        if died is not None:
            raise Failed("server: " + ending(died, said))
        if load.returncode != 0:
            raise Failed("load generator: " + ending(load.returncode, load.stderr))
        what = f"server:{case.server.name}" if case.server else f"echo:{case.connections}"
        return [(f"{what}:{m}", value, unit) for m, value, unit in parse(load.stdout)]


@contextlib.contextmanager
def serving(args, env, cpu, stderr):
    """A server while it runs; it is killed at the end."""
    with subprocess.Popen(args, env=env, preexec_fn=pinned(cpu), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=stderr) as server:
        try:
            yield server
        finally:
            server.kill()


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_listener(port):
    """Wait until somebody listens there."""
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise Failed(f"no server on port {port}")


def available_kib():
    with open("/proc/meminfo", encoding="ascii") as f:
        for line in f:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1])
    return 0


class Progress:
    """One live line on a terminal; in a file, a line a round."""

    def __init__(self, steps):
        self.steps, self.done, self.start = steps, 0, time.monotonic()
        self.live = sys.stderr.isatty()

    def show(self, text):
        elapsed = time.monotonic() - self.start
        left = f", about {elapsed / self.done * (self.steps - self.done):.0f} s left" if self.done else ""
        line = f"[{self.done}/{self.steps}] {text}, {elapsed:.0f} s{left}"
        self.done += 1
        if self.live:
            sys.stderr.write("\r\033[K" + line)
            sys.stderr.flush()

    def round(self, number, rounds):
        if not self.live:
            print(f"round {number} of {rounds}, after {time.monotonic() - self.start:.0f} s",
                  file=sys.stderr, flush=True)

    def end(self):
        if self.live:
            sys.stderr.write("\r\033[K")


def run_case(bench, case, names, turn, progress):
    """One case, once for each runtime: (samples, failures)."""
    samples, failures = [], []
    present = [n for n in names if n in case.commands]
    first = turn % len(present) if present else 0
    for name in present[first:] + present[:first]:      # nobody is always first
        progress.show(f"{case.group} {case.label}: {name}")
        try:
            if case.needs_kib > available_kib():
                raise Failed(f"not run: needs {case.needs_kib // 1048576 + 1} GiB of free memory")
            measured = bench.run(case, name)
        except Failed as e:
            failures.append({"case": f"{case.group} {case.label}", "runtime": name, "round": turn, "why": str(e)})
            continue
        samples += [{"metric": m, "runtime": name, "round": turn, "value": v, "unit": u} for m, v, u in measured]
    return samples, failures


def measure(bench, cases, names, rounds, budget):
    """Up to so many rounds, none begun that would likely end after budget seconds: (samples, failures, rounds).

    A case that failed is tried again in the next round. When interrupted, what has been measured is returned.
    """
    progress = Progress(sum(len([n for n in names if n in c.commands])
                            for r in range(rounds) for c in cases if r % c.every == 0))
    samples, failures, r = [], [], 0
    start = time.monotonic()
    try:
        while r < rounds and (time.monotonic() - start) * (r + 1) <= budget * max(r, 1):
            progress.round(r + 1, rounds)
            for case in cases:
                if r % case.every == 0:
                    s, f = run_case(bench, case, names, r, progress)
                    samples += s
                    failures += f
            r += 1
    except (KeyboardInterrupt, SystemExit):
        failures.append({"case": "everything after this", "runtime": "all", "round": r, "why": "interrupted"})
    progress.end()
    return samples, failures, r


def revision():
    git = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"], capture_output=True, text=True,
                         check=False)
    return git.stdout.strip()


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def write_results(directory, header, samples, failures):
    """Everything that was measured, as JSON; the path. results-latest.json points to it."""
    name = f"results-{datetime.datetime.now():%Y%m%d-%H%M%S}.json"
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({**header, "failures": failures, "samples": samples}, f, indent=1)
        f.write("\n")
    latest = os.path.join(directory, "results-latest.json")
    if os.path.islink(latest) or os.path.exists(latest):
        os.unlink(latest)
    os.symlink(name, latest)
    return path


def show(header, samples, failures, runtimes):
    """Print tables, targets and failures; the number of targets missed."""
    print(f"{header['cpu']}, Linux {header['kernel']}, heddle {header['revision']}, "
          f"{header['rounds']} rounds, load average {header['load'][0]:.1f} before and {header['load'][1]:.1f} after")
    text, missed = bench_report.render(samples, runtimes, header["targets"])
    print(text)
    if failures:
        print("\nFailed")
        for f in failures:
            print(f"  {f['case']}, {f['runtime']}, round {f['round'] + 1}: {f['why']}")
    return missed


def chosen(text, known, what):
    names = text.replace(",", " ").split()
    for name in names:
        if name not in known:
            sys.exit(f"bench: unknown {what} \"{name}\": {' '.join(known)}")
    return [k for k in known if k in names] if names else list(known)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default=os.path.join(TOP, "build"), help="build directory (default: build)")
    p.add_argument("--groups", default="", help="which of: " + " ".join(bench_cases.GROUPS))
    p.add_argument("--runtimes", default="", help="which of: heddle native go epoll st")
    p.add_argument("--rounds", type=int, default=0, help="default 5, with --quick 1")
    p.add_argument("--budget", type=float, default=14, help="minutes; fewer rounds if they would take longer (14)")
    p.add_argument("--connections", default="", help="of the echo servers (default 100,1000,10000)")
    p.add_argument("--quick", action="store_true", help="fewer repetitions, no million threads: about two minutes")
    p.add_argument("--strict", action="store_true", help="exit status 2 when a target is missed")
    p.add_argument("--show", metavar="FILE", help="print the tables of an earlier run and exit")
    return p.parse_args()


def main():
    args = arguments()
    library = os.path.abspath(os.path.join(args.build, "libheddle.so"))
    runtimes = bench_cases.runtimes(library)
    if args.show:
        with open(args.show, encoding="utf-8") as f:
            old = json.load(f)
        return 2 if show(old, old["samples"], old["failures"], runtimes) and args.strict else 0

    directory = os.path.join(args.build, "bench")
    groups = chosen(args.groups, bench_cases.GROUPS, "group")
    names = chosen(args.runtimes, [r.name for r in runtimes], "runtime")
    try:
        connections = [int(n) for n in (args.connections or "100,1000,10000").replace(",", " ").split()]
    except ValueError:
        sys.exit(f"bench: --connections: \"{args.connections}\" is not a list of numbers")
    if not os.path.exists(library) and ("heddle" in names or "startup" in groups):
        sys.exit(f"bench: {library} is missing: run make, or leave heddle and startup out")
    for r in bench_cases.missing_runtimes(directory, [r for r in runtimes if r.name in names]):
        print(f"bench: {r.title} left out: not built"
              + (f"; Debian package {r.package} gives it, then run make bench again" if r.package else ""))
        names.remove(r.name)

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that servers are ended on the way out
    rounds = args.rounds or (1 if args.quick else 5)
    for why in bench_cases.missing_servers(groups):
        print(f"bench: skipped: {why}")
    cases = bench_cases.cases(groups, bench_cases.Settings(args.quick, connections, library))
    load_before = os.getloadavg()[0]
    if load_before > 1:
        print(f"bench: the machine is busy (load average {load_before:.1f}): trust CPU times, not latencies")

    samples, failures, done = measure(Bench(directory, runtimes), cases, names, rounds, args.budget * 60)
    if done < rounds:
        print(f"bench: {done} of {rounds} rounds done")
    header = {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "revision": revision(),
        "cpu": cpu_model(), "cpus": os.cpu_count(), "kernel": platform.release(), "rounds": done,
        "targets": groups if "heddle" in names else [], "load": [load_before, os.getloadavg()[0]], "arguments": sys.argv[1:],
    }
    missed = show(header, samples, failures, runtimes)
    print(f"\nraw results: {write_results(directory, header, samples, failures)}")
    return 1 if failures else 2 if missed and args.strict else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
