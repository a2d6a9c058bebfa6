# SPDX-License-Identifier: MIT
"""CPython 3.11's own tests on Debian's interpreter, a row a test case. Of a module that dies or hangs the cases seen until
then count, and the row test.MODULE.__module__ says how it ended."""
import os, re, shutil
import xml.etree.ElementTree as ET
from common import command, parallel, verdict

packages = ('/usr/bin/python3.11:python3.11 /usr/lib/python3.11/test/test_threading.py:libpython3.11-testsuite '
            '/usr/bin/openssl:openssl')
source = None
MODULES = '''
    test_asynchat test_asyncio test_asyncore test_atexit test_audit test_bufio test_concurrent_futures test_context
    test_contextlib test_docxmlrpc test_eintr test_epoll test_faulthandler test_fcntl test_file test_fileio test_fork1
    test_ftplib test_gc test_hashlib test_httplib test_httpservers test_imaplib test_io test_ioctl test_logging test_mmap
    test_multiprocessing_fork test_multiprocessing_forkserver test_multiprocessing_spawn test_nntplib test_openpty test_os
    test_pipes test_poll test_popen test_poplib test_posix test_pty test_queue test_sched test_select test_selectors
    test_shutil test_signal test_smtpd test_smtplib test_socket test_socketserver test_ssl test_subprocess test_sys
    test_sys_setprofile test_telnetlib test_tempfile test_thread test_threadedtempfile test_threading test_threading_local
    test_threadsignals test_time test_timeout test_tracemalloc test_urllib2 test_urllib2_localnet test_wait3 test_wait4
    test_weakref test_wsgiref test_xmlrpc
'''.split()
LONG = {'test_asyncio', 'test_multiprocessing_spawn', 'test_multiprocessing_fork', 'test_multiprocessing_forkserver',
        'test_concurrent_futures'}


def setup(w, only):
    pass


def unit(row):
    m = next((m for m in MODULES if row.startswith(f'test.{m}.')), None)
    return f'^{m}$' if m else {'_threading_local': '^test_threading_local$'}.get(row, '^test_(wait3|wait4|fork1)$')


def run(w, run):
    modules = sorted((m for m in MODULES if run.wants(m)), key=lambda m: m not in LONG)
    parallel(run.jobs, modules, lambda m, _: module(w, run, m))


def module(w, run, m):
    limit = (600 if m in LONG else 240) * run.scale
    xml, log, tmp = f'{run.logs}/{m}.xml', run.log(m), f'{w.cwd}/{run.tag}.{m}'
    shutil.rmtree(tmp, ignore_errors=True)
    os.makedirs(tmp)
    if os.path.exists(xml):
        os.unlink(xml)
    env = dict(run.env, PYTHONDONTWRITEBYTECODE='1', TMPDIR=tmp)
    if run.preload:
        env['LD_PRELOAD'] = run.preload
    use = 'network,subprocess' if m == 'test_socketserver' else 'subprocess,cpu'
    status, seconds = command(['/usr/bin/python3.11', '-u', '-m', 'test', '-v', '--tempdir', tmp, '-u', use, '-i', '*VSOCK*',
                               '--junit-xml', xml, '--timeout', str(int(limit - 20)), m], log, limit, tmp, env)
    shutil.rmtree(tmp, ignore_errors=True)
    for row, v in (fromxml(xml) or fromlog(log)).items():
        run.add(row.replace(' ', '_'), v)
    run.add(f'test.{m}.__module__', verdict(status), seconds)


def fromxml(path):
    cases = {}
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError):
        return cases
    for tc in root.iter('testcase'):
        name, v = (tc.get('name') or '?').split()[0], 'PASS'
        if tc.find('skipped') is not None or tc.get('status') == 'notrun' or tc.get('result') == 'skipped':
            v = 'SKIP'
        if tc.find('failure') is not None or tc.find('error') is not None:
            v = 'FAIL'
        if v == 'FAIL' or cases.get(name) != 'FAIL':
            cases[name] = v
    return cases


def fromlog(path):
    """A module that did not live to write its XML: what it printed."""
    cases = {}
    with open(path, errors='replace') as f:
        text = f.read()
    for x in re.finditer(r'^(test\w*) \((test\.[\w.]+)\)(.*?)(?:\.\.\. ?)(.*?)^(?=test\w* \(|=====|-----|\Z)', text, re.M | re.S):
        name = x[2] if x[2].endswith('.' + x[1]) else x[2] + '.' + x[1]
        said = x[3] + x[4]
        cases[name] = ('PASS' if re.search(r'(^|\s)ok$', said, re.M) else 'SKIP' if 'skipped' in said else
                       'FAIL' if re.search(r'(FAIL|ERROR)$', said, re.M) else 'HANG')
    return cases
