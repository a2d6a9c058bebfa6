#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""conformance.py: test suites that others wrote, natively and under heddle.

    make conformance [SUITES="glibc python redis memcached stressng"] [ONLY=REGEX] [NATIVE=1] [JOBS=N] [PARKED=1]

Fetches the suites from Debian (packages, and source packages below the folder CONFORMANCE_DIR, build/conformance),
builds them and runs them under libheddle.so. Needs root, for the packages and the namespaces that the suites run in.

What passes natively is recorded in passes/SUITE.txt: rows that passed in three runs of three on Debian 12. NATIVE=1 runs
the suite natively as well, and takes what passes both times. A row that passes natively and does not under heddle is
run again alone, under heddle and natively; what fails there natively too is not counted, and what passes under heddle
the second time is listed as such and does count as a failure.

PARKED=1 gives every process a second thread, which waits for ever (parked.c), natively and under heddle: programs that make
none of their own are then run by the whole runtime too.

QUICK=1 is what `make check` runs: some tests of some suites, in two minutes once they are built. There a row that fails once
is only told, and what cannot be fetched ends the run with status 77.

HEDDLE, HEDDLE_MAXPROCS and TSCALE (a factor for the time limits) are heeded; HEDDLE_LIB names another library.
Exit status 1 if anything fails. Results and the tests' output: CONFORMANCE_DIR/results/SUITE.
"""
import importlib, os, re, subprocess, sys, time

sys.dont_write_bytecode = True
from common import HERE, TOP, Run, Work, load

QUICK = {
    'glibc': r'^(nptl|pthread)/tst-(attr|barrier|cancel1$|cancel[47]$|cancelx[24]$|cancel-self|clean|cnd|cond[0-9]|cond-|exit|fork|getpid|'
             r'join|key|kill|locale|mtx|mutex[0-9]|once|pthread-attr|robust[1-8]$|rwlock([1-9]|1[0-5])$|sem[0-9]|signal|spin|'
             r'thrd|timedlock|tls|tsd|unload|vfork)',
    'stressng': '^(pthread|mutex|sem|futex|poll|epoll|pipe|sock|signal|fork|timer|mq)$',
}
ALL = 'glibc python redis memcached stressng'
E = os.environ
TOOLS = ('/usr/bin/unshare:util-linux /usr/sbin/ip:iproute2 /usr/bin/dpkg-source:dpkg-dev '
         '/usr/bin/make:make /usr/bin/gcc:gcc /usr/bin/g++:g++')


def suite(name):
    return importlib.import_module('suite_' + name)


def fetch(w, package):
    """Gets and unpacks a Debian source package, with lists of sources of our own: apt's stay as they are."""
    if w.tree(package):
        return
    apt = w.folder('apt')
    for d in ('lists/partial', 'cache/archives/partial', 'parts'):
        w.folder('apt/' + d)
    with open(apt + '/parts/src.sources', 'w') as f:
        f.write(sources())
    get = ['apt-get', '-qq', '-o', 'Dir::Etc::sourcelist=/dev/null', '-o', f'Dir::Etc::sourceparts={apt}/parts',
           '-o', f'Dir::State::lists={apt}/lists', '-o', 'Dir::Cache::pkgcache=', '-o', 'Dir::Cache::srcpkgcache=',
           '-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20']
    subprocess.run(get + ['update'], cwd=w.src, check=True)
    subprocess.run(get + ['source', '--download-only', package], cwd=w.src, check=True)
    dsc = next(f for f in os.listdir(w.src) if f.startswith(package + '_') and f.endswith('.dsc'))
    version = re.match(r'(?:\d+:)?([\d.]+)', dsc[len(package) + 1:])[1]
    # apt has checked it already
    subprocess.run(['dpkg-source', '--no-check', '-x', dsc, f'{package}-{version}'], cwd=w.src, check=True, stdout=subprocess.DEVNULL)


def sources():
    """Debian's own archive, as this machine names it, for source packages."""
    uri, name = 'http://deb.debian.org/debian', 'bookworm'
    with open('/etc/os-release') as f:
        name = (re.search(r'^VERSION_CODENAME=(\w+)', f.read(), re.M) or [0, name])[1]
    for path in ('/etc/apt/sources.list', '/etc/apt/sources.list.d/debian.sources'):
        if os.path.exists(path):
            with open(path) as f:
                found = re.search(r'^(?:deb (?:\[.*?\] )?|URIs: *)(https?://\S+/debian/?)\s', f.read(), re.M)
            uri = found[1] if found else uri
    return (f'Types: deb-src\nURIs: {uri}\nSuites: {name} {name}-updates\nComponents: main\n\n'
            f'Types: deb-src\nURIs: {uri.rstrip("/")}-security\nSuites: {name}-security\nComponents: main\n')


def setup(name, top, only):
    s = suite(name)
    subprocess.run([TOP + '/scripts/deps.sh', *TOOLS.split(), *s.packages.split()], check=True)
    w = Work(name, top)
    if s.source:
        fetch(w, s.source)
    s.setup(w, only)
    return w


def run(w, tag, preload, only, jobs):
    """Runs a suite in namespaces of its own, by this program again, and returns its rows."""
    subprocess.run([HERE + '/ns.sh', sys.executable, __file__, '--inside', w.suite, w.top, tag, preload or '', only or '',
                    str(jobs)], check=True)
    return load(w.results(tag))


def inside(name, top, tag, preload, only, jobs):
    w = Work(name, top)
    r = Run(w, tag, preload, only, int(jobs))
    suite(name).run(w, r)
    r.save()


def parked(top):
    """Builds parked.c; what is to be preloaded for it, None without PARKED."""
    if not E.get('PARKED'):
        return None
    so = f'{os.path.realpath(top)}/bin/parked.so'
    os.makedirs(os.path.dirname(so), exist_ok=True)
    subprocess.run(['gcc', '-O2', '-Wall', '-fPIC', '-shared', '-o', so, HERE + '/parked.c'], check=True)
    return so


def judge(w, lib, second, only, jobs):
    """Runs a suite, with the library `second` preloaded in any case. Returns (rows that pass natively, those that fail
    under heddle, those that failed once, seconds)."""
    s, begin, both = suite(w.suite), time.time(), f'{lib}:{second}' if second else lib
    want = set(load_list(w.suite))
    if E.get('NATIVE'):
        native = run(w, 'native', second, only, jobs)
        want = {r for r in want if native.get(r) == 'PASS'}
    got = run(w, 'heddle', both, only, jobs)
    if only:
        want &= set(got)
    bad = {r: got.get(r, 'NOT RUN') for r in want if got.get(r) != 'PASS'}
    once = {}
    if bad:
        again = '|'.join(sorted({s.unit(r) for r in bad}))
        repeated = run(w, 'heddle.again', both, again, 1)
        native = run(w, 'native.again', second, again, 1)
        for r in list(bad):
            if native.get(r) != 'PASS':
                print(f'note: {w.suite} {r} fails natively here as well: {native.get(r, "NOT RUN")}')
                del bad[r]
                want.discard(r)
            elif repeated.get(r) == 'PASS':
                once[r] = bad.pop(r)
    return want, bad, once, time.time() - begin


def load_list(name):
    with open(f'{HERE}/passes/{name}.txt') as f:
        return f.read().split()


def main():
    failed, table, quick, lines, begin = [], [], E.get('QUICK'), [], time.time()
    if os.geteuid() != 0 or subprocess.run([HERE + '/ns.sh', 'true']).returncode != 0:
        print('conformance: needs root, and namespaces')
        sys.exit(77 if quick else 2)
    build = os.path.realpath(E.get('BUILD') or TOP + '/build')
    top = E.get('CONFORMANCE_DIR') or build + '/conformance'
    lib = os.path.realpath(E.get('HEDDLE_LIB') or build + '/libheddle.so')
    jobs = int(E.get('JOBS') or os.cpu_count())
    for name in (E.get('SUITES') or (' '.join(QUICK) if quick else ALL)).split():
        only = E.get('ONLY') or (QUICK.get(name) if quick else None)
        try:
            w = setup(name, top, only)
        except (subprocess.CalledProcessError, OSError, StopIteration) as e:
            print(f'conformance: cannot set up {name}: {e}')
            sys.exit(77 if quick else 2)
        want, bad, once, seconds = judge(w, lib, parked(top), only, jobs)
        said = [f'FAILS {name} {r} {bad[r]}' for r in sorted(bad)] + [f'FAILED ONCE {name} {r} {once[r]}' for r in sorted(once)]
        print(*said, sep='\n', end='\n' if said else '', flush=True)
        lines += said
        failed += bad if quick else [*bad, *once]
        table.append((name, len(want), len(want) - len(bad) - len(once), len(bad), len(once), seconds))
    summary(table, lines, time.time() - begin)
    if not any(row[1] for row in table):
        sys.exit('conformance: no such test')
    sys.exit(bool(failed))


def summary(table, lines, whole):
    """The suites' figures, of this run; then once more, in one place, what has failed."""
    print('%-10s %15s %20s %6s %12s %8s' % ('suite', 'passes natively', 'passes under heddle', 'fails', 'failed once', 'seconds'))
    for row in table + [('total', *(sum(column) for column in list(zip(*table))[1:]))]:
        print('%-10s %15d %20d %6d %12d %8.0f' % row)
    print(f'with fetching, building and repeating: {whole:.0f} seconds')
    print('passes natively and fails under heddle:', *lines or ['none'], sep='\n  ')


if __name__ == '__main__':
    if sys.argv[1:2] == ['--inside']:
        inside(*sys.argv[2:])
    elif sys.argv[1:]:
        sys.exit(__doc__.strip())  # it takes no arguments
    else:
        main()
