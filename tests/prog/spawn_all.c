/* SPDX-License-Identifier: MIT */
/* build: -lutil */
/*
 * posix_spawn with every attribute and file action, alone and together, and its errors; popen in every mode; system and what it does
 * to signals; daemon. From main, and from threads while others work. Each child tells what it has found.
 */
#include "prog.h"
#include "manyfiles.h"
#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

enum { FOUND = 60, FD = 70 }; /* the descriptor that it tells on; the first of those that it looks at */

/* ---- the child ---- */

static int
found(char **argv)
{
	struct sched_param sp = { 0 };
	char buf[1024], cwd[256];
	sigset_t s;
	pid_t parent = atoi(argv[2]);
	int n = 0, fd;
	char ch;

	n += sprintf(buf + n, "mask");
	sigprocmask(SIG_BLOCK, NULL, &s);
	for(int i = 1; i < 65; i++)
		if(sigismember(&s, i) == 1)
			n += sprintf(buf + n, " %d", i);
	n += sprintf(buf + n, "; ignored");
	for(int i = 1; i < 65; i++) {
		struct sigaction sa;

		if(sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			n += sprintf(buf + n, " %d", i);
		else if(i < 32 && sa.sa_handler != SIG_DFL)
			n += sprintf(buf + n, " handled %d", i);
	}
	n += sprintf(buf + n, "; group %s%s", getpgrp() == getpid() ? "own" : getpgrp() == getpgid(parent) ? "parent's" : "other",
	    getsid(0) == getpid() ? ", session own" : "");
	n += sprintf(buf + n, "; uid %d %d", (int)getuid(), (int)geteuid());
	sched_getparam(0, &sp);
	n += sprintf(buf + n, "; policy %d %d, nice %d", sched_getscheduler(0), sp.sched_priority, getpriority(PRIO_PROCESS, 0));
	n += sprintf(buf + n, "; cwd %s", getcwd(cwd, sizeof cwd) == NULL ? "-" : strncmp(cwd, "/tmp/spawn_all", 14) == 0 ? "its own" : cwd);
	n += sprintf(buf + n, "; fds");
	for(fd = FD; fd < FD + 10; fd++)
		if(fcntl(fd, F_GETFD) >= 0) {
			n += sprintf(buf + n, " %d", fd - FD);
			if(fd == FD + 9) /* is it the terminal's foreground? */
				n += sprintf(buf + n, "%s", tcgetpgrp(fd) == getpgrp() ? " foreground" : " background");
			else if(pread(fd, &ch, 1, 0) == 1)
				n += sprintf(buf + n, "(%c)", ch);
		}
	if(argv[3])
		n += sprintf(buf + n, "; %s %s", argv[3], getenv("SPAWNED") ? getenv("SPAWNED") : "-");
	for(fd = 3; fd < 1000; fd++) /* whatever is there but what it knows of has been left open */
		if(fd != FOUND && (fd < FD || fd >= FD + 10) && fcntl(fd, F_GETFD) >= 0)
			n += sprintf(buf + n, "; left %d", fd);
	buf[n++] = '\n';
	return write(FOUND, buf, (size_t)n) == n ? 33 : 1;
}

/* ---- the parent ---- */

struct spawner {
	posix_spawnattr_t at;
	posix_spawn_file_actions_t fa;
	int pipe[2];
	char name[64];
	const char *path, *arg;
	char *text; /* what it found */
};

static int tests; /* open on a file "t" */
static char dir[] = "/tmp/spawn_allXXXXXX";

static void
begin(struct spawner *s, const char *name)
{
	int fds[2];

	memset(s, 0, sizeof *s);
	snprintf(s->name, sizeof s->name, "%s", name);
	s->path = "/proc/self/exe";
	OK(posix_spawnattr_init(&s->at));
	OK(posix_spawn_file_actions_init(&s->fa));
	EQ(pipe2(fds, O_CLOEXEC), 0);
	CHECK((s->pipe[0] = fcntl(fds[0], F_DUPFD_CLOEXEC, 1100)) >= 0);
	CHECK((s->pipe[1] = fcntl(fds[1], F_DUPFD_CLOEXEC, 1100)) >= 0);
	close(fds[0]);
	close(fds[1]);
	OK(posix_spawn_file_actions_adddup2(&s->fa, s->pipe[1], FOUND));
}

static void
flags(struct spawner *s, short f)
{
	short old;

	OK(posix_spawnattr_getflags(&s->at, &old));
	OK(posix_spawnattr_setflags(&s->at, (short)(old | f)));
}

/* The child's text, or the error. */
static void
finish(struct spawner *s, char *out, size_t size)
{
	char parent[16], *argv[] = { (char *)"spawn_all", (char *)"found", parent, (char *)s->arg, NULL }, buf[1100];
	ssize_t n, len = 0;
	pid_t pid = -5;
	int e, st;

	snprintf(parent, sizeof parent, "%d", getpid());
	e = posix_spawn(&pid, s->path, &s->fa, &s->at, argv, environ);
	close(s->pipe[1]);
	if(e != 0)
		snprintf(out, size, "%s: error %d\n", s->name, e);
	else {
		while((n = read(s->pipe[0], buf + len, sizeof buf - 1 - (size_t)len)) > 0)
			len += n;
		buf[len] = 0;
		EQ(waitpid(pid, &st, 0), pid);
		snprintf(out, size, "%s: status %x: %s%s", s->name, (unsigned)st, buf, len ? "" : "\n");
	}
	close(s->pipe[0]);
	OK(posix_spawnattr_destroy(&s->at));
	OK(posix_spawn_file_actions_destroy(&s->fa));
}

static sigset_t
set(int a, int b)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, a);
	sigaddset(&s, b);
	return s;
}

typedef void fn(struct spawner *);

static void plain(struct spawner *s) { s->arg = "word"; }
static void
mask(struct spawner *s)
{
	sigset_t m = set(SIGUSR1, SIGRTMIN + 3);

	OK(posix_spawnattr_setsigmask(&s->at, &m));
	flags(s, POSIX_SPAWN_SETSIGMASK);
}
static void
def(struct spawner *s)
{
	sigset_t m = set(SIGHUP, SIGUSR2);

	OK(posix_spawnattr_setsigdefault(&s->at, &m));
	flags(s, POSIX_SPAWN_SETSIGDEF);
}
static void
alldef(struct spawner *s)
{
	sigset_t m;

	sigfillset(&m);
	OK(posix_spawnattr_setsigdefault(&s->at, &m));
	flags(s, POSIX_SPAWN_SETSIGDEF);
}
static void
group(struct spawner *s)
{
	OK(posix_spawnattr_setpgroup(&s->at, 0));
	flags(s, POSIX_SPAWN_SETPGROUP);
}
static void
badgroup(struct spawner *s)
{
	OK(posix_spawnattr_setpgroup(&s->at, 0x3ffffffe));
	flags(s, POSIX_SPAWN_SETPGROUP);
}
static void session(struct spawner *s) { flags(s, POSIX_SPAWN_SETSID); }
static void resetids(struct spawner *s) { flags(s, POSIX_SPAWN_RESETIDS); }
static void usevfork(struct spawner *s) { flags(s, POSIX_SPAWN_USEVFORK); }
static void
sched(struct spawner *s)
{
	struct sched_param sp = { .sched_priority = 3 };

	OK(posix_spawnattr_setschedpolicy(&s->at, SCHED_RR));
	OK(posix_spawnattr_setschedparam(&s->at, &sp));
	flags(s, POSIX_SPAWN_SETSCHEDULER);
}
static void
badsched(struct spawner *s)
{
	struct sched_param sp = { .sched_priority = 7 };

	OK(posix_spawnattr_setschedparam(&s->at, &sp));
	flags(s, POSIX_SPAWN_SETSCHEDPARAM);
}
static void
dup2s(struct spawner *s)
{
	OK(posix_spawn_file_actions_adddup2(&s->fa, tests, FD));
	OK(posix_spawn_file_actions_adddup2(&s->fa, FD, FD + 1));
	OK(posix_spawn_file_actions_adddup2(&s->fa, tests, FD + 2));
	OK(posix_spawn_file_actions_adddup2(&s->fa, FD + 2, FD + 2)); /* takes close-on-exec off */
	OK(posix_spawn_file_actions_addclose(&s->fa, FD));
}
static void
opens(struct spawner *s)
{
	OK(posix_spawn_file_actions_addchdir_np(&s->fa, dir));
	OK(posix_spawn_file_actions_addopen(&s->fa, FD + 3, "t", O_RDONLY, 0));
	OK(posix_spawn_file_actions_addopen(&s->fa, FD + 4, "new", O_RDWR | O_CREAT | O_EXCL, 0600));
	OK(posix_spawn_file_actions_addclose(&s->fa, FD + 8)); /* closed already: no error */
}
static void
fchdirs(struct spawner *s)
{
	OK(posix_spawn_file_actions_addopen(&s->fa, FD + 5, dir, O_RDONLY | O_DIRECTORY, 0));
	OK(posix_spawn_file_actions_addfchdir_np(&s->fa, FD + 5));
	OK(posix_spawn_file_actions_addopen(&s->fa, FD + 6, "t", O_RDONLY, 0));
	OK(posix_spawn_file_actions_addclose(&s->fa, FD + 5));
}
static void
closefrom1(struct spawner *s)
{
	OK(posix_spawn_file_actions_adddup2(&s->fa, tests, FD));
	OK(posix_spawn_file_actions_adddup2(&s->fa, tests, FD + 7));
	OK(posix_spawn_file_actions_addclosefrom_np(&s->fa, FD + 1));
}
static void
noopen(struct spawner *s)
{
	OK(posix_spawn_file_actions_addopen(&s->fa, FD, "/nonexistent/file", O_RDONLY, 0));
}
static void nodup(struct spawner *s) { OK(posix_spawn_file_actions_adddup2(&s->fa, 999, FD)); }
static void nochdir(struct spawner *s) { OK(posix_spawn_file_actions_addchdir_np(&s->fa, "/nonexistent")); }
static void nofchdir(struct spawner *s) { OK(posix_spawn_file_actions_addfchdir_np(&s->fa, 999)); }
static void nofile(struct spawner *s) { s->path = "/nonexistent/program"; }
static void noexec(struct spawner *s) { s->path = "/etc/passwd"; }
static void nodir(struct spawner *s) { s->path = "/etc"; }
static void
all(struct spawner *s)
{
	mask(s), def(s), group(s), sched(s), dup2s(s), fchdirs(s);
	s->arg = "all";
}
static void
bad(struct spawner *s)
{
	EQ(posix_spawn_file_actions_adddup2(&s->fa, -1, 3), EBADF);
	EQ(posix_spawn_file_actions_addclose(&s->fa, -1), EBADF);
	EQ(posix_spawn_file_actions_addopen(&s->fa, -1, "x", O_RDONLY, 0), EBADF);
	EQ(posix_spawn_file_actions_addclosefrom_np(&s->fa, -1), EBADF);
	EQ(posix_spawnattr_setschedpolicy(&s->at, 99), EINVAL);
}

static const struct {
	const char *name;
	fn *f;
} cases[] = {
#define C(f) { #f, f }
	C(plain), C(mask), C(def), C(alldef), C(group), C(badgroup), C(session), C(resetids), C(usevfork), C(sched), C(badsched),
	C(dup2s), C(opens), C(fchdirs), C(closefrom1), C(noopen), C(nodup), C(nochdir), C(nofchdir), C(nofile), C(noexec), C(nodir),
	C(all), C(bad),
};
enum { NCASES = sizeof cases / sizeof cases[0] };

static void handler(int sig) { (void)sig; }

static void
spawns(const char *who)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	char text[1400];

	for(int i = 0; i < NCASES; i++) {
		struct spawner s;

		OK(pthread_mutex_lock(&one)); /* "new" */
		begin(&s, cases[i].name);
		cases[i].f(&s);
		finish(&s, text, sizeof text);
		unlink("new");
		OK(pthread_mutex_unlock(&one));
		if(who)
			printf("%s: %s", who, text);
		else
			CHECK(text[0] != 0);
	}
}

/* The terminal's foreground group, as a shell sets it. */
static void
terminal(void)
{
	struct spawner s;
	char text[1400], err[16];
	int ptm, pts, st;
	pid_t pid;

	if(openpty(&ptm, &pts, NULL, NULL, NULL) != 0) {
		puts("no terminals");
		return;
	}
	fcntl(ptm, F_SETFD, FD_CLOEXEC);
	fflush(stdout);
	CHECK((pid = fork()) >= 0);
	if(pid == 0) {
		CHECK(setsid() > 0);
		EQ(ioctl(pts, TIOCSCTTY, 0), 0);
		signal(SIGTTOU, SIG_IGN);
		begin(&s, "tcsetpgrp");
		OK(posix_spawn_file_actions_adddup2(&s.fa, pts, FD + 9));
		OK(posix_spawn_file_actions_addclose(&s.fa, pts));
		group(&s);
#if __GLIBC_PREREQ(2, 35)
		OK(posix_spawn_file_actions_addtcsetpgrp_np(&s.fa, FD + 9));
#endif
		finish(&s, text, sizeof text);
		printf("%s", text);
		fflush(stdout);
		_exit(0);
	}
	EQ(waitpid(pid, &st, 0), pid);
	snprintf(err, sizeof err, "%x", (unsigned)st);
	printf("terminal: %s\n", err);
	close(pts);
	close(ptm);
}

/* posix_spawnp looks along PATH, and gives what has no #! to the shell only where it always did. */
static void
spawnp(void)
{
	char *argv[] = { (char *)"t", NULL }, path[4096];
	const char *old = getenv("PATH");
	pid_t pid;
	int st, fd;

	CHECK((fd = open("script", O_CREAT | O_WRONLY | O_CLOEXEC, 0700)) >= 0);
	EQ(write(fd, "exit 12\n", 8), 8);
	close(fd);
	snprintf(path, sizeof path, "/nonexistent:%s:%s", dir, old);
	setenv("PATH", path, 1);
	printf("spawnp: %d\n", posix_spawnp(&pid, "script", NULL, NULL, argv, environ));
	printf("spawnp: %d\n", posix_spawnp(&pid, "no-such-thing", NULL, NULL, argv, environ));
	OK(posix_spawnp(&pid, "false", NULL, NULL, argv, environ));
	EQ(waitpid(pid, &st, 0), pid);
	printf("spawnp: %d\n", WEXITSTATUS(st));
	unlink("script");
}

/* ---- popen ---- */

static void
modes(void)
{
	static const char *const good[] = { "r", "w", "re", "we", "er" }, *const wrong[] = { "", "rw", "a", "r+", "x" };
	char line[64];
	FILE *f, *many[20];

	for(int i = 0; i < 5; i++) {
		CHECK((f = popen(strchr(good[i], 'r') ? "echo hello; exit 3" : "read x; [ $x = 5 ]", good[i])) != NULL);
		printf("popen %s: close-on-exec %d", good[i], fcntl(fileno(f), F_GETFD));
		if(strchr(good[i], 'r')) {
			CHECK(fgets(line, sizeof line, f) != NULL);
			EQ(strcmp(line, "hello\n"), 0);
		}else
			CHECK(fputs("5\n", f) >= 0);
		printf(", status %x\n", (unsigned)pclose(f));
	}
	for(int i = 0; i < 5; i++) {
		f = popen("true", wrong[i]);
		printf("popen \"%s\": %s\n", wrong[i], f == NULL && errno == EINVAL ? "EINVAL" : f == NULL ? "error" : "ok");
		if(f)
			pclose(f);
	}
	/* each child has none of the others' pipes: the readers see the end although the writers live */
	for(int i = 0; i < 20; i++)
		CHECK((many[i] = popen(i % 2 ? "cat > /dev/null; exit 7" : "echo $PPID > /dev/null; kill -9 $$", i % 2 ? "w" : "r")) != NULL);
	for(int i = 0; i < 20; i++)
		EQ(pclose(many[i]), i % 2 ? 7 << 8 : 9);
	/* the descriptor was somebody else's to wait for */
	CHECK((f = popen("exit 4", "r")) != NULL);
	CHECK(waitpid(-1, NULL, 0) > 0);
	printf("pclose without a child: %d %d\n", pclose(f), errno == ECHILD);
}

/* ---- system ---- */

static volatile sig_atomic_t gotint, gotchld;
static void onint(int sig) { if(sig == SIGCHLD) gotchld++; else gotint++; }

static void
systems(void)
{
	struct sigaction sa = { .sa_handler = onint };
	char cmd[64];

	printf("system: %d %x %x %x\n", system(NULL) != 0, (unsigned)system("exit 5"), (unsigned)system("kill -TERM $$"),
	    (unsigned)system("no-such-command-here 2>/dev/null"));
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGQUIT, &sa, NULL);
	/* while it runs the caller's process ignores both, and SIGCHLD waits */
	snprintf(cmd, sizeof cmd, "kill -INT %d; kill -QUIT %d; exit 0", getpid(), getpid());
	EQ(system(cmd), 0);
	printf("system: interrupted %d times\n", (int)gotint);
	sa.sa_handler = SIG_DFL;
	sigaction(SIGQUIT, &sa, NULL);
	sa.sa_handler = onint;
	kill(getpid(), SIGINT); /* as before */
	while(gotint == 0)
		;
	sigaction(SIGCHLD, &sa, NULL);
	EQ(system("true"), 0);
	while(gotchld == 0) /* perhaps on another thread */
		;
	printf("system: SIGCHLD %d\n", (int)gotchld);
	sa.sa_handler = SIG_DFL;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
}

/* ---- daemon ---- */

static void
daemons(int nochdir1, int noclose)
{
	char text[256];
	int fds[2], st;
	ssize_t n, len = 0;
	struct stat a, b;
	pid_t pid;

	EQ(pipe(fds), 0);
	fflush(stdout);
	CHECK((pid = fork()) >= 0);
	if(pid == 0) {
		pid_t before = getpid();
		char cwd[64];

		if(daemon(nochdir1, noclose) != 0)
			_exit(1);
		CHECK(stat("/dev/null", &a) == 0 && fstat(1, &b) == 0);
		n = snprintf(text, sizeof text, "another process %d, leads a session %d, group %d, in / %d, output to null %d\n",
		    getpid() != before, getsid(0) == getpid(), getpgrp() == getpid(),
		    getcwd(cwd, sizeof cwd) && strcmp(cwd, "/") == 0, a.st_rdev == b.st_rdev);
		n = write(fds[1], text, (size_t)n);
		_exit(n > 0 ? 0 : 1);
	}
	close(fds[1]);
	EQ(waitpid(pid, &st, 0), pid);
	while((n = read(fds[0], text + len, sizeof text - 1 - (size_t)len)) > 0)
		len += n;
	text[len] = 0;
	close(fds[0]);
	printf("daemon %d %d: %x: %s", nochdir1, noclose, (unsigned)st, text);
}

/* ---- all of it, from here and there ---- */

static atomic_int over;

static void *
works(void *arg)
{
	while(!over) {
		free(malloc(100));
		sched_yield();
		usleep(100);
	}
	return arg;
}

static void *
quiet(void *arg)
{
	spawns(NULL);
	return arg;
}

static void *
fromthread(void *arg)
{
	spawns("thread");
	spawnp();
	terminal();
	modes();
	systems();
	for(int i = 0; i < 4; i++)
		daemons(i & 1, i >> 1);
	return arg;
}

int
main(int argc, char **argv)
{
	pthread_t t[4];
	char cmd[64];
	int fd;

	if(argc >= 3 && strcmp(argv[1], "found") == 0)
		return found(argv);
	for(fd = 3; fd < 1000; fd++) /* what a harness has left open */
		if(fcntl(fd, F_GETFD) >= 0)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	CHECK(mkdtemp(dir) != NULL);
	EQ(chdir(dir), 0);
	CHECK((fd = open("t", O_CREAT | O_RDWR | O_CLOEXEC, 0600)) >= 0);
	EQ(write(fd, "t", 1), 1);
	manyfiles(1100);
	CHECK((tests = fcntl(fd, F_DUPFD_CLOEXEC, 1050)) >= 0);
	close(fd);
	setenv("SPAWNED", "yes", 1);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGWINCH, handler);
	sigset_t m = set(SIGALRM, SIGRTMIN);
	OK(pthread_sigmask(SIG_BLOCK, &m, NULL));
	EQ(setpgid(0, 0), 0);

	spawns("main");
	for(int i = 0; i < 4; i++)
		t[i] = spawn(works, NULL);
	join(spawn(fromthread, NULL));
	spawns("main again");
	over = 1;
	for(int i = 0; i < 4; i++)
		join(t[i]);
	for(int i = 0; i < 4; i++)
		t[i] = spawn(quiet, NULL);
	for(int i = 0; i < 4; i++)
		join(t[i]);
	EQ(chdir("/"), 0);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	EQ(system(cmd), 0);
	return 0;
}
