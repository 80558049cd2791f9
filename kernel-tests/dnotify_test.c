// SPDX-License-Identifier: GPL-2.0
/*
 * dnotify: a signal when something happens in a directory. Old, but it takes the
 * same way through the kernel as its successors: dnotify(7) is fcntl(2),
 * F_NOTIFY.
 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "two_sided.h"

/*
 * Signals of lower numbers are taken first, so that the sentinel's is the last
 * of those that are pending.
 */
#define SIGNAL_NOTIFY	(SIGRTMIN + 1)
#define SIGNAL_SENTINEL	(SIGRTMIN + 2)

/* Ask for signals of a directory: its descriptor, or -errno. */
static int notify(const char *path, int signal, unsigned long mask)
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

static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGNAL_NOTIFY);
	sigaddset(set, SIGNAL_SENTINEL);
	sigprocmask(SIG_BLOCK, set, NULL);
}

/* The next signal is this one, from this directory. */
static const char *expect_signal(int signal, int fd)
{
	int limit = events_limit_ms();
	struct timespec wait = {
		.tv_sec = limit / 1000,
		.tv_nsec = limit % 1000 * 1000000L,
	};
	static char text[128];
	siginfo_t info;
	sigset_t set;
	int came;

	block_signals(&set);
	came = sigtimedwait(&set, &info, &wait);
	if (came == signal && info.si_fd == fd)
		return NULL;
	if (came < 0)
		snprintf(text, sizeof(text),
			 "no event: waited %d ms for signal %d of descriptor %d",
			 limit, signal, fd);
	else
		snprintf(text, sizeof(text),
			 "wrong event: came signal %d of descriptor %d; wanted %d of %d",
			 came, info.si_fd, signal, fd);
	return text;
}

/* A directory for each kind of use. */
FIXTURE(directory)
{
	struct act act;
	int sentinels;
};

#define FIXTURE_NAME directory
#define FIXTURE_ENDS close(self->sentinels)
#include "fixture.h"

FIXTURE_SETUP(directory)
{
	sigset_t set;

	block_signals(&set);
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("mkdir", "away", "777");
	HERE("create", "d/f", "666");
	HERE("write", "d/f", "0", "text");
	self->sentinels = notify(EVENTS_SENTINELS, SIGNAL_SENTINEL,
				 DN_CREATE | DN_MULTISHOT);
	if (self->sentinels == -EINVAL) {
		act_close(&self->act);
		SKIP(return, "no dnotify in this kernel");
	}
	ASSERT_NUMBER(self->sentinels);
}

#define NOTIFY(path, mask)						\
	ASSERT_NUMBER(notify(path, SIGNAL_NOTIFY, mask))
#define SEE_SIGNAL(fd)	ASSERT_FINE(expect_signal(SIGNAL_NOTIFY, fd))
#define NO_MORE_SIGNALS() do {						\
	ASSERT_FINE(act_sentinel(&self->act));				\
	ASSERT_FINE(expect_signal(SIGNAL_SENTINEL, self->sentinels));	\
} while (0)

/*
 * Rule: a new file is signalled, with the descriptor of the directory.
 * Source: fcntl(2), F_NOTIFY, DN_CREATE; si_fd.
 */
TEST_F(directory, create)
{
	int d = NOTIFY("d", DN_CREATE | DN_MULTISHOT);

	ACT("create", "d/new", "644");
	SEE_SIGNAL(d);
	NO_MORE_SIGNALS();
}

/*
 * Rule: the removal of a file is signalled.
 * Source: fcntl(2), F_NOTIFY, DN_DELETE.
 */
TEST_F(directory, delete)
{
	int d = NOTIFY("d", DN_DELETE | DN_MULTISHOT);

	ACT("unlink", "d/f");
	SEE_SIGNAL(d);
	NO_MORE_SIGNALS();
}

/*
 * Rule: a write is signalled.
 * Source: fcntl(2), F_NOTIFY, DN_MODIFY.
 */
TEST_F(directory, modify)
{
	int d = NOTIFY("d", DN_MODIFY | DN_MULTISHOT);

	ACT("write", "d/f", "0", "new text");
	SEE_SIGNAL(d);
	NO_MORE_SIGNALS();
}

/*
 * Rule: a read is signalled.
 * Source: fcntl(2), F_NOTIFY, DN_ACCESS.
 */
TEST_F(directory, access)
{
	int d = NOTIFY("d", DN_ACCESS | DN_MULTISHOT);

	ACT("open", "d/f", "r", "0");
	ACT("read", "0", "4");
	SEE_SIGNAL(d);
	ACT("close", "0");
	NO_MORE_SIGNALS();
}

/*
 * Rule: a change of permissions is signalled.
 * Source: fcntl(2), F_NOTIFY, DN_ATTRIB.
 */
TEST_F(directory, attrib)
{
	int d = NOTIFY("d", DN_ATTRIB | DN_MULTISHOT);

	ACT("chmod", "d/f", "600");
	SEE_SIGNAL(d);
	NO_MORE_SIGNALS();
}

/*
 * Rule: a rename inside the directory is signalled once.
 * Source: fcntl(2), F_NOTIFY, DN_RENAME, "A file was renamed within this
 * directory"; fsnotify_handle_event() on FS_RENAME, fs/notify/fsnotify.c.
 */
TEST_F(directory, rename)
{
	int d = NOTIFY("d", DN_RENAME | DN_MULTISHOT);

	ACT("rename", "d/f", "d/new");
	SEE_SIGNAL(d);
	NO_MORE_SIGNALS();
}

/*
 * Rule: a rename to another directory is a deletion here and a creation there.
 * Source: fcntl(2), F_NOTIFY, DN_CREATE and DN_DELETE, "rename".
 */
TEST_F(directory, rename_between_two)
{
	int away = NOTIFY("away", DN_CREATE | DN_RENAME | DN_MULTISHOT);

	ACT("rename", "d/f", "away/f");
	SEE_SIGNAL(away);
	NO_MORE_SIGNALS();
	close(away);
	NOTIFY("d", DN_RENAME | DN_MULTISHOT);
	ACT("rename", "away/f", "d/f");
	NO_MORE_SIGNALS();
}

/*
 * Rule: without DN_MULTISHOT there is one signal, and then none.
 * Source: fcntl(2), F_NOTIFY, DN_MULTISHOT.
 */
TEST_F(directory, one_shot)
{
	int d = NOTIFY("d", DN_CREATE);

	ACT("create", "d/first", "644");
	SEE_SIGNAL(d);
	ACT("create", "d/second", "644");
	NO_MORE_SIGNALS();
}

/*
 * Rule: with DN_MULTISHOT each new file is signalled.
 * Source: fcntl(2), F_NOTIFY, DN_MULTISHOT.
 */
TEST_F(directory, multishot)
{
	int d = NOTIFY("d", DN_CREATE | DN_MULTISHOT);

	ACT("create", "d/first", "644");
	SEE_SIGNAL(d);
	ACT("create", "d/second", "644");
	SEE_SIGNAL(d);
	NO_MORE_SIGNALS();
}

/*
 * Rule: a mask of 0 ends the notification.
 * Source: fcntl(2), F_NOTIFY; fcntl_dirnotify(), fs/notify/dnotify/dnotify.c.
 */
TEST_F(directory, cancelled)
{
	int d = NOTIFY("d", DN_CREATE | DN_MULTISHOT);

	ACT("create", "d/first", "644");
	SEE_SIGNAL(d);
	ASSERT_EQ(0, fcntl(d, F_NOTIFY, 0));
	ACT("create", "d/second", "644");
	NO_MORE_SIGNALS();
}

/*
 * Rule: closing the directory ends the notification.
 * Source: fcntl(2), F_NOTIFY; dnotify_flush(), fs/notify/dnotify/dnotify.c.
 */
TEST_F(directory, closed)
{
	int d = NOTIFY("d", DN_CREATE | DN_MULTISHOT);

	ACT("create", "d/first", "644");
	SEE_SIGNAL(d);
	close(d);
	ACT("create", "d/second", "644");
	NO_MORE_SIGNALS();
}

TEST_HARNESS_MAIN
