# SPDX-License-Identifier: MIT
"""glibc 2.36's own tests, a row a program, built from Debian's source as plain dynamic programs against the system's libc,
which is of the same version. The flags, arguments and modules of each test are read from glibc's makefiles."""
import glob, os, re, subprocess
from common import HERE, Test, parallel, runlist

packages = '/usr/include/pthread.h:libc6-dev /usr/bin/gawk:gawk'
source = 'glibc'
FOLDERS = '''
    nptl sysdeps/pthread sysdeps/unix/sysv/linux rt signal socket io time misc inet setjmp posix malloc stdlib libio dlfcn
    resolv login dirent
'''.split()
LIBS = '-Wl,-no-as-needed -lm -lresolv -lanl -lutil -lpthread -lrt -ldl'.split()
TESTS = re.compile(r'(tst-|test-|bug-|bug|tst_|test[a-z]*$)')
NOTESTS = re.compile(r'(-common|-skeleton|aux|-template|-time64|-static)$|^tst-skeleton')
MODULE = re.compile(r'(-|_)?mod[0-9a-z]*$|mod$|-mod\d*|_mod|mod\d$')
MAIN = re.compile(r'\bmain\b|do_test|test-skeleton|test-driver|#include "tst|#include <nptl/|#include <sysdeps|TEST_FUNCTION|'
                  r'#include "\.\./|#include "test')
UNWIND = re.compile(r'tst-(cancelx|cleanupx|oncex)')  # compiled so that cleanup handlers are the unwinder's
SETS_SYSTEM = re.compile(r'\b(clock_settime|settimeofday|adjtimex?|clock_adjtime|ntp_adjtime|stime|sethostname|setdomainname|'
                         r'swapon|swapoff)\b\s*\(|xclock_settime')
ALONE = re.compile(r'tst-mallocfork[23]|tst-dynarray-fail|tst-malloc-thread-fail|tst-stack4')  # take all memory, or minutes


class Makefile:
    """What a folder's makefiles say of its tests."""

    def __init__(self, tree, folder):
        files = {folder + '/Makefile'}
        if 'pthread' in folder or folder == 'nptl':
            files |= {'nptl/Makefile', 'sysdeps/pthread/Makefile'}
        text = ''.join(open(f'{tree}/{f}').read().replace('\\\n', ' ') + '\n' for f in sorted(files) if os.path.exists(f'{tree}/{f}'))
        lines = lambda pattern: re.finditer(pattern + r'\s*[:+]?=\s*(.*)$', text, re.M)
        self.cflags, self.ldflags, self.modules = {}, {}, {}
        for x in lines(r'^CFLAGS-([\w.-]+?)\.(?:c|o)'):
            flags = [y for y in x[2].split() if y.startswith('-') and '$' not in y and 'Werror' not in y]
            self.cflags.setdefault(x[1], []).extend(flags)
        for x in lines(r'^LD(?:LIBS|FLAGS)-([\w.-]+)'):
            self.ldflags.setdefault(x[1], []).extend(y for y in x[2].split() if y.startswith('-'))
        for x in re.finditer(r'^\$\(objpfx\)([\w.-]+):\s*(.*)$', text, re.M):
            self.modules.setdefault(x[1], []).extend(re.findall(r'\$\(objpfx\)([\w-]+)\.so', x[2]))
        own = f'{tree}/{folder}/Makefile'
        own = open(own).read().replace('\\\n', ' ') if os.path.exists(own) else ''
        self.args = {x[1]: x[2] for x in re.finditer(r'^([\w.-]+)-ARGS\s*[:+]?=\s*(.*)$', own, re.M)}


def rowof(folder, name):
    return folder.replace('sysdeps/', '').replace('unix/sysv/linux', 'linux') + '/' + name


def setup(w, only):
    """Builds what is wanted and has not been built, or tried."""
    tree = w.tree('glibc')
    if not os.path.exists(w.bin + '/libsupport.a'):
        subprocess.run([HERE + '/glibc_support.sh', tree, w.bin], check=True)
    with open(w.bin + '/cflags') as f:
        cflags = f.read().split()
    for folder in FOLDERS:
        os.makedirs(f'{w.bin}/{folder}', exist_ok=True)
        mk, modules, tests = Makefile(tree, folder), [], []
        for path in sorted(glob.glob(f'{tree}/{folder}/*.c') + glob.glob(f'{tree}/{folder}/*.cc')):
            name = os.path.basename(path).rsplit('.', 1)[0]
            if not TESTS.match(name) or NOTESTS.search(name) or os.path.exists(f'{w.bin}/{folder}/{name}.err'):
                continue
            if MODULE.search(name):
                modules.append((name, path))
            elif re.search(only or '', rowof(folder, name)) and MAIN.search(read(path)):
                tests.append((name, path))
        if tests:
            parallel(os.cpu_count(), modules, lambda x, _: compile(w, tree, folder, mk, cflags, *x, True))
            parallel(os.cpu_count(), tests, lambda x, _: compile(w, tree, folder, mk, cflags, *x, False))


def read(path):
    with open(path, errors='replace') as f:
        return f.read()


def compile(w, tree, folder, mk, cflags, name, path, module):
    """Builds a test or a module. What does not build, for want of glibc's insides, has its errors in NAME.err."""
    out = f'{w.bin}/{folder}'
    if path.endswith('.cc'):
        cc = ['g++', '-O2', '-g', '-w', '-std=gnu++11', '-include', w.bin + '/inc/libc-symbols.h']
        cc += [y for y in cflags if y.startswith(('-I', '-D'))]
    else:
        cc = ['gcc', *cflags]
    cc += mk.cflags.get(name, [])
    if UNWIND.match(name):
        cc += ['-fexceptions', '-fasynchronous-unwind-tables']
    for d in (folder, 'sysdeps/pthread', 'nptl', 'sysdeps/unix/sysv/linux'):
        cc += ['-iquote', f'{tree}/{d}']
    if module:
        cc += ['-fPIC', '-shared', '-o', f'{out}/{name}.so', path, *mk.ldflags.get(name + '.so', [])]
    else:
        aux, mods = f'{tree}/{folder}/{name}aux.c', [f'{out}/{m}.so' for m in mk.modules.get(name, [])]
        cc += ['-o', f'{out}/{name}', path] + [a for a in [aux] if os.path.exists(a)]
        cc += ['-Wl,--as-needed', *(m for m in mods if os.path.exists(m)), *mk.ldflags.get(name, []), f'-Wl,-rpath,{out}',
               w.bin + '/libsupport.a', *LIBS]
    with open(f'{out}/{name}.err', 'wb') as err:
        subprocess.run(cc, cwd=f'{tree}/{folder}', stdout=err, stderr=err)


def unit(row):
    return f'^{re.escape(row)}$'


def tests(w):
    """The tests that were built, but for those that would change the machine or need what glibc's build gives them."""
    tree = w.tree('glibc')
    for folder in FOLDERS:
        mk = Makefile(tree, folder)
        for name in sorted(os.listdir(f'{w.bin}/{folder}')):
            program = f'{w.bin}/{folder}/{name}'
            path = next((p for p in (f'{tree}/{folder}/{name}.c', f'{tree}/{folder}/{name}.cc') if os.path.exists(p)), None)
            if '.' in name or path is None or os.path.isdir(program) or name == 'tst-syslog':
                continue
            text, args = read(path), mk.args.get(name, '')
            for old, new in (('$(tst-cancel7-ARGS)', mk.args.get('tst-cancel7', '')), ('$(host-test-program-cmd)', program),
                             ('$(objpfx)', f'{w.bin}/{folder}/'), ('$(test-program-prefix)', '')):
                args = args.replace(old, new)
            if SETS_SYSTEM.search(text) or '$(' in args:
                continue
            limit = re.search(r'#define\s+TIMEOUT\s+\(?(\d+)', text)
            limit = max(60, int(limit[1]) * 2 if limit else 60)
            if limit > 300 or ALONE.search(name):
                continue
            yield Test(rowof(folder, name), limit, w.cwd, f'{program} {args}', serial=limit > 120)


def run(w, run):
    open(w.cwd + '/Makefile', 'w').close()  # some tests look for a file that is there
    run.env['TIMEOUTFACTOR'] = '3'          # of the limits that the tests have themselves
    runlist(run, tests(w), {77: 'UNSUPPORTED'})
