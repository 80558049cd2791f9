// SPDX-License-Identifier: GPL-2.0
/*
 * dnotify: a signal when something happens in a directory. Old, but it takes the
 * same way through the kernel as its successors: dnotify(7) is fcntl(2),
 * F_NOTIFY.
 */
#include <fcntl.h>
#include <unistd.h>

#include "dnotify.h"
#include "two_sided.h"

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
	dnotify_block();
	SET_THE_STAGE();
	HERE("mkdir", "d", "777");
	HERE("mkdir", "away", "777");
	HERE("create", "d/f", "666");
	HERE("write", "d/f", "0", "text");
	self->sentinels = dnotify_watch(EVENTS_SENTINELS, SIGNAL_SENTINEL,
					DN_CREATE | DN_MULTISHOT);
	if (self->sentinels == -EINVAL) {
		act_close(&self->act);
		SKIP(return, "no dnotify in this kernel");
	}
	ASSERT_NUMBER(self->sentinels);
}

#define NOTIFY(path, mask)						\
	ASSERT_NUMBER(dnotify_watch(path, SIGNAL_NOTIFY, mask))
#define SEE_SIGNAL(fd)	ASSERT_FINE(dnotify_expect(SIGNAL_NOTIFY, fd))
#define NO_MORE_SIGNALS() do {						\
	ASSERT_FINE(act_sentinel(&self->act));				\
	ASSERT_FINE(dnotify_expect(SIGNAL_SENTINEL, self->sentinels));	\
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
