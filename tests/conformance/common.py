# SPDX-License-Identifier: MIT
"""What the suites share: where things are, how a test is run and what is left of it killed, the file of results.

A suite is a module suite_NAME.py with

    packages            what to install: "tool-or-file:package ...", as scripts/deps.sh takes it
    source              the Debian source package to fetch, or None
    setup(w, only)      builds what is to be run; w is a Work, only a regular expression of rows or None
    run(w, run)         runs the tests, and calls run.add() for each row
    unit(row)           the regular expression for ONLY that repeats a row, with few others
"""
import collections, os, queue, re, resource, shlex, shutil, signal, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


class Work:
    """The folder that everything is done in."""

    def __init__(self, suite, top):
        self.suite, self.top = suite, os.path.realpath(top)
        self.src, self.bin, self.cwd = (self.folder(x) for x in ('src', 'bin/' + suite, 'cwd/' + suite))

    def folder(self, name):
        path = f'{self.top}/{name}'
        os.makedirs(path, exist_ok=True)
        return path

    def results(self, tag):
        return f'{self.folder("results/" + self.suite)}/{tag}.res'

    def tree(self, package):
        """The unpacked source package, None if it is not there."""
        found = [d for d in os.listdir(self.src) if re.fullmatch(re.escape(package) + r'-[\d.]+', d)]
        return f'{self.src}/{found[0]}' if found else None


class Run:
    """One run of a suite: natively or under a preloaded library."""

    def __init__(self, work, tag, preload, only, jobs):
        self.work, self.tag, self.preload, self.only, self.jobs = work, tag, preload, only, jobs
        self.logs = work.folder(f'results/{work.suite}/{tag}.logs')
        self.rows, self.lock, self.begin = {}, threading.Lock(), time.time()
        self.scale = float(os.environ.get('TSCALE', '1'))
        drop = re.compile(r'MAKE|MFLAGS|LD_PRELOAD|SUITES|ONLY|JOBS|NATIVE|PARKED|CONFORMANCE|BUILD$|TSCALE')
        self.env = {k: v for k, v in os.environ.items() if not drop.match(k)}

    def wants(self, name):
        return not self.only or re.search(self.only, name)

    def add(self, row, verdict, seconds=0.0):
        with self.lock:
            self.rows[row] = (verdict, seconds)

    def log(self, name):
        return f'{self.logs}/{re.sub("[^A-Za-z0-9_.+-]", "_", name)}.log'

    def save(self):
        with open(self.work.results(self.tag), 'w') as f:
            for row in sorted(self.rows):
                f.write('%s %s %.1f\n' % (row, *self.rows[row]))


def load(path):
    """The rows of a file of results: name -> verdict."""
    with open(path) as f:
        return {a[0]: a[1] for a in map(str.split, f) if a}


def session(sid):
    """The processes of a session."""
    pids = []
    for p in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{p}/stat') as f:
                stat = f.read()
        except OSError:
            continue
        if int(stat[stat.rindex(')') + 2:].split()[3]) == sid:
            pids.append(int(p))
    return pids


def killall(members):
    """Kills what members() returns until that is nothing."""
    for _ in range(50):
        pids = members()
        if not pids:
            return
        for p in pids:
            try:
                os.kill(p, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.02)


class Group:
    """A control group around one test: it may have so many threads and no more, and what leaves its session is
    found. Where control groups cannot be had, there is none of that."""
    ROOT = next((d for d in ('/sys/fs/cgroup/pids', '/sys/fs/cgroup') if os.path.exists(d + '/cgroup.procs')), None)

    def __init__(self, threads):
        self.path = None
        if self.ROOT is None:
            return
        path = '%s/heddle-conformance.%d.%d' % (self.ROOT, os.getpid(), threading.get_native_id())
        try:
            os.makedirs(path, exist_ok=True)
            self.path = path
            with open(path + '/pids.max', 'w') as f:
                f.write(str(threads))
        except OSError:
            pass

    def members(self):
        try:
            with open(self.path + '/cgroup.procs') as f:
                return [int(x) for x in f.read().split()]
        except OSError:
            return []

    def end(self):
        if self.path:
            killall(self.members)
            try:
                os.rmdir(self.path)
            except OSError:
                pass


def fresh():
    """In the child, before exec: no core files, and signals as a shell has them."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for s in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:
        try:
            signal.signal(s, signal.SIG_DFL)
        except (OSError, ValueError):
            pass


def command(args, log, limit, cwd, env, threads=3000):
    """Runs a command in a session of its own, output to a file, and kills what is left of it.
    Returns (exit status as the shell has it, or None for one that took more than `limit` seconds; seconds)."""
    begin, group = time.time(), Group(threads)

    def start():
        fresh()
        if group.path:
            with open(group.path + '/cgroup.procs', 'w') as f:
                f.write('0')

    with open(log, 'wb') as f:
        p = subprocess.Popen(args, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
                             start_new_session=True, preexec_fn=start)
        try:
            status = p.wait(limit)
            status = 128 - status if status < 0 else status
        except subprocess.TimeoutExpired:
            status = None
        seconds = time.time() - begin
        killall(lambda: session(p.pid))
        group.end()
        p.wait()
    return status, seconds


def trim(log, keep=1 << 16):
    """Keeps the end of a log only."""
    if os.path.getsize(log) > keep:
        with open(log, 'rb') as f:
            f.seek(-keep, os.SEEK_END)
            end = f.read()
        with open(log, 'wb') as f:
            f.write(end)


def verdict(status, names={}):
    """What an exit status means; `names` has those of the suite's own."""
    if status is None:
        return 'TIMEOUT'
    if status == 0:
        return 'PASS'
    if status in names:
        return names[status]
    return 'CRASH:%d' % (status - 128) if 128 < status < 193 else 'FAIL:%d' % status


def parallel(jobs, items, fn):
    """fn(item, worker number) for all items, on so many threads."""
    q, errors = queue.Queue(), []
    for x in items:
        q.put(x)

    def work(k):
        try:
            while True:
                fn(q.get_nowait(), k)
        except queue.Empty:
            pass
        except Exception as e:
            errors.append(e)

    ts = [threading.Thread(target=work, args=(k,)) for k in range(jobs)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    if errors:
        raise errors[0]


# One test of a suite that is a list of commands. serial: it wants the machine to itself. wrapped: the command itself
# puts $PRELOAD before what it is to test.
Test = collections.namedtuple('Test', 'name limit cwd command serial wrapped', defaults=(False, False))


def runlist(run, tests, names={}):
    """Runs the tests that are wanted, in parallel, and then the serial ones; a row each."""

    def one(t, _):
        env, cmd = dict(run.env), 'exec ' + t.command
        if run.preload and t.wrapped:
            env['PRELOAD'] = run.preload
        elif run.preload:
            cmd = f'export LD_PRELOAD={shlex.quote(run.preload)}; {cmd}'
        status, seconds = command(['/bin/sh', '-c', cmd], run.log(t.name), t.limit * run.scale, t.cwd, env)
        trim(run.log(t.name))
        run.add(t.name, verdict(status, names), seconds)

    tests = [t for t in tests if run.wants(t.name)]
    parallel(run.jobs, [t for t in tests if not t.serial], one)
    parallel(1, [t for t in tests if t.serial], one)
