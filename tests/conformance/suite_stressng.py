# SPDX-License-Identifier: MIT
"""stress-ng --verify, a row a stressor: two instances, two seconds each."""
from common import Test, runlist

packages = '/usr/bin/stress-ng:stress-ng'
source = None
SECONDS = 2
STRESSORS = '''
    affinity aio aiol alarm atomic bad-altstack clock clone close context cyclic daemon dekker dnotify dup dynlib env epoll
    eventfd exec exit-group fifo flock fork fstat futex getrandom hrtimers inotify itimer lockf locka lockofd longjmp madvise
    malloc mcontend membarrier memfd mq msg mutex nanosleep nice null open peterson pidfd pipe pipeherd poll prctl pthread
    ptrace pty rename resched ring-pipe rseq schedpolicy sem sem-sysv sendfile session sigabrt sigchld sigfd sigfpe sigio
    signal signest sigpending sigpipe sigq sigrt sigsegv sigsuspend sigtrap skiplist sleep sock sockfd sockmany sockpair
    spawn splice switch tee timer timerfd tlb-shootdown udp userfaultfd vfork vforkmany wait yield zero zlib zombie kill
'''.split()


def setup(w, only):
    pass


def unit(row):
    return f'^{row}$'


def run(w, run):
    runlist(run, [Test(s, 40, w.cwd, f'stress-ng --verify --temp-path {w.cwd} --{s} 2 -t {SECONDS}s --oomable --no-rand-seed', serial=True)
                  for s in STRESSORS], {3: 'UNSUPPORTED', 4: 'NOTIMPL'})
