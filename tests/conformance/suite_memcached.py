# SPDX-License-Identifier: MIT
"""memcached's own tests, a row for each t/*.t and one for testapp, on the debugging binary built from Debian's source."""
import glob, os, subprocess
from common import Test, runlist

packages = ('/usr/bin/automake:automake /usr/bin/autoconf:autoconf /usr/bin/perl:perl /usr/include/event.h:libevent-dev '
            '/usr/bin/prove:perl')
source = 'memcached'
LEFTOUT = ('whitespace', 'issue_67', 'ssl')  # of the sources' style, and of features that are not built
WRAPPER = '''#!/bin/sh
[ -n "$PRELOAD" ] && export LD_PRELOAD="$PRELOAD"
exec %s.real "$@"
'''


def setup(w, only):
    d = w.tree('memcached')
    if os.path.exists(d + '/memcached-debug.real'):
        return
    with open(w.top + '/build-memcached.log', 'w') as log:
        for cmd in ('[ -x configure ] || ./autogen.sh', './configure --enable-sasl=no',
                    'make -j2 memcached memcached-debug timedrun sizes testapp'):
            subprocess.run(cmd, shell=True, cwd=d, check=True, stdout=log, stderr=log)
    server = d + '/memcached-debug'
    os.rename(server, server + '.real')
    with open(server, 'w') as f:
        f.write(WRAPPER % server)
    os.chmod(server, 0o755)


def unit(row):
    return f'^{row}$'


def run(w, run):
    d = w.tree('memcached')
    names = [os.path.basename(t)[:-2] for t in sorted(glob.glob(d + '/t/*.t'))]
    tests = [Test(n, 150, d, f'prove -v t/{n}.t', wrapped=True) for n in names if not n.startswith(LEFTOUT)]
    runlist(run, tests + [Test('testapp', 120, d, './testapp')], {254: 'FAIL'})
