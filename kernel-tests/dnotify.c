// SPDX-License-Identifier: GPL-2.0
/*
 * dnotify: signals that are taken one after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "dnotify.h"
#include "events.h"

static char problem[128];

static void set_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGNAL_NOTIFY);
	sigaddset(set, SIGNAL_SENTINEL);
}

void dnotify_block(void)
{
	sigset_t set;

	set_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int dnotify_watch(const char *path, int signal, unsigned long mask)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETSIG, signal) || fcntl(fd, F_NOTIFY, mask)) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

/* The number of the next signal, or less than 0: none within the limit. */
static int next_signal(siginfo_t *info)
{
	int limit = events_limit_ms();
	struct timespec wait = {
		.tv_sec = limit / 1000,
		.tv_nsec = limit % 1000 * 1000000L,
	};
	sigset_t set;

	set_signals(&set);
	return sigtimedwait(&set, info, &wait);
}

const char *dnotify_expect(int signal, int fd)
{
	siginfo_t info;
	int came = next_signal(&info);

	if (came == signal && info.si_fd == fd)
		return NULL;
	if (came < 0)
		snprintf(problem, sizeof(problem),
			 "no event: waited %d ms for signal %d of descriptor %d",
			 events_limit_ms(), signal, fd);
	else
		snprintf(problem, sizeof(problem),
			 "wrong event: came signal %d of descriptor %d; wanted %d of %d",
			 came, info.si_fd, signal, fd);
	return problem;
}

const char *dnotify_expect_silence(void)
{
	siginfo_t info;
	int came = next_signal(&info);

	if (came < 0)
		return NULL;
	snprintf(problem, sizeof(problem),
		 "one event too many: came signal %d of descriptor %d", came,
		 info.si_fd);
	return problem;
}
