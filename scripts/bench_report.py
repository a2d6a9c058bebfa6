# SPDX-License-Identifier: MIT
"""The tables of `make bench`: medians, ratios, and the targets with pass or miss."""

import statistics

import bench_servers

SERVERS = [s.name for s in bench_servers.SERVERS]

# Title of a table, the runtime that ratios are relative to, and its rows: metric, label, digits.
TABLES = [
    ("Thread operations, ns of CPU", "native", [
        ("spawn", "spawn + join, 64 KiB stack", 0),
        ("spawn:default-stack", "spawn + join, default stack", 0),
        ("batch", "1000 spawned, 1000 joined; each", 0),
        ("batch:default-stack", "the same, default stack", 0),
        ("switch", "switch by mutex + cond", 1),
        ("mutex", "uncontended lock + unlock", 1),
        ("mutex1", "the same, single-threaded process", 1),
        ("yield", "sched_yield, 2 threads", 1),
    ]),
    ("Parked threads, each", "native", [
        row for n, text in [(10000, "10,000"), (100000, "100,000"), (1000000, "1,000,000")] for row in [
            (f"parked:{n}.rss", text + ": RSS, KiB", 2),
            (f"parked:{n}.pte", text + ": page tables, KiB", 2),
            (f"parked:{n}.spawn", text + ": create and park, ns of CPU", 0),
            (f"parked:{n}.wakejoin", text + ": wake and join, ns of CPU", 0)]
    ]),
    ("When a blocking call keeps the only processor, another thread runs after, us", "native", [
        (f"handoff:{what}:{gap}.{q}", f"{text}, {q}", 1)
        for what, gap, text in [("fifo", 0, "open of a FIFO"), ("flock", 0, "flock"),
                                ("fifo", 50000, "open of a FIFO after 50 ms idle"),
                                ("unknown", 0, "raw system call instruction")]
        for q in ["p50", "p90"]
    ]),
    ("Delay of a 1 ms sleeper by threads that only compute, us", "native", [
        (f"hog:{kind}:{n}.{q}", f"{n} in {where}, {q}", 0)
        for kind, n, where in [("compute", 1, "the program"), ("compute", 4, "the program"), ("libc", 1, "libc")]
        for q in ["p50", "p99"]
    ]),
    ("Sleep overshoot, us", "native", [
        (f"sleep:{us}:{n}.{q}", f"{n} x {us} us, {q}", 1)
        for n in [1, 1000] for us in [1, 10, 50, 100, 1000] for q in ["p50", "p99", "cpu"]
    ]),
    ("Event-driven servers on one core, 100 connections", "native", [
        (f"server:{name}:{m}", f"{name}: {text}", digits)
        for name in SERVERS
        for m, text, digits in [("rate", "requests/s", 0), ("cpu", "CPU per request, us", 2), ("busy", "CPU use, %", 0),
                                ("latency.p50", "latency p50, us", 0), ("latency.p99", "latency p99, us", 0)]
    ]),
    ("LD_PRELOAD and `true`, us", "native", [
        (f"startup.{which}.{clock}", f"{which}, {clock}", 0)
        for clock in ["cpu", "wall"] for which in ["without", "with", "adds"]
    ]),
]

# Metric, limit, unit, runtime that the limit is a multiple of (or None), description; rates are to be at least that.
TARGETS = [
    ("spawn", 300, "ns", None, "spawn + join"),
    ("batch", 300, "ns", None, "batch of 1000, each"),
    ("switch", 90, "ns", None, "switch by mutex + cond"),
    ("mutex", 1.0, "x", "native", "uncontended lock + unlock, to native"),
    ("yield", 40, "ns", None, "yield"),
    ("parked:100000.rss", 8.6, "KiB", None, "RSS of a parked thread, 100,000"),
    ("parked:1000000.rss", 8.6, "KiB", None, "RSS of a parked thread, 1,000,000"),
    ("echo:100:cpu", 1.05, "x", "epoll", "echo CPU per request, 100 connections, to epoll"),
    ("echo:1000:cpu", 1.15, "x", "epoll", "echo CPU per request, 1000 connections, to epoll"),
    ("echo:10000:cpu", 1.15, "x", "epoll", "echo CPU per request, 10000 connections, to epoll"),
    ("handoff:fifo:0.p50", 50, "us", None, "hand-off of open(), p50"),
    ("handoff:flock:0.p50", 50, "us", None, "hand-off of flock(), p50"),
    ("hog:compute:1.p99", 20000, "us", None, "wait for a hog in the program, p99"),
    ("hog:libc:1.p99", 20000, "us", None, "wait for a hog in libc, p99"),
    ("sleep:100:1.p50", 60, "us", None, "overshoot of a 100 us sleep, p50"),
    ("startup.adds.cpu", 1000, "us", None, "LD_PRELOAD adds to `true`, CPU"),
] + [target for name in SERVERS for target in [
    (f"server:{name}:rate", 0.98, "x", "native", f"{name} requests/s, to native"),
    (f"server:{name}:latency.p99", 1.05, "x", "native", f"{name} latency p99, to native"),
]]


def echo_table(connections):
    """Rows of the echo servers, for as many connections as were measured."""
    return ("TCP echo, 64 bytes, a thread per connection; server on one core", "epoll", [
        row for n in connections for row in [
            (f"echo:{n}:cpu", f"{n}: CPU per request, us", 2),
            (f"echo:{n}:latency.p50", f"{n}: latency p50, us", 0),
            (f"echo:{n}:latency.p99", f"{n}: latency p99, us", 0),
            (f"echo:{n}:rate", f"{n}: requests/s", 0),
            (f"echo:{n}:rss", f"{n}: RSS, MiB", 1),
            (f"echo:{n}:threads", f"{n}: kernel threads", 0)]
    ])


class Results:
    """Samples by metric, runtime and round."""

    def __init__(self, samples):
        self.values = {}
        for s in samples:
            self.values.setdefault((s["metric"], s["runtime"]), {})[s["round"]] = s["value"]

    def median(self, metric, runtime):
        v = self.values.get((metric, runtime))
        return statistics.median(v.values()) if v else None

    def ratio(self, metric, runtime, base):
        """Median over the rounds of runtime / base: both of one round met the same machine."""
        a, b = self.values.get((metric, runtime), {}), self.values.get((metric, base), {})
        ratios = [a[r] / b[r] for r in a if b.get(r)]
        return statistics.median(ratios) if ratios else None

    def connections(self):
        return sorted({int(m.split(":")[1]) for m, _ in self.values if m.startswith("echo:")})


def number(value, digits):
    return f"{value:,.{digits}f}"


def cell(results, metric, runtime, base, digits):
    value = results.median(metric, runtime)
    if value is None:
        return "-"
    ratio = results.ratio(metric, runtime, base)
    if ratio is None or runtime == base or metric.endswith(":threads"):
        return number(value, digits)
    shown = f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
    return f"{number(value, digits)} ({shown}x)"


def table(results, title, base, rows, runtimes):
    rows = [r for r in rows if any((r[0], rt.name) in results.values for rt in runtimes)]
    columns = [rt for rt in runtimes if any((r[0], rt.name) in results.values for r in rows)]
    if not rows:
        return []
    lines = [[""] + [rt.title for rt in columns]]
    for metric, label, digits in rows:
        lines.append([label] + [cell(results, metric, rt.name, base, digits) for rt in columns])
    width = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    out = ["", f"{title}  (x: to {base})" if any(rt.name == base for rt in columns) else title]
    for line in lines:
        out.append("  " + line[0].ljust(width[0]) + "".join("  " + c.rjust(w) for c, w in zip(line[1:], width[1:])))
    return out


def parked_limits(results, runtimes):
    """Say which runtime could not create as many threads as asked."""
    out = []
    for n in [10000, 100000, 1000000]:
        for rt in runtimes:
            made = results.median(f"parked:{n}.created", rt.name)
            if made is not None and made < n:
                out.append(f"  {rt.title}: only {made:,.0f} of {n:,} threads could be created")
    return out


def targets(results, groups):
    """(text lines, number missed) of the targets of these groups. What has no figure is not met."""
    lines, missed = [], 0
    for metric, limit, unit, base, text in TARGETS:
        # what the startup program measures is heddle's whatever it ran as
        runtime = "native" if metric.startswith("startup.") else "heddle"
        value = results.ratio(metric, runtime, base) if base else results.median(metric, runtime)
        if group_of(metric) not in groups:
            continue
        if value is None:
            missed += 1
            lines.append(f"  none  {text:<52} {'no figure':>10}")
            continue
        digits = 2 if limit < 10 else 0
        least = metric.endswith(":rate")
        shown = round(value, digits)
        good = shown >= limit if least else shown <= limit
        missed += not good
        lines.append(f"  {'pass' if good else 'MISS'}  {text:<52} {number(value, digits):>10}"
                     f"  (at {'least' if least else 'most'} {limit:,} {unit})")
    return lines, missed


def group_of(metric):
    """The group of benchmarks that a metric comes from."""
    first = metric.replace(".", ":").split(":")[0]
    if first == "server":
        return "servers"
    return first if first in ("parked", "echo", "handoff", "hog", "sleep", "startup") else "micro"


def render(samples, runtimes, groups):
    """All tables as text, and the number of targets of these groups missed. No groups: no targets."""
    results = Results(samples)
    out = []
    tables = TABLES[:2] + [echo_table(results.connections())] + TABLES[2:]
    for title, base, rows in tables:
        out += table(results, title, base, rows, runtimes)
        if title.startswith("Parked"):
            out += parked_limits(results, runtimes)
    lines, missed = targets(results, groups)
    if lines:
        out += ["", "Targets for heddle"] + lines
        out.append(f"  {len(lines) - missed} of {len(lines)} met")
    return "\n".join(out), missed
