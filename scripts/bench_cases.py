# SPDX-License-Identifier: MIT
"""What `make bench` runs: the runtimes that are compared, and the cases with their commands."""

import dataclasses
import os

from bench_servers import SERVERS


@dataclasses.dataclass
class Runtime:
    """One competitor. suffix picks its build of a program; env is added to the environment."""
    name: str
    title: str
    suffix: str
    env: dict
    package: str = ""       # the Debian package that it needs


@dataclasses.dataclass
class Case:
    """One thing to measure: a command for each runtime that can do it.

    rename maps the metric that the program prints to the one that is kept; every: run it
    only in each so-manieth round, because it takes long.
    """
    group: str
    label: str
    commands: dict          # runtime -> arguments, the first one a program in the build directory
    timeout: int = 60
    every: int = 1
    rename: dict = dataclasses.field(default_factory=dict)
    connections: int = 0    # not 0: a server, to be measured under load
    requests: int = 0
    server: object = None   # one of bench_servers.SERVERS; then commands only says for which runtimes
    needs_kib: int = 0      # skip when less memory is available


@dataclasses.dataclass
class Settings:
    quick: bool
    connections: list
    library: str


GROUPS = ["micro", "parked", "echo", "handoff", "hog", "sleep", "startup", "servers"]


def runtimes(library):
    return [
        Runtime("heddle", "heddle", "", {"LD_PRELOAD": library, "HEDDLE_MAXPROCS": "1"}),
        Runtime("native", "native", "", {}),
        Runtime("go", "Go", "_go", {"GOMAXPROCS": "1"}, "golang-go"),
        Runtime("epoll", "epoll", "_epoll", {}),
        Runtime("st", "State Threads", "_st", {}, "libst-dev"),
    ]


def on_threads(*command):
    """The same binary natively and under heddle."""
    return {"heddle": list(command), "native": list(command)}


def micro_cases(s):
    ms = "100" if s.quick else "250"
    for what in ["spawn", "batch", "switch", "mutex", "mutex1", "yield"]:
        commands = on_threads("micro", "-t", ms, what)
        commands["st"] = ["micro_st", "-t", ms, what]
        if what != "mutex1":
            commands["go"] = ["micro_go", "-t", ms, what]
        yield Case("micro", what, commands)
    for what in ["spawn", "batch"]:
        kept = what + ":default-stack"
        yield Case("micro", kept, on_threads("micro", "-s", "0", "-t", ms, what),
                   rename={what: kept, what + ".wall": kept + ".wall"})


def parked_cases(s):
    for n in [10000, 100000] + ([] if s.quick else [1000000]):
        what = f"parked:{n}"
        commands = on_threads("micro", what)
        commands["go"] = ["micro_go", what]
        commands["st"] = ["micro_st", what]
        if n > 100000:
            del commands["native"]      # ends at about 32,000: two mappings a thread, vm.max_map_count
        yield Case("parked", what, commands, timeout=180, every=1 if n <= 100000 else 2,
                   needs_kib=n * 12)


def echo_cases(s):
    for n in s.connections:
        requests = max(20000 if s.quick else 50000, 5 * n if s.quick else 10 * n)
        commands = on_threads("echo")
        commands |= {"epoll": ["echo_epoll"], "go": ["echo_go"], "st": ["echo_st"]}
        yield Case("echo", f"{n} connections", commands, timeout=90, connections=n, requests=requests)


def handoff_cases(s):
    back_to_back = "100" if s.quick else "500"
    seldom = "10" if s.quick else "30"
    for what, rounds, gap_us in [("fifo", back_to_back, "0"), ("flock", back_to_back, "0"),
                                 ("unknown", seldom, "0"), ("fifo", seldom, "50000")]:
        args = [what, rounds, gap_us]
        commands = on_threads("handoff", *args)
        if what != "unknown":
            commands["go"] = ["latency_go", "handoff"] + args
        yield Case("handoff", f"{what}, {gap_us} us apart", commands)


def hog_cases(s):
    for kind, hogs in [("compute", 1), ("compute", 4), ("libc", 1)]:
        args = [kind, str(hogs), str((30 if s.quick else 100) // (1 if hogs == 1 else 2))]
        commands = on_threads("hog", *args)
        if kind == "compute":
            commands["go"] = ["latency_go", "hog"] + args
        yield Case("hog", f"{hogs} {kind}", commands)


def sleep_cases(s):
    for threads in [1, 1000]:
        for us in [1, 10, 50, 100, 1000]:
            sleeps = (2 if s.quick else 5) * (100 if threads == 1 else 4)
            args = [str(us), str(threads), str(sleeps)]
            commands = on_threads("sleep", *args)
            commands["go"] = ["latency_go", "sleep"] + args
            yield Case("sleep", f"{us} us, {threads} threads", commands)


def startup_cases(s):
    # The program preloads by itself, in turn with runs without: not to be preloaded.
    runs = "50" if s.quick else "200"
    yield Case("startup", "true", {"native": ["startup", runs, s.library, "true"]})


def server_cases(s):
    for server in SERVERS:
        if not server.missing():
            yield Case("servers", server.name, on_threads(), timeout=90, server=server, connections=100,
                       requests=100000 if s.quick else 300000)


def missing_servers(groups):
    """Why which servers are left out."""
    return [s.missing() for s in SERVERS if s.missing()] if "servers" in groups else []


def cases(groups, settings):
    make = {"micro": micro_cases, "parked": parked_cases, "echo": echo_cases, "handoff": handoff_cases,
            "hog": hog_cases, "sleep": sleep_cases, "startup": startup_cases, "servers": server_cases}
    return [case for g in groups for case in make[g](settings)]


def missing_runtimes(directory, chosen):
    """Those of the chosen runtimes whose programs were not built, with what to install."""
    return [r for r in chosen if r.suffix and not os.path.exists(f"{directory}/echo{r.suffix}")]
