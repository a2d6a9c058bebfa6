/* SPDX-License-Identifier: MIT */
/* What heddle says: log.c, dump.c. */
#ifndef HEDDLE_LOG_H
#define HEDDLE_LOG_H

noreturn void throw(const char *msg);
/* rtlog writes one line "heddle: ..." to the log, in one write. Formats: %s %c %d %u %ld %lu %lld %llu %x %lx %llx %p, with a
 * width. Async-signal-safe. */
void rtlog(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* rtprint is rtlog without the prefix, to a descriptor. */
void rtprint(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* fmtbuf is snprintf for these formats. */
int fmtbuf(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int logfd(void); /* descriptor of the log */
/* dumpgs prints every G: state, wait reason and object, stack. On g0 or anywhere in runtime mode. */
void dumpgs(int fd, const char *why);
void checkdead(void); /* sched.lock: reports a deadlock, once, when no G can ever run again */

#endif
