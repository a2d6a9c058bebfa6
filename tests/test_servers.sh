#!/bin/bash
# SPDX-License-Identifier: MIT
#
# test_servers.sh [SERVER...]: what Debian's servers do on SIGHUP (read their configuration again), SIGUSR1 (open their logs again)
# and SIGTERM (end, with which status) while clients load them, natively and under heddle. Run at the top of the tree, as root;
# needs build/libheddle.so.
#
# A server's function here starts it, sends the signals, and notes what is seen from outside. Both runs' notes must be the
# same; and the native run's must not say that something never happened. Servers that are not installed are skipped. STRESS=seed:
# under stress. LIMIT=seconds for each thing to happen.
. tests/cases.sh || exit 1
LIB=$(readlink -f "$BUILD/libheddle.so") || exit 1
[ "$(id -u)" = 0 ] || { skip servers "must be root"; exit 0; }
LIMIT=${LIMIT:-60}
export LC_ALL=C

# ---- what the servers' functions use; each runs in a folder of its own ----

note() { echo "$*" >> notes; }

# await WHAT COMMAND...: until it succeeds; notes WHAT, or that it never happened.
await() {
	local what=$1 end=$((SECONDS + LIMIT))
	shift
	until "$@" > /dev/null 2>&1; do
		if [ $SECONDS -ge $end ] || ! kill -0 $SRV 2>/dev/null; then
			note "NEVER: $what"
			return 1
		fi
		sleep 0.05
	done
	note "$what"
}

# start COMMAND...: the server, in the foreground of its own session.
start() {
	if [ "$MODE" = heddle ]; then
		setsid env LD_PRELOAD="$LIB" ${STRESS:+HEDDLE=stress=$STRESS} "$@" > server.log 2>&1 < /dev/null &
	else
		setsid "$@" > server.log 2>&1 < /dev/null &
	fi
	SRV=$!
}

# finish SIGNAL: sends it and notes how the server ends.
finish() {
	local i
	kill -s "$1" $SRV
	for ((i = 0; i < LIMIT * 20; i++)); do
		kill -0 $SRV 2>/dev/null || break
		sleep 0.05
	done
	if kill -0 $SRV 2>/dev/null; then
		note "NEVER: end by $1"
		pkill -KILL -s $SRV
	fi
	wait $SRV
	note "$1: status $?"
	unload
}

# get PATH: a page of the server at $PORT. talk REQUEST: what it answers.
talk() { timeout 10 bash -c 'exec 9<>/dev/tcp/127.0.0.1/$0 && printf "$1" >&9 && cat <&9' $PORT "$1"; }
get() { talk "GET $1 HTTP/1.0\r\nHost: x\r\n\r\n"; }
gets() { get "$1" | grep -q "$2"; }
answers() { talk "$1" | grep -aq "$2"; }
# resolves N: does the name server at $PORT say that h.t is 10.0.0.N?
resolves() {
	python3 - $PORT $1 <<-'C'
		import socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.settimeout(2)
		s.sendto(b'\1\2\1\0\0\1\0\0\0\0\0\0\1h\1t\0\0\1\0\1', ('127.0.0.1', int(sys.argv[1])))
		sys.exit(bytes([10, 0, 0, int(sys.argv[2])]) not in s.recv(512))
	C
}
up() { (exec 9<>/dev/tcp/127.0.0.1/$PORT); }

# reopens SIGNAL LOG COMMAND...: the log is moved away; after the signal the command writes to a new one.
fresh() { "${@:2}"; [ -s "$1" ]; }
reopens() {
	local sig=$1 log=$2
	shift 2
	mv "$log" "$log.old" || note "NEVER: a log"
	kill -s $sig $SRV
	await "$sig: log opened again" fresh "$log" "$@"
}

# loaded REQUEST PATTERN: from now on clients ask for this again and again (tests/load.py) until the server has ended; then finish
# notes the first answer that was not as the pattern says, or that all were right.
loaded() {
	python3 "$TOP/tests/load.py" $PORT "$1" "$2" > load.out 2>&1 < /dev/null &
	LOAD=$!
	await "loaded" grep -q answers load.out
}
pages() { loaded "GET $1 HTTP/1.0\r\nHost: x\r\n\r\n" "$2"; }
unload() {
	[ -n "$LOAD" ] || return 0
	kill -TERM $LOAD
	wait $LOAD
	LOAD=
	note "load: $(tail -n 1 load.out)"
}

# ---- the servers ----

nginx() {
	conf() { cat > n.conf <<-C
		daemon off; pid $PWD/pid; error_log $PWD/err; worker_processes 2; user root;
		events {}
		http { access_log $PWD/access;
		client_body_temp_path $PWD/b; proxy_temp_path $PWD/p; fastcgi_temp_path $PWD/f; uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s;
		server { listen 127.0.0.1:$PORT; location / { return 200 "is $1\n"; } } }
		C
	}
	conf one
	start $BIN -c $PWD/n.conf
	await "answers" gets / 'is one'
	pages / '200 OK.*is (one|two)\n$'
	conf two
	kill -HUP $SRV
	await "HUP: new configuration" gets / 'is two'
	reopens USR1 access get /
	finish TERM
}

apache2() {
	conf() { cat > a.conf <<-C
		ServerRoot /etc/apache2
		ServerName x
		Listen 127.0.0.1:$PORT
		PidFile $PWD/pid
		ErrorLog $PWD/err
		LoadModule mpm_worker_module /usr/lib/apache2/modules/mod_mpm_worker.so
		LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
		DefaultRuntimeDir $PWD
		User daemon
		StartServers 1
		ThreadsPerChild 8
		MaxRequestWorkers 16
		GracefulShutdownTimeout 5
		DocumentRoot $PWD/$1
		<Directory />
		Require all granted
		</Directory>
		C
	}
	mkdir one two
	echo is one > one/v
	echo is two > two/v
	conf one
	start $BIN -f $PWD/a.conf -DFOREGROUND
	await "answers" gets /v 'is one'
	pages /v '200 OK.*is (one|two)\n$'
	conf two
	kill -HUP $SRV
	await "HUP: new configuration" gets /v 'is two'
	conf one
	kill -USR1 $SRV
	await "USR1: new configuration, gracefully" gets /v 'is one'
	finish TERM
}

haproxy() {
	conf() { cat > h.cfg <<-C
		global
		 nbthread 2
		defaults
		 mode http
		 timeout client 5s
		 timeout connect 5s
		 timeout server 5s
		frontend f
		 bind 127.0.0.1:$PORT
		 http-request return status 200 content-type text/plain string "is $1"
		C
	}
	conf one
	start $BIN -W -f $PWD/h.cfg
	await "answers" gets / 'is one'
	pages / '200 OK.*is (one|two)$'
	conf two
	# it ignores the signal until it has started, which nothing shows
	reload() {
		kill -USR2 $SRV
		for i in 1 2 3 4 5 6 7 8 9 10; do
			gets / 'is two' && return
			sleep 0.2
		done
		return 1
	}
	await "USR2: new configuration" reload
	await "the old worker ends" grep -q 'Former worker.*exited with code 0' server.log
	finish TERM
	start $BIN -db -f $PWD/h.cfg
	await "answers" gets / 'is two'
	finish USR1
}

memcached() {
	start $BIN -u root -l 127.0.0.1 -p $PORT -U 0 -t 4
	await "answers" answers 'version\r\nquit\r\n' VERSION
	loaded 'set k 0 0 4\r\nsome\r\nget k\r\nquit\r\n' '^STORED\r\nVALUE k 0 4\r\nsome\r\nEND\r\n$'
	kill -HUP $SRV
	await "HUP: goes on" answers 'version\r\nquit\r\n' VERSION
	finish TERM
	start $BIN -u root -l 127.0.0.1 -p $PORT -U 0 -t 4
	await "answers" answers 'version\r\nquit\r\n' VERSION
	finish USR1
}

redis() {
	start $BIN --bind 127.0.0.1 --port $PORT --save "3600 1" --dir "$PWD" --io-threads 2 --protected-mode no
	await "answers" answers 'set k v\r\nquit\r\n' OK
	loaded 'set l w\r\nget k\r\nquit\r\n' '^\+OK\r\n\$1\r\nv\r\n\+OK\r\n$'
	kill -HUP $SRV
	await "HUP: goes on" answers 'get k\r\nquit\r\n' '^v'
	finish TERM
	[ -s dump.rdb ] && note "saved"
}

unbound() {
	conf() { cat > u.conf <<-C
		server:
		 directory: "$PWD"
		 username: ""
		 chroot: ""
		 pidfile: "$PWD/pid"
		 interface: 127.0.0.1
		 port: $PORT
		 do-daemonize: no
		 use-syslog: no
		 logfile: ""
		 num-threads: 2
		 local-zone: "t." static
		 local-data: "h.t. IN A 10.0.0.$1"
		remote-control:
		 control-enable: no
		C
	}
	conf 1
	start $BIN -d -c $PWD/u.conf
	await "answers" resolves 1
	conf 2
	kill -HUP $SRV
	await "HUP: new configuration" resolves 2
	finish TERM
}

stunnel() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout key.pem -out crt.pem 2> /dev/null
	cat key.pem crt.pem > both.pem
	cat > st.conf <<-C
		foreground = quiet
		debug = 5
		pid =
		output = $PWD/log
		[e]
		accept = 127.0.0.1:$PORT
		connect = 127.0.0.1:9
		cert = $PWD/both.pem
	C
	loaded() { [ "$(grep -c 'Configuration successful' log)" -ge "$1" ]; }
	start $BIN $PWD/st.conf
	await "starts" loaded 1
	await "listens" up
	kill -HUP $SRV
	await "HUP: new configuration" loaded 2
	await "HUP: listens" up
	reopens USR1 log up
	finish TERM
}

varnishd() {
	cat > v.vcl <<-C
		vcl 4.1;
		backend b none;
		sub vcl_recv { return(synth(200, "is one")); }
	C
	mkdir n
	start $BIN -j none -F -n $PWD/n -a 127.0.0.1:$PORT -f $PWD/v.vcl -s malloc,32m -p thread_pool_min=10 -T none
	await "answers" gets / 'is one'
	pages / '200 is one.*</html>'
	finish TERM
}

postgres() {
	local as="setpriv --reuid=postgres --regid=postgres --clear-groups"
	mkdir d
	chown postgres . d
	$as ${BIN%/*}/initdb -D $PWD/d -A trust -N > init.log 2>&1
	setting() { psql -h 127.0.0.1 -p $PORT -U postgres -At -c 'show work_mem' | grep -qx "$1"; }
	echo "work_mem = 5MB" >> d/postgresql.conf
	start $as $BIN -D $PWD/d -p $PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories=$PWD -c fsync=off
	await "answers" setting 5MB
	echo "work_mem = 7MB" >> d/postgresql.conf
	kill -HUP $SRV
	await "HUP: new configuration" setting 7MB
	finish TERM
}

sshd() {
	mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f hk
	conf() { printf 'Port %d\nListenAddress 127.0.0.1\nHostKey %s/hk\nPidFile none\nUsePAM no\nVersionAddendum %s\n' $PORT "$PWD" "is$1" > sc; }
	greets() { timeout 5 bash -c 'exec 9<>/dev/tcp/127.0.0.1/$0 && head -n 1 <&9' $PORT | grep -q "is$1"; }
	conf one
	start $BIN -D -e -f $PWD/sc
	await "answers" greets one
	loaded 'x\r\n' '^SSH-2.0-.* is(one|two)\r\n'
	conf two
	kill -HUP $SRV
	await "HUP: new configuration" greets two
	finish TERM
}

icecast2() {
	mkdir log web admin
	cp -r /usr/share/icecast2/admin/. admin
	echo "is one" > web/v.txt
	chown -R icecast2 log
	chmod -R a+rX .
	cat > ic.xml <<-C
		<icecast><location>x</location><admin>a@b</admin><limits><clients>50</clients><sources>2</sources></limits>
		<authentication><source-password>s</source-password><admin-user>a</admin-user><admin-password>p</admin-password></authentication>
		<hostname>localhost</hostname><listen-socket><port>$PORT</port><bind-address>127.0.0.1</bind-address></listen-socket>
		<fileserve>1</fileserve><paths><basedir>$PWD</basedir><logdir>$PWD/log</logdir><webroot>$PWD/web</webroot>
		<adminroot>$PWD/admin</adminroot></paths>
		<logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
		<security><chroot>0</chroot><changeowner><user>icecast2</user><group>icecast</group></changeowner></security></icecast>
	C
	start $BIN -c $PWD/ic.xml
	await "answers" gets /v.txt 'is one'
	pages /v.txt '200 OK.*is one\n$'
	reopens HUP log/access.log get /v.txt
	await "HUP: answers" gets /v.txt 'is one'
	finish TERM
}

tinyproxy() {
	conf() { printf 'Port %d\nListen 127.0.0.1\nTimeout 60\nLogLevel Info\nLogFile "%s/log"\nMaxClients 20\nAllow 127.0.0.1\nViaProxyName "%s"\nStatHost "st.t"\nStatFile "%s/%s"\n' $PORT "$PWD" $1 "$PWD" $1 > tp.conf; }
	stat() { talk "GET http://st.t/ HTTP/1.0\r\nHost: st.t\r\n\r\n"; }
	shows() { stat | grep -q "$1"; }
	echo "is one" > one
	echo "is two" > two
	conf one
	start $BIN -d -c $PWD/tp.conf
	await "answers" shows 'is one'
	# not loaded: it reads its configuration while its threads use the old one, and dies of it natively, too
	conf two
	kill -USR1 $SRV
	await "USR1: new configuration" shows 'is two'
	reopens USR1 log stat
	finish TERM
}

mariadbd() {
	mariadb-install-db --no-defaults --user=root --datadir="$PWD/d" --auth-root-authentication-method=normal --skip-test-db > init.log 2>&1
	my() { mariadb --no-defaults -uroot -S "$PWD/s" -N -B -e "$1"; }
	start $BIN --no-defaults --user=root --datadir="$PWD/d" --socket="$PWD/s" --port=$PORT --bind-address=127.0.0.1 --pid-file="$PWD/pid" \
	    --general-log --general-log-file="$PWD/general" --skip-log-bin --innodb-buffer-pool-size=16M
	await "answers" my 'select 1'
	reopens HUP general my 'select 2'
	await "HUP: answers" my 'select 1'
	finish TERM
}

clamd() {
	mkdir db
	echo 'Test.One:0:*:686564646c652d76' > db/one.ndb
	cat > c.conf <<-C
		Foreground yes
		DatabaseDirectory $PWD/db
		TCPSocket $PORT
		TCPAddr 127.0.0.1
		MaxThreads 8
		LogFile $PWD/log
		LogClean yes
		User root
	C
	# the file comes after the command, in the same connection
	scan() { talk "zINSTREAM\\0\\0\\0\\0\\x08$1\\0\\0\\0\\0"; }
	finds() { scan "$1" | tr '\0' '\n' | grep -q "$2"; }
	start $BIN -c $PWD/c.conf
	await "answers" finds heddle-v One
	loaded 'zINSTREAM\x00\x00\x00\x00\x08heddle-v\x00\x00\x00\x00' '^stream: Test.One.UNOFFICIAL FOUND\x00$'
	echo 'Test.Two:0:*:7365642d6564' > db/two.ndb
	kill -USR2 $SRV
	await "USR2: new signatures" finds sed-ed12 Two
	reopens HUP log scan heddle-v
	finish TERM
}

named() {
	zone() { printf '$TTL 60\n@ IN SOA n a 1%d 2 3 4 5\n@ IN NS n\nn IN A 127.0.0.1\nh IN A 10.0.0.%d\n' $1 $1 > z; }
	zone 1
	cat > n.conf <<-C
		options { directory "$PWD"; pid-file "$PWD/pid"; session-keyfile "$PWD/key"; managed-keys-directory "$PWD";
			listen-on port $PORT { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; tcp-clients 400; };
		controls { };
		zone "t" { type master; file "$PWD/z"; };
	C
	start $BIN -f -g -n 2 -c $PWD/n.conf
	await "answers" resolves 1
	zone 2
	kill -HUP $SRV
	await "HUP: new zone" resolves 2
	finish TERM
}

rsyslogd() {
	cat > r.conf <<-C
		global(workDirectory="$PWD")
		module(load="imtcp")
		template(name="m" type="string" string="%msg%\n")
		input(type="imtcp" port="$PORT" address="127.0.0.1" ruleset="t")
		ruleset(name="t" queue.type="LinkedList" queue.workerThreads="4" queue.workerThreadMinimumMessages="10") {
			action(type="omfile" file="$PWD/out" template="m")
		}
	C
	send() { bash -c 'exec 9<>/dev/tcp/127.0.0.1/$0 && for i in $(seq $1); do echo "<13>Nov 22 10:00:00 h t: $2 $i"; done >&9' $PORT "$@"; }
	has() { [ "$(grep -c " $2 " out)" = $1 ]; }
	start $BIN -n -f $PWD/r.conf -i $PWD/pid
	await "listens" up
	for i in 1 2 3 4 5 6; do send 200 one & done
	wait $! && await "all messages" has 1200 one
	reopens HUP out send 1 two
	send 500 three
	await "HUP: all messages" has 500 three
	finish TERM
}

gunicorn() {
	app() { cat > app.py <<-C
		def application(environ, respond):
		    respond('200 OK', [('Content-Length', '7')])
		    return [b'is $1\n']
		C
	}
	app one
	start $BIN -k gthread --threads 8 -w 2 -b 127.0.0.1:$PORT --access-logfile $PWD/access app:application
	await "answers" gets / 'is one'
	pages / '200 OK.*is (one|two)\n$'
	app two
	rm -rf __pycache__
	kill -HUP $SRV
	await "HUP: new program" gets / 'is two'
	reopens USR1 access get /
	kill -TTIN $SRV
	await "TTIN: a worker more" eval '[ "$(pgrep -c -P $SRV)" = 3 ]'
	kill -TTOU $SRV
	await "TTOU: a worker less" eval '[ "$(pgrep -c -P $SRV)" = 2 ]'
	finish TERM
}

# ---- all of them ----

# binary SERVER: its program; false if it is not installed.
binary() {
	case $1 in
	redis)		command -v redis-server ;;
	stunnel)	command -v stunnel4 ;;
	postgres)	ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | tail -n 1 | grep . ;;
	*)		PATH=$PATH:/usr/sbin type -P "$1" ;;
	esac
}

# one SERVER MODE: runs it in a folder of its own, in a shell of its own.
one() {
	(
		MODE=$2 SRV= LOAD=
		mkdir "$T/$1.$2" && cd "$T/$1.$2" || exit 1
		chmod 755 .
		PORT=$((20000 + ($$ * 31 + n * 2) % 10000))
		while up; do PORT=$((PORT + 1)); done
		: > notes
		trap '[ -n "$SRV" ] && pkill -KILL -s $SRV; [ -n "$LOAD" ] && kill -KILL $LOAD' EXIT
		"$1"
	) > /dev/null 2>&1
}

[ $# -gt 0 ] || set -- nginx apache2 haproxy memcached redis unbound stunnel varnishd sshd icecast2 tinyproxy postgres mariadbd \
    clamd named rsyslogd gunicorn
for server; do
	if ! BIN=$(binary $server); then
		skip "$server" "not installed"
		continue
	fi
	one $server native
	one $server heddle
	if grep -q NEVER "$T/$server.native/notes" || [ ! -s "$T/$server.native/notes" ]; then
		notok "$server" "natively: $(tr '\n' ';' < "$T/$server.native/notes") $(tail -n 2 "$T/$server.native/server.log")"
	elif cmp -s "$T/$server.native/notes" "$T/$server.heddle/notes"; then
		ok "$server: $(paste -sd';' "$T/$server.heddle/notes")"
	else
		notok "$server" "$(diff "$T/$server.native/notes" "$T/$server.heddle/notes") $(tail -n 2 "$T/$server.heddle/server.log")"
	fi
done
total
