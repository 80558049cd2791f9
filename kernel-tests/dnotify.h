/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dnotify: a signal when something happens in a directory.
 */
#ifndef DNOTIFY_H
#define DNOTIFY_H

#include <signal.h>

/*
 * Signals of lower numbers are taken first, so that the sentinel's is the last
 * of those that are pending.
 */
#define SIGNAL_NOTIFY	(SIGRTMIN + 1)
#define SIGNAL_SENTINEL	(SIGRTMIN + 2)

/* Both signals wait until somebody takes them. */
void dnotify_block(void);

/* Ask for signals of a directory: its descriptor, or -errno. */
int dnotify_watch(const char *path, int signal, unsigned long mask);

/*
 * The next signal is this one, from this directory; or there is none within the
 * limit. NULL, or what was wrong.
 */
const char *dnotify_expect(int signal, int fd);
const char *dnotify_expect_silence(void);

#endif /* DNOTIFY_H */
