#!/bin/bash
# SPDX-License-Identifier: MIT
# test_cmd.sh: the heddle command. Run at the top of the tree; needs build/heddle and a C compiler.
#
# A library of our own is preloaded (-l) that writes "loaded" to the file
# $PROBE: so each case knows whether preloading took place, and none depends on
# the runtime. What is refused as hopeless is shown to be hopeless: with
# --force it runs, and the probe is not loaded.
. tests/cases.sh || exit 1
HEDDLE=$(readlink -f "$BUILD/heddle") || exit 1
cd "$T" || exit 1
export PROBE=$T/probe

# heddle ARG...: the command, as the user runs it.
heddle() { timeout 20 "$HEDDLE" "$@"; }

# expect NAME STATUS PATTERN ARG...: heddle ARG... ends so, see ends.
expect() {
	rm -f "$PROBE"
	ends "$1" "$2" "$3" heddle "${@:4}"
}

# The probe and the programs that the cases run.
cat >probe.c <<'C'
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void
loaded(void)
{
	const char *p = getenv("PROBE");
	int fd = p != NULL ? open(p, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;

	if(fd >= 0 && write(fd, "loaded\n", 7) == 7)
		close(fd);
}
C
echo 'int main(void) { return 7; }' >seven.c
$CC -shared -fPIC -o probe.so probe.c && $CC -o seven seven.c && $CC -static -o static seven.c || {
	echo "not ok - the test's own programs do not compile"; exit 1; }
L="-l $T/probe.so"

# Exit status and signals are CMD's.
expect "exit status 0" 0 '' run $L -- true
expect "exit status 7" 7 '' run $L -- ./seven
[ -s "$PROBE" ] && ok "the library is preloaded" || notok "the library is preloaded" "no probe"
expect "exit status 255" 255 '' run $L -- sh -c 'exit 255'
expect "no -- is needed" 7 '' run $L ./seven
expect "options after CMD are CMD's" 0 '^-o -p --$' run $L -- echo -o -p --
expect "CMD gets its arguments as they are" 0 '^<a b><><\*>$' run $L -- printf '<%s><%s><%s>\n' 'a b' '' '*'
( exec 2>/dev/null; "$HEDDLE" run $L -- sh -c 'kill -KILL $$'; exit $? )
[ $? -eq 137 ] && ok "death by a signal is passed on" || notok "death by a signal is passed on" "not KILL"
"$HEDDLE" run $L -- sh -c 'trap "exit 42" TERM; echo ready >up; while :; do sleep 0.05; done' &
p=$!
for i in $(seq 100); do [ -s up ] && break; sleep 0.05; done
kill -TERM $p
wait $p
rc=$?
[ $rc -eq 42 ] && ok "a signal to heddle's process reaches CMD" || notok "a signal to heddle's process reaches CMD" "status $rc"
out=$("$HEDDLE" run $L -- sh -c 'echo $$' & echo "$!"; wait)
[ "$(sort -u <<<"$out" | wc -l)" = 1 ] && ok "CMD has heddle's process ID" || notok "CMD has heddle's process ID" "$out"

# The environment.
envof() { rm -f "$PROBE"; env -u HEDDLE "$@" | sed -n 's/^\(HEDDLE\|HEDDLE_MAXPROCS\|LD_PRELOAD\)=/&/p' | sort | tr '\n' ' '; }
is "nothing set but the library" "$(envof "$HEDDLE" run $L -- env)" "LD_PRELOAD=$T/probe.so "
is "-p sets HEDDLE_MAXPROCS" "$(envof "$HEDDLE" run $L -p 3 -- env)" "HEDDLE_MAXPROCS=3 LD_PRELOAD=$T/probe.so "
is "-p wins over the environment" "$(envof HEDDLE_MAXPROCS=9 "$HEDDLE" run $L -p 3 -- env)" "HEDDLE_MAXPROCS=3 LD_PRELOAD=$T/probe.so "
is "the environment's HEDDLE_MAXPROCS stays" "$(envof HEDDLE_MAXPROCS=9 "$HEDDLE" run $L -- env)" "HEDDLE_MAXPROCS=9 LD_PRELOAD=$T/probe.so "
is "-o makes HEDDLE" "$(envof "$HEDDLE" run $L -o schedtrace=100 -o off,log=x -- env)" "HEDDLE=schedtrace=100,off,log=x LD_PRELOAD=$T/probe.so "
is "-o comes after the environment's HEDDLE" "$(envof HEDDLE=preempt=0 "$HEDDLE" run $L -o preempt=1 -- env)" "HEDDLE=preempt=0,preempt=1 LD_PRELOAD=$T/probe.so "
is "an empty HEDDLE leaves no comma" "$(envof HEDDLE= "$HEDDLE" run $L -o preempt=1 -- env)" "HEDDLE=preempt=1 LD_PRELOAD=$T/probe.so "
cp probe.so other.so
is "what was preloaded stays, after heddle" "$(envof LD_PRELOAD=$T/other.so "$HEDDLE" run $L -- env)" "LD_PRELOAD=$T/probe.so:$T/other.so "

# CMD cannot be run.
echo 'not a program' >plain
printf '#!%s\n' "$T/nowhere" >noscript
mkdir dir
chmod 755 noscript
expect "missing command: 127" 127 'heddle: no-such-command: not found' run $L -- no-such-command
expect "missing file: 127" 127 'heddle: ./missing: not found' run $L -- ./missing
expect "file below a file: 127" 127 'Not a directory' run $L -- ./plain/x
expect "no permission: 126" 126 'heddle: ./plain: Permission denied' run $L -- ./plain
expect "directory: 126" 126 'heddle: ./dir: Is a directory' run $L -- ./dir
expect "script without its interpreter: 127" 127 'heddle: ./noscript: not found' run $L -- ./noscript
expect "empty command name: 127" 127 "heddle: '': not found" run $L -- ''
chmod 755 plain
: >empty
head -c 40 seven >short
head -c 100 seven >cut
chmod 755 empty short cut
expect "a text file without #! goes to sh, as natively" 127 'not: not found' run $L -- ./plain
expect "an empty file runs as natively" 0 '' run $L -- ./empty
expect "a cut ELF file is exec's to judge" 126 'heddle: ./cut: ' run $L -- ./cut
expect "an ELF file shorter than its header" 126 'heddle: ./short: ' run $L -- ./short
mkdir p1 p2
cp seven p2/inpath
: >p1/inpath
out=$(PATH=$T/p1:$T/p2 "$HEDDLE" run $L -- inpath 2>&1)
[ $? -eq 7 ] && ok "PATH is searched beyond what cannot be executed" || notok "PATH is searched beyond what cannot be executed" "$out"

# hopeless NAME FILE PATTERN: refused with 125 and that message; runs with --force, without the library.
hopeless()
{
	expect "$1 is refused" 125 "$3" run $L -- "$2"
	expect "$1 runs with --force" 7 "warning: .*$3" run $L --force -- "$2"
	[ -s "$PROBE" ] && notok "$1 is truly hopeless" "preloading works" || ok "$1 is truly hopeless"
}
hopeless "a static program" ./static 'statically linked'
if $CC -static-pie -o spie seven.c 2>/dev/null; then
	hopeless "a static PIE" ./spie 'statically linked'
else
	skip "a static PIE" "not supported by $CC"
fi
printf '#!%s\n' "$T/static" >byscript
chmod 755 byscript
hopeless "a script of a static interpreter" ./byscript "$T/static is statically linked"
if musl-gcc -o musl seven.c 2>/dev/null; then
	# musl's linker may know the probe, so only the refusal is heddle's to decide.
	expect "a musl program is refused" 125 'not glibc' run $L -- ./musl
else
	skip "a musl program" "no musl-gcc"
fi
# The machine number (bytes 18 and 19) is made that of a VAX.
cp seven foreign
printf '\113\000' | dd of=foreign bs=1 seek=18 conv=notrunc 2>/dev/null
expect "another architecture is refused" 125 'another architecture' run $L -- ./foreign
expect "another architecture forced: exec says no" 126 'Exec format error' run $L --force -- ./foreign
expect "ld.so run by hand is fine" 7 '' run $L -- "$(readelf -p .interp seven | grep -o '/[^ ]*')" ./seven
[ -s "$PROBE" ] && ok "ld.so run by hand preloads" || notok "ld.so run by hand preloads" "no probe"
if [ "$(id -u)" = 0 ] && cp seven suid && chown 65534 suid && chmod 4755 suid && cp seven sgid && chgrp 65534 sgid && chmod 2755 sgid; then
	hopeless "a set-user-ID program" ./suid 'set-user-ID'
	hopeless "a set-group-ID program" ./sgid 'set-group-ID'
	cp "$HEDDLE" heddle-copy
	out=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$T/heddle-copy" run $L -- ./suid 2>&1)
	[ $? -eq 7 ] && ok "a set-user-ID program run by its owner" || notok "a set-user-ID program run by its owner" "$out"
	out=$(setpriv --no-new-privs "$HEDDLE" run $L -- ./suid 2>&1)
	[ $? -eq 7 ] && ok "a set-user-ID program with no_new_privs" || notok "a set-user-ID program with no_new_privs" "$out"
	if cp seven caps && setcap cap_net_bind_service=ep caps 2>/dev/null; then
		expect "file capabilities do not matter to root" 7 '' run $L -- ./caps
		out=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$T/heddle-copy" run $L -- ./caps 2>&1)
		[ $? -eq 125 ] && grep -q capabilities <<<"$out" && ok "file capabilities are refused" || notok "file capabilities are refused" "$out"
		rm -f "$PROBE"
		setpriv --reuid 65534 --regid 65534 --clear-groups env PROBE="$T/dir2" LD_PRELOAD="$T/probe.so" ./caps
		[ -s "$T/dir2" ] && notok "file capabilities are truly hopeless" "preloading works" || ok "file capabilities are truly hopeless"
	else
		skip "file capabilities" "no setcap"
	fi
else
	skip "set-user-ID, set-group-ID, file capabilities" "not root"
fi

# The library cannot be had.
mkdir -p alone/bin 'with space'
cp "$HEDDLE" alone/bin/
cp probe.so 'with space'
expect "library named but missing" 125 'none.so: No such file' run -l ./none.so -- true
expect "library that is none" 125 'plain: not a shared library' run -l ./plain -- true
expect "library in a path that LD_PRELOAD cannot hold" 125 'cannot hold a path' run -l './with space/probe.so' -- true
out=$(alone/bin/heddle run -- true 2>&1)
rc=$?
if [ -e "$(grep -o '/.*libheddle.so' <<<"$out" | tail -1)" ] || [ $rc -eq 0 ]; then
	skip "no library anywhere: 125, the paths tried" "one is installed"
elif [ $rc -eq 125 ] && grep -q "$T/alone/bin/libheddle.so" <<<"$out" && grep -q "$T/alone/lib/libheddle.so" <<<"$out"; then
	ok "no library anywhere: 125, the paths tried"
else
	notok "no library anywhere: 125, the paths tried" "status $rc: $out"
fi
mkdir alone/lib
cp probe.so alone/lib/libheddle.so
is "the library in ../lib is found" "$(envof alone/bin/heddle run -- env)" "LD_PRELOAD=$T/alone/lib/libheddle.so "
cp probe.so alone/bin/libheddle.so
is "the library beside the command comes first" "$(envof alone/bin/heddle run -- env)" "LD_PRELOAD=$T/alone/bin/libheddle.so "

# Bad usage is status 2 with the usage on standard error.
bad() { local name=$1 pattern=$2; shift 2; expect "$name" 2 "$pattern" "$@"; grep -q '^usage: ' <<<"$(heddle "$@" 2>&1 >/dev/null)" || notok "$name" "no usage on standard error"; }
bad "no command of heddle's" 'no command'
bad "unknown command" "'frobnicate'" frobnicate
bad "run without CMD" 'no command to run' run
bad "run -- without CMD" 'no command to run' run --
bad "unknown option" "'-z'" run -z true
bad "option without value" "needs a value" run -o
bad "-p 0" "-p: '0'" run -p 0 true
bad "-p 1025" "-p: '1025'" run -p 1025 true
bad "-p x" "-p: '2x'" run -p 2x true
bad "a number where a word is due" "'maybe' is no report\|abort\|off" run -o deadlock=maybe true
bad "part of a word" "'repo'" run -o deadlock=repo true
bad "no boolean" "'yes' is no 0\|1" run -o preempt=yes true
bad "no number" "'-5' is no MS" run -o schedtrace=-5 true
bad "a number too large" "is no MS" run -o schedtrace=2147483648 true
bad "no signal" "'USR3' is no SIGNAL" run -o dumpsig=USR3 true
bad "no signal number" "'65' is no SIGNAL" run -o dumpsig=65 true
bad "a flag with a value" "off takes no value" run -o off=1 true
bad "an option without the value it needs" "log: '' is no FILE" run -o log true
bad "an empty value" "log: '' is no FILE" run -o log= true
bad "an option without a name" "has no name" run -o =1 true
bad "an empty entry" "has no name" run -o schedtrace=1,,off true
bad "help on nothing known" "'nothing'" help nothing
expect "an unknown option of HEDDLE= is passed on with a warning" 0 "warning: unknown option 'future'" run $L -o future=1 -- true
for o in dumpsig=USR1 dumpsig=SIGUSR2 dumpsig=40 scheddetail=1 guard=0 lock=worker deadlock=abort off; do
	expect "-o $o" 0 '^$' run $L -o $o -- true
done
expect "version" 0 '^heddle [0-9]+\.[0-9]+' version
expect "help" 0 '^usage: heddle run' help
expect "help run" 0 '--force' help run
expect "help tells of check" 0 'heddle check' help
expect "help check" 0 '--json' help check
for o in $(sed -n 's/^OPTION(\([a-z]*\),.*/\1/p' "$TOP/core/options.def"); do
	expect "help options tells of $o" 0 "^  $o" help options
done
# make install and uninstall, with the places that this build was made for.
if [ -e "$BUILD/libheddle.so" ]; then
	if make -s -C "$TOP" BUILD="$BUILD" DESTDIR="$T/stage" PREFIX=/usr/local install >make.log 2>&1; then
		installed=$T/stage/usr/local
		is "install puts four files" "$(cd "$installed" && find . -type f | sort | tr '\n' ' ')" \
		    "./bin/heddle ./include/heddle.h ./lib/libheddle.so ./share/man/man1/heddle.1 "
		is "the installed command finds its library" "$(envof "$installed/bin/heddle" run -- env)" \
		    "LD_PRELOAD=$installed/lib/libheddle.so "
		is "the manual has the list of options" "$(grep -c '^\.It Cm [a-z]*\( Ns = Ns Ar .*\)*$' "$installed/share/man/man1/heddle.1")" \
		    "$(grep -c '^OPTION(' "$TOP/core/options.def")"
		make -s -C "$TOP" BUILD="$BUILD" DESTDIR="$T/stage" PREFIX=/usr/local uninstall >make.log 2>&1
		is "uninstall leaves no file" "$(find "$T/stage" ! -type d)" ""
	else
		notok "make install" "$(tail -n 3 make.log)"
	fi
else
	skip "make install" "no libheddle.so in $BUILD"
fi

heddle help >/dev/full 2>/dev/null
[ $? -ne 0 ] && ok "a full disk is noticed" || notok "a full disk is noticed" "status 0"

total
