/* SPDX-License-Identifier: MIT */
/*
 * heddle's own functions, for programs that know of it. They are in libheddle.so, so such a
 * program looks them up with dlsym(RTLD_DEFAULT, ...) or declares them weak.
 */
#ifndef HEDDLE_H
#define HEDDLE_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * heddle_lock_os_thread keeps the calling thread on the kernel thread that it is on, which from then
 * on runs no other thread: for code that keeps state by kernel thread behind heddle's back. Calls count.
 * Returns 0.
 */
int heddle_lock_os_thread(void);

/*
 * heddle_unlock_os_thread takes one call back. Returns 0, or EPERM if there is none, as when it is by what the
 * thread has done to its kernel thread, or by the option lock=NAME, that it has one of its own.
 */
int heddle_unlock_os_thread(void);

#ifdef __cplusplus
}
#endif
#endif
