# SPDX-License-Identifier: MIT
"""Redis 7.0's own tests, from Debian's source, on Debian's server: a row a test case, UNIT::CASE. The rows of the second
round, with io-threads 4, begin with io4:. Only the server and the benchmark are preloaded."""
import os, re, shutil
from common import command, parallel, verdict

packages = '/usr/bin/redis-server:redis-server /usr/bin/redis-cli:redis-tools /usr/bin/tclsh8.6:tcl'
source = 'redis'
TYPES = 'hash incr list list-2 set stream stream-cgroups string zset'
UNITS = '''
    acl aofrw auth dump expire functions geo info introspection-2 keyspace latency-monitor lazyfree multi networking
    obuf-limits other pause protocol pubsub pubsubshard querybuf quit replybufsize scan scripting shutdown slowlog sort
    tracking wait
'''
INTEGRATION = 'aof aof-race block-repl dismiss-mem logging rdb redis-benchmark redis-cli shutdown'
IOTHREADS = '''
    unit/expire unit/multi unit/networking unit/obuf-limits unit/protocol unit/pubsub unit/querybuf unit/scripting
    unit/tracking unit/type/list unit/type/stream integration/redis-benchmark
'''
ALL = (['unit/' + u for u in UNITS.split()] + ['unit/type/' + u for u in TYPES.split()] +
       ['integration/' + u for u in INTEGRATION.split()] + ['io4:' + u for u in IOTHREADS.split()])
PROGRAMS = 'redis-server redis-sentinel redis-cli redis-benchmark redis-check-aof redis-check-rdb'
LIMIT = 240


def setup(w, only):
    """The tests find the programs in src/: there are scripts, which preload what is to be tested."""
    for p in PROGRAMS.split():
        path = f'{w.tree("redis")}/src/{p}'
        preload = '[ -n "$PRELOAD" ] && export LD_PRELOAD="$PRELOAD"\n' if p in ('redis-server', 'redis-benchmark') else ''
        with open(path, 'w') as f:
            f.write(f'#!/bin/sh\n{preload}exec /usr/bin/{p} "$@"\n')
        os.chmod(path, 0o755)


def unit(row):
    return f'^{re.escape(row.split("::")[0])}$'


def run(w, run):
    units = [u for u in ALL if run.wants(u)]
    folders = [folder(w, run.tag, k) for k in range(run.jobs)]
    parallel(run.jobs, list(enumerate(units)), lambda x, k: one(run, folders[k], *x))
    for d in folders:
        shutil.rmtree(d)


def folder(w, tag, k):
    """A copy of the tests to run in, each job's own."""
    d, tree = f'{w.cwd}/{tag}.{k}', w.tree('redis')
    shutil.rmtree(d, ignore_errors=True)
    os.makedirs(d)
    shutil.copytree(tree + '/tests', d + '/tests', symlinks=True, ignore=shutil.ignore_patterns('tmp'))
    os.makedirs(d + '/tests/tmp')
    for f in os.listdir(tree):
        if f != 'tests':
            os.symlink(f'{tree}/{f}', f'{d}/{f}')
    return d


def one(run, cwd, index, u):
    name, io4 = u.removeprefix('io4:'), u.startswith('io4:')
    env = dict(run.env, PRELOAD=run.preload or '')
    args = ['tclsh8.6', 'tests/test_helper.tcl', '--single', name, '--clients', '1', '--baseport', str(10000 + index * 350),
            '--portcount', '340', '--timeout', '300']
    if io4:
        args += ['--config', 'io-threads', '4', '--config', 'io-threads-do-reads', 'yes']
    status, seconds = command(args, run.log(u), LIMIT * run.scale, cwd, env)
    with open(run.log(u), errors='replace') as f:
        text = re.sub(r'\x1b\[[0-9;]*m', '', f.read())
    rows = {}
    for m in re.finditer(r'^\[(ok|err|ignore|exception)\]: (.*?)(?: \(\d+ ms\)| in tests/\S+)?$', text, re.M):
        row = u + '::' + re.sub(r'[^\w.,:+-]+', '_', m[2])[:110]
        v = {'ok': 'PASS', 'ignore': 'SKIP'}.get(m[1], 'FAIL')
        if row not in rows or v == 'FAIL':
            rows[row] = v
    for row, v in rows.items():
        run.add(row, v)
    run.add(u + '::__unit__', verdict(status), seconds)
