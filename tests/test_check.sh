#!/bin/bash
# SPDX-License-Identifier: MIT
# test_check.sh: heddle check. Run at the top of the tree; needs build/heddle, a C compiler, python3, binutils.
. tests/cases.sh || exit 1
HEDDLE=$(readlink -f "$BUILD/heddle") || exit 1
cd "$T" || exit 1
unset LD_LIBRARY_PATH

# expect NAME STATUS PATTERN ARG...: heddle check ARG... ends so, see ends.
expect() { ends "$1" "$2" "$3" timeout 60 "$HEDDLE" check "${@:4}"; }
# without NAME PATTERN ARG...: the output does not match.
without() {
	local name=$1 pattern=$2
	shift 2
	if timeout 60 "$HEDDLE" check "$@" 2>&1 </dev/null | grep -Eq -- "$pattern"; then
		notok "$name" "output matches '$pattern'"
	else
		ok "$name"
	fi
}
# json NAME EXPRESSION ARG...: the JSON is well-formed, and the expression of Python about d, the first file's report, holds.
json() {
	local name=$1 expr=$2
	shift 2
	timeout 60 "$HEDDLE" check --json "$@" >out.json 2>err.json </dev/null
	python3 - "$expr" <<'P' >py.out 2>&1 && ok "$name" || notok "$name" "$(tail -n 1 py.out); $(head -c 300 out.json)"
import json, sys
def unique(pairs):
    d = dict(pairs)
    assert len(d) == len(pairs), 'a key twice'
    return d
top = json.loads(open('out.json', 'rb').read().decode('utf-8'), object_pairs_hook=unique)
d = top['files'][0]
def names(kind): return [i['name'] for i in d['imports'][kind]]
assert eval('(' + sys.argv[1] + ')'), sys.argv[1]
P
}

# ---- programs ----

cat >plain.c <<'C'
#include <stdio.h>
#include <time.h>
int main(void) { struct timespec t = {0, 1}; nanosleep(&t, 0); puts("x"); return 0; }
C
$CC -O1 -o plain plain.c || { echo "not ok - the test's own programs do not compile"; exit 1; }
expect "a plain program will run" 0 '^\./plain: will run$' ./plain
expect "its imports by treatment" 0 '^    park +1  ' ./plain
expect "names of what parks" 0 '^ +nanosleep$' ./plain
expect "-v names all" 0 '^ +puts' -v ./plain
expect "-v says why" 0 'why \(inside-libc\): stdio' -v ./plain
expect "its libc" 0 'libc +glibc 2\.[0-9]+, /' ./plain
expect "its dynamic linker" 0 'linker +/.*ld-linux' ./plain
json "JSON of a plain program" "d['verdict'] == 'will run' and d['status'] == 0 and d['dynamic'] and names('park') == ['nanosleep'] and
    'puts' in names('inside-libc') and d['remarks'] == [] and any(l['name'] == 'libc.so.6' and l['glibc'] for l in d['libraries'])" ./plain
json "JSON of two files" "len(top['files']) == 2 and top['files'][1]['status'] == 3" ./plain ./nowhere
is "of several files the highest status counts" "$("$HEDDLE" check ./plain ./nowhere >/dev/null 2>&1; echo $?)" 3
expect "-n does not look at libraries" 0 'libraries +1 needed, not looked at' -n ./plain
expect "a name without a slash is looked up in PATH" 0 '^/.*/env: will run' env
cp plain env
expect "but a file here comes first" 0 '^env: will run' env

cat >wrapped.c <<'C'
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>
static pthread_mutex_t m;
int
main(void)
{
	sigset_t s;
	pthread_mutex_lock(&m);
	recv(0, &s, 1, 0);
	flock(0, 0);
	fsync(0);
	sigemptyset(&s);
	return sigprocmask(0, &s, 0) + access("/", 0);
}
C
$CC -O0 -o wrapped wrapped.c -pthread
json "each kind of treatment" "'pthread_mutex_lock' in names('park') and 'recv' in names('poll') and {'flock', 'fsync'} <= set(names('hand-off'))
    and 'sigprocmask' in names('account') and 'access' in names('brief') and 'sigemptyset' in names('passed')" ./wrapped

# ---- system calls ----

cat >raw.c <<'C'
/* EAX is loaded far away in the first, near in the others; the decoys have the bytes within an instruction. */
__attribute__((noinline)) long call_unknown(long nr) { long r; __asm__ volatile("syscall" : "=a"(r) : "a"(nr) : "rcx", "r11", "memory"); return r; }
__attribute__((noinline)) long call_futex(void) { long r; __asm__ volatile("mov $202, %%eax\n\tsyscall" : "=a"(r) : : "rcx", "r11", "memory"); return r; }
__attribute__((noinline)) long call_int(void) { long r; __asm__ volatile("mov $20, %%eax\n\tint $0x80" : "=a"(r) : : "memory"); return r; }
__attribute__((noinline)) long decoy(void) { long r; __asm__ volatile("mov $0x050f050f, %%eax\n\tmov %%eax, 0x50f(%%rsp)\n\tmov $0x80cd80cd, %%ecx" : "=a"(r) : : "rcx", "memory"); return r; }
int main(int argc, char **argv) { return argc > 9 ? (int)(call_unknown(argc) + call_futex() + call_int() + decoy()) : 0; }
C
if [ "$(uname -m)" = x86_64 ]; then
	$CC -O1 -o raw raw.c
	expect "raw system calls are a remark" 1 'do not go through libc: raw \(3\)' ./raw
	json "with their functions, numbers and no decoys" "sorted((c['function'], c['instruction'], c['name'], c['certain']) for c in d['syscalls']) ==
	    [('call_futex', 'syscall', 'futex', True), ('call_int', 'int \$0x80', None, True), ('call_unknown', 'syscall', None, True)]" ./raw
	strip -o stripped raw
	json "stripped, by the unwind information" "len(d['syscalls']) == 3 and all(c['function'] is None and c['certain'] for c in d['syscalls'])" ./stripped
	$CC -O1 -fno-asynchronous-unwind-tables -fno-unwind-tables -s -o nounwind raw.c
	json "without any, as uncertain" "len(d['syscalls']) == 3 and not any(c['certain'] for c in d['syscalls'])" ./nounwind
	objcopy --strip-section-headers stripped sectionless 2>/dev/null || python3 - <<'P'
import struct
b = bytearray(open('stripped', 'rb').read())
b[40:48] = bytes(8)
b[58:64] = struct.pack('<HHH', 64, 0, 0)
open('sectionless', 'wb').write(b)
P
	json "without section headers" "len(d['syscalls']) == 3 and d['needs'] is not None" ./sectionless
	if $CC -O2 -I"$TOP/shim" -o x86len "$TOP/tests/x86len.c" "$TOP/shim/cmd/x86len.c" 2>cc.err; then
		libc=$(ldd ./plain | awk '$1 == "libc.so.6" { print $3 }')
		out=$(objdump -d -w "$libc" | ./x86len)
		[ $? -eq 0 ] && ok "the decoder and objdump agree on libc's instructions" ||
			notok "the decoder and objdump agree on libc's instructions" "$out"
	else
		notok "the decoder's test compiles" "$(head -n 1 cc.err)"
	fi
else
	skip "raw system calls" "not x86-64"
fi

# ---- libraries ----

mkdir lib other deep
echo 'int one(void) { return 1; }' >one.c
$CC -shared -fPIC -o lib/libone.so one.c -Wl,-soname,libone.so
echo 'int one(void); int main(void) { return one() - 1; }' >useone.c
$CC -o missing useone.c -Llib -lone
$CC -o runpath useone.c -Llib -lone -Wl,--enable-new-dtags,-rpath,'$ORIGIN/lib'
$CC -o rpath useone.c -Llib -lone -Wl,--disable-new-dtags,-rpath,'${ORIGIN}/lib'
expect "a missing library is a remark" 1 'library libone.so, which missing needs, is not found' ./missing
json "and in JSON" "d['missing'] == [{'name': 'libone.so', 'for': 'missing', 'why': None}]" ./missing
expect "DT_RUNPATH with \$ORIGIN" 0 'will run' ./runpath
expect "DT_RPATH with \${ORIGIN}" 0 'will run' ./rpath
ln -s ../runpath other/link
expect "\$ORIGIN is that of the file, not of a link to it" 0 'will run' other/link
LD_LIBRARY_PATH=$T/lib expect "LD_LIBRARY_PATH" 0 'will run' ./missing
LD_LIBRARY_PATH=$T/other:$T/lib: expect "LD_LIBRARY_PATH, second directory" 0 'will run' ./missing
is "where it is found" "$("$HEDDLE" check -v ./runpath | sed -n 's/^    libone.so => //p')" "$T/lib/libone.so"
for f in ./plain ./runpath ./wrapped "$(python3 -c 'import sys; print(sys.executable)')"; do
	mine=$("$HEDDLE" check -j "$f" | python3 -c 'import json, os, sys
print(*sorted(os.path.realpath(l["path"]) for l in json.load(sys.stdin)["files"][0]["libraries"] if not l["name"].startswith("ld-linux")))')
	theirs=$(ldd "$f" 2>/dev/null | awk '$2 == "=>" { print $3 }' | xargs -r realpath | sort | tr '\n' ' ')
	is "the libraries that ldd names: $(basename "$f")" "$mine" "${theirs% }"
done
echo 'hello' >other/libone.so
LD_LIBRARY_PATH=$T/other expect "a library that is none" 1 'libone.so, which missing needs, cannot be used: .*neither an ELF file' ./missing
head -c 600 lib/libone.so >other/libone.so
LD_LIBRARY_PATH=$T/other expect "a library that is cut off" 1 'libone.so, which missing needs, cannot be used: .*incompletely' ./missing
rm other/libone.so
$CC -shared -fPIC -o lib/libtwo.so one.c -Wl,-soname,libtwo.so -Llib -Wl,--no-as-needed -lone
$CC -shared -fPIC -o lib/libone.so one.c -Wl,-soname,libone.so -Llib -Wl,--no-as-needed -ltwo
LD_LIBRARY_PATH=$T/lib expect "libraries that need each other" 0 'libraries +4' ./runpath
LD_LIBRARY_PATH=$T/lib expect "a library is checked as such" 0 'a library, dynamically linked' lib/libone.so
$CC -shared -fPIC -o plugin.so plain.c
expect "a library without a name" 0 'a library, dynamically linked' ./plugin.so
echo 'long recv(int fd, void *b, unsigned long n, int f) { return 0; }' >recv.c
$CC -fno-builtin -shared -fPIC -o lib/librecv.so recv.c -Wl,-soname,librecv.so
echo 'long recv(int, void *, unsigned long, int); int main(void) { return (int)recv(0, 0, 0, 0); }' >userecv.c
$CC -fno-builtin -o ownrecv userecv.c -Llib -lrecv -Wl,-rpath,'$ORIGIN/lib'
expect "a library's own recv: heddle's would be called instead" 1 "librecv.so defines recv itself: heddle's come before its own" ./ownrecv
$CC -fno-builtin -rdynamic -o itsrecv userecv.c recv.c
expect "the program's own recv stays" 1 "itsrecv defines recv itself: its own come before heddle's" ./itsrecv
cat >dl.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
int main(void) { return dlsym(dlopen("x", 1), "y") != 0 && clone(0, 0, 0, 0) > 0; }
C
$CC -o dl dl.c -ldl
expect "dlopen" 1 '^  dlopen +dl$' ./dl
expect "dlsym" 1 '^  dlsym +dl$' ./dl
expect "threads of clone's" 1 'made by clone \(dl\) are not heddle' ./dl
json "in JSON" "len(d['dlopen']) == 1 and len(d['dlsym']) == 1 and len(d['clone']) == 1 and [m['kind'] for m in d['remarks']] == ['clone']" ./dl

expect "a program that makes no threads" 0 '^  threads +none are made' ./plain
echo '#include <pthread.h>
int main(void) { pthread_t t; return pthread_create(&t, 0, (void *(*)(void *))main, 0); }' >threads.c
$CC -w -o threads threads.c -pthread
json "and one that does" "len(d['pthread_create']) == 1" ./threads
echo 'void __libc_scratch_buffer_grow(void *); int main(void) { __libc_scratch_buffer_grow(0); return 0; }' >private.c
if $CC -o private private.c 2>/dev/null; then
	expect "a function of libc's that is in no list" 1 'heddle does not know: __libc_scratch_buffer_grow \(private\)' ./private
else
	skip "a function of libc's that is in no list" "libc has it not"
fi

# ---- sanitizers: what is said of them is true ----

echo '#include <pthread.h>
#include <stdio.h>
static void *f(void *p) { return p; }
int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); puts("done"); return 0; }' >thread.c
for s in address thread; do
	if ! $CC -fsanitize=$s -o san-$s thread.c -pthread 2>/dev/null || [ "$(./san-$s 2>/dev/null)" != done ]; then
		skip "$s sanitizer" "it does not run here"
	elif [ $s = address ]; then
		expect "address sanitizer" 2 'cannot be preloaded: it is built with address sanitizer' ./san-address
		LD_PRELOAD=$BUILD/libheddle.so ./san-address >san.out 2>&1
		grep -q done san.out && notok "address sanitizer cannot be preloaded" "it runs" || ok "address sanitizer cannot be preloaded"
	else
		expect "thread sanitizer" 1 'heddle turns itself off' ./san-thread
		LD_PRELOAD=$BUILD/libheddle.so ./san-thread >san.out 2>&1
		is "heddle turns itself off" "$(tr '\n' ' ' <san.out)" \
		    "heddle: off: the program is built with thread sanitizer; every thread stays a kernel thread done "
	fi
done

# ---- what cannot be preloaded ----

$CC -static -o static plain.c
expect "a static program" 2 'cannot be preloaded: it is statically linked' ./static
json "in JSON" "d['verdict'] == 'cannot be preloaded' and d['status'] == 2 and d['dynamic'] is False and 'dynamically' in d['remedy']" ./static
if $CC -static-pie -o spie plain.c 2>/dev/null; then
	expect "a static PIE" 2 'statically linked' ./spie
else
	skip "a static PIE" "not supported by $CC"
fi
if musl-gcc -o musl plain.c 2>/dev/null; then
	expect "a program of musl's" 2 "not glibc's \(/lib/ld-musl" ./musl
else
	skip "a program of musl's" "no musl-gcc"
fi
cp plain foreign
printf '\267\000' | dd of=foreign bs=1 seek=18 conv=notrunc 2>/dev/null
expect "another architecture" 2 'built for another architecture than heddle \(machine 183' ./foreign
cp plain small
printf '\001' | dd of=small bs=1 seek=4 conv=notrunc 2>/dev/null
expect "another word size" 2 'another architecture|incompletely' ./small
sed 's/GLIBC_2\.34/GLIBC_2.99/' plain >newer
if cmp -s plain newer; then
	skip "a glibc that is too old" "the program needs no GLIBC_2.34"
else
	expect "a glibc that is too old" 2 'needs glibc 2\.99 .for newer.* does not start natively either' ./newer
fi
if [ "$(id -u)" = 0 ]; then
	cp plain suid && chown 65534 suid && chmod 4755 suid
	expect "set-user-ID" 2 'cannot be preloaded: it is set-user-ID' ./suid
	cp plain sgid && chgrp 65534 sgid && chmod 2755 sgid
	expect "set-group-ID" 2 'it is set-group-ID' ./sgid
	chown 0 suid && chmod 4755 suid
	expect "set-user-ID, run by its owner: a remark" 1 'set-user-ID: preloading works only for who' ./suid
	cp "$HEDDLE" heddle-copy
	out=$(setpriv --reuid 65534 --regid 65534 --clear-groups ./heddle-copy check ./suid 2>&1)
	is "and for others a refusal" "$?" 2
	if setcap cap_net_bind_service=ep plain 2>/dev/null; then
		expect "file capabilities, for root: a remark" 1 'file capabilities: preloading' ./plain
		out=$(setpriv --reuid 65534 --regid 65534 --clear-groups ./heddle-copy check ./plain 2>&1)
		is "and for others a refusal" "$?" 2
		setcap -r plain
	else
		skip "file capabilities" "no setcap"
	fi
	cp plain secret && chmod 711 secret
	out=$(setpriv --reuid 65534 --regid 65534 --clear-groups ./heddle-copy check ./secret 2>&1)
	is "a file that may not be read" "$? $out" "3 ./secret: error: cannot be read: Permission denied"
else
	skip "secure mode, permissions" "not root"
fi

# ---- scripts ----

printf '#!%s\n' "$T/plain" >script
printf '#! %s -x\n' "$T/static" >staticscript
printf '#!/usr/bin/env my-own\n' >envscript
printf '#!/usr/bin/env -S my-own -u\n' >envsscript
cp plain my-own
printf '#!%s\n' "$T/nowhere" >noscript
printf '#!\n' >emptyscript
for i in 1 2 3 4 5 6 7; do printf '#!%s\n' "$T/deep/$((i + 1))" >deep/$i; done
chmod 755 script staticscript envscript noscript deep/*
expect "a script is judged by its interpreter" 0 "$T/plain \(the script's interpreter\)" ./script
expect "a script of a static interpreter" 2 'statically linked' ./staticscript
PATH=$T:$PATH expect "a script of env's by what env runs" 0 "my-own \(the script's" ./envscript
PATH=$T:$PATH expect "also with -S" 0 "my-own \(the script's" ./envsscript
expect "by env itself when it would find nothing" 0 "env \(the script's" ./envscript
expect "a script without its interpreter" 3 "has the interpreter $T/nowhere, which cannot be read: No such file" ./noscript
expect "a script that names none" 3 'names no interpreter' ./emptyscript
expect "scripts of scripts" 3 'deeper than the kernel follows' deep/1
printf '#!%s\n' "$T/loop" >loop
expect "a script of itself" 3 'deeper than the kernel follows' ./loop

# ---- no programs ----

: >empty
echo 'just text' >text
head -c 40 plain >short
head -c 200 plain >cut
head -c 3000 plain >half
$CC -c -o object.o plain.c
ar rc archive.a object.o
mkfifo fifo
printf 'MZ\220\000' >windows.exe
ln -s loop2 loop1; ln -s loop1 loop2
expect "a missing file" 3 '^\./nowhere: error: No such file or directory$' ./nowhere
expect "a directory" 3 'is a directory: name a program in it' ./lib
expect "a FIFO" 3 'is a FIFO' ./fifo
expect "a device" 3 'is a device' /dev/null
expect "an endless device" 3 'is a device' /dev/zero
expect "an empty file" 3 'is empty' ./empty
expect "text" 3 'neither an ELF file nor a script' ./text
expect "an object file" 3 'is an object file' ./object.o
expect "an archive" 3 'is an archive of object files' ./archive.a
expect "a program for Windows" 3 'for Windows' ./windows.exe
expect "a loop of links" 3 'symbolic links' ./loop1
expect "a file below a file" 3 'Not a directory' ./plain/x
expect "an empty name" 3 'No such file' ''
expect "a name that is too long" 3 'File name too long' "./$(printf '%05000d' 1)"
for f in short cut half; do
	expect "a file cut off: $f" 3 'incompletely|damaged|neither' ./$f
done
truncate -s 1T sparse
expect "a huge file without content" 3 'neither' ./sparse
( ulimit -v 4000000; exec "$HEDDLE" check ./sparse >/dev/null 2>sparse.err )
is "and with little memory" "$?" 3
json "an error in JSON" "d == {'file': './nowhere', 'verdict': 'error', 'status': 3, 'cause': 'No such file or directory', 'remedy': None, 'remarks': []}" ./nowhere

# ---- hostile ----

weird=$(printf './we"ird\\\n\t\033[31m\001\377\303\050 \303\251 \342\202')
cp text "$weird"
json "a name with quotes, controls and bytes that are no UTF-8" "d['file'].startswith('./we\"ird\\\\\\n\\t\\x1b[31m\\x01\\ufffd\\ufffd( \\xe9 \\ufffd')" "$weird"
"$HEDDLE" check "$weird" >weird.out 2>&1
LC_ALL=C grep -q "$(printf '[\001\033\377]')" weird.out && notok "no control character reaches the terminal" "$(od -c weird.out | head -n 3)" ||
	ok "no control character reaches the terminal"
python3 - <<'P'
import re, struct
b = open('runpath', 'rb').read()
open('evilneeded', 'wb').write(b.replace(b'libone.so\0', b'\x1b]"\\\xff\n\x07\0\0\0', 1).replace(b'/lib\0', b'/li\0\0'))
# Each program header's and dynamic entry's numbers made enormous, in turn.
phoff, = struct.unpack_from('<Q', b, 32)
phnum, = struct.unpack_from('<H', b, 56)
made = 0
def write(c):
    global made
    open('hostile%d' % made, 'wb').write(c)
    made += 1
for i in range(phnum):
    for field in (8, 16, 32, 40):
        for v in (2**64 - 1, 2**63, len(b) - 1):
            c = bytearray(b)
            struct.pack_into('<Q', c, phoff + 56 * i + field, v)
            write(c)
    if struct.unpack_from('<I', b, phoff + 56 * i)[0] == 2:
        off, = struct.unpack_from('<Q', b, phoff + 56 * i + 8)
        for e in range(off, off + 16 * 28, 16):
            for v in (2**64 - 1, 2**31, 1):
                c = bytearray(b)
                struct.pack_into('<Q', c, e + 8, v)
                write(c)
        c = bytearray(b)    # a dynamic section of libraries needed, and nothing else
        for e in range(off, off + 16 * 28, 16):
            struct.pack_into('<Q', c, e, 1)
        write(c)
for v in (0, 1, 0x7fff, 0xffff):
    for field in (54, 56, 58, 60, 62):
        c = bytearray(b)
        struct.pack_into('<H', c, field, v)
        write(c)
P
expect "a library's name made of controls" 1 'the library \\x1b\]"\\\\?\\xff\\x0a\\x07, which' ./evilneeded
json "and in JSON" "d['missing'][0]['name'] == '\\x1b]\"\\\\\\ufffd\\n\\x07'" ./evilneeded
made=$(ls hostile* | wc -l)
( ulimit -v 4000000; timeout 100 "$HEDDLE" check hostile* >hosts.out 2>&1 )
rc=$?
if [ "$made" -gt 200 ] && [ $rc -le 3 ] && [ "$(grep -cE '^hostile[0-9]+: (will run|runs with|cannot be|error: )' hosts.out)" = "$made" ]; then
	ok "$made hostile files, each with its verdict"
else
	notok "hostile files" "$made made; status $rc; $(tail -n 1 hosts.out)"
fi
timeout 60 "$HEDDLE" check --json hostile* >hosts.json 2>/dev/null
is "and all in one JSON" "$(python3 -c 'import json; print(len(json.load(open("hosts.json", "rb"))["files"]))')" "$made"

# Files that would take long if the same work were done again and again: functions within functions, tables that overlap.
python3 - <<'P'
import struct
def elf(name, code, symbols, copies, phnum=2):
    eh = bytearray(b'\x7fELF\2\1\1' + bytes(9) + struct.pack('<HHIQQQIHHHHHH', 3, 62, 1, 0, 64, 0, 0, 64, 56, phnum, 64, 0, 0))
    off = 64 + 56 * phnum
    dynoff = off + len(code)
    strtab = b'\0f\0libx.so\0'
    stroff = dynoff + 64
    dyn = struct.pack('<QQQQQQQQ', 14, 3, 5, stroff, 10, len(strtab), 0, 0)
    sym = b''.join(struct.pack('<IBBHQQ', 1, 2, 0, 1, off + a, n) for a, n in symbols)
    symoff = stroff + len(strtab)
    size = symoff + len(sym)
    load = struct.pack('<IIQQQQQQ', 1, 5, 0, 0, 0, size, size, 4096)
    ph = load + struct.pack('<IIQQQQQQ', 2, 4, dynoff, dynoff, dynoff, 64, 64, 8)
    ph += struct.pack('<IIQQQQQQ', 4, 4, 0, 0, 0, size, size, 4) * (phnum - 2)
    sh = bytes(64) + struct.pack('<IIQQQQIIQQ', 0, 3, 0, 0, stroff, len(strtab), 0, 0, 1, 0)
    sh += struct.pack('<IIQQQQIIQQ', 0, 2, 0, 0, symoff, len(sym), 1, 0, 8, 24) * copies
    shoff = (size + 7) & ~7
    struct.pack_into('<Q', eh, 40, shoff)
    struct.pack_into('<H', eh, 60, 2 + copies)
    open(name, 'wb').write(bytes(eh) + ph + code + dyn + strtab + sym + bytes(shoff - size) + sh)
n = 1 << 20
code = b'\x90\x0f\x05\x90\x90\x90\x90\x90' * (n // 8)
elf('slow-nested', code, [(0, n)] + [(i, 4) for i in range(0, n, 16)], 1)
elf('slow-tables', code, [(i, 8) for i in range(0, n, 16)], 60000)
elf('slow-headers', code, [(0, n)], 1, 60000)
elf('slow-notes', b'\1\0\0\0' * (n // 4), [(0, n)], 1, 1100)
P
for f in slow-*; do
	( ulimit -t 10; exec "$HEDDLE" check -n "$f" >slow.out 2>&1 )
	rc=$?
	[ $rc -le 3 ] && ok "$f ends in time" || notok "$f ends in time" "status $rc: ten seconds of processor time are over"
done
expect "and says what was left out" 1 'more code or calls than are searched' -n ./slow-nested
expect "more program headers than there can be" 3 'more program headers than the kernel accepts' ./slow-headers

# ---- the command line ----

expect "no file: status 3 and the usage" 3 '^usage: heddle check' --
expect "an unknown option" 3 "'-z' is no option" -z ./plain
expect "an unknown long option" 3 "'--frob' is no option" --frob ./plain
is "help" "$("$HEDDLE" help check | head -n 1)" "usage: heddle check [-jnv] [--json] [--no-libraries] [--verbose] [--] FILE..."
"$HEDDLE" check ./plain >/dev/full 2>/dev/null
is "a full disk is noticed" "$?" 3
is "errors are on standard error" "$("$HEDDLE" check ./nowhere 2>/dev/null)" ""

# Seconds of files made at random; `make fuzz` takes longer.
if [ -n "${FUZZ_SECONDS-5}" ] && echo 'int main(void) { return 0; }' >san.c && $CC -fsanitize=address,undefined -o san san.c 2>/dev/null; then
	if make -s -C "$TOP" BUILD="$BUILD" CC="$CC" FUZZ_SECONDS="${FUZZ_SECONDS:-5}" fuzz >fuzz.out 2>&1; then
		ok "files made at random"
	else
		notok "files made at random" "$(grep -E 'ERROR|fuzz:|runtime error' fuzz.out | head -n 3)"
	fi
else
	skip "files made at random" "no sanitizers"
fi

total
