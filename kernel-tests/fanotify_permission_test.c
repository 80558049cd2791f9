// SPDX-License-Identifier: GPL-2.0
/*
 * fanotify permission events: a process on this kernel asks, another one on the
 * same kernel answers. Whoever else uses the share has no part in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "two_sided.h"

/* Ends whatever is still being asked, with consent. */
static void end_asking(int fd, pid_t child)
{
	close(fd);
	if (child > 0)
		waitpid(child, NULL, 0);
}

FIXTURE(permission)
{
	struct act act;
	int fd;
	pid_t child;
};

#define FIXTURE_NAME permission
#define FIXTURE_SIDES LOCAL_ONLY
#define FIXTURE_ENDS end_asking(self->fd, self->child)
#include "fixture.h"

FIXTURE_SETUP(permission)
{
	SET_THE_STAGE();
	HERE("create", "f", "666");
	HERE("write", "f", "0", "text");
	self->fd = fanotify_init(FAN_CLASS_CONTENT | FAN_NONBLOCK |
				 FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
	if (self->fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		act_close(&self->act);
		SKIP(return, "fanotify_init: %s", strerror(errno));
	}
	ASSERT_GE(self->fd, 0);
}

/* What a process gets that reads the file: 0 or errno. */
static int read_file(void)
{
	int fd = open("f", O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0)
		return errno;
	return read(fd, &byte, 1) == 1 ? 0 : errno;
}

/* Answer the one question that is to come; its mask, 0 if none came. */
static __u64 answer(int fd, __u32 response)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct fanotify_event_metadata event;
	struct fanotify_response reply = { .response = response };

	if (poll(&wait, 1, events_limit_ms()) != 1 ||
	    read(fd, &event, sizeof(event)) != sizeof(event))
		return 0;
	reply.fd = event.fd;
	if (write(fd, &reply, sizeof(reply)) != sizeof(reply))
		return 0;
	close(event.fd);
	return event.mask;
}

#define READ_IN_CHILD() do {						\
	self->child = fork();						\
	ASSERT_GE(self->child, 0);					\
	if (!self->child)						\
		_exit(read_file());					\
} while (0)

#define ANSWER(mask, response) do {					\
	__u64 _asked = answer(self->fd, response);			\
									\
	ASSERT_EQ((__u64)(mask), _asked) {					\
		if (!_asked)						\
			TH_LOG("no event: nobody was asked");		\
	}								\
} while (0)

#define CHILD_GETS(error) do {						\
	int _status;							\
									\
	ASSERT_EQ(self->child, waitpid(self->child, &_status, 0));	\
	self->child = 0;						\
	ASSERT_TRUE(WIFEXITED(_status));				\
	ASSERT_EQ(error, WEXITSTATUS(_status));				\
} while (0)

/*
 * Rule: who opens a marked file is asked for, and refused if the answer is no.
 * Source: fanotify(7), FAN_OPEN_PERM, FAN_DENY; linux-fsdevel, 10 Nov 2021,
 * A. Goldstein: permission events of the local kernel must not be lost.
 */
TEST_F(permission, open_is_denied)
{
	ASSERT_EQ(0, fanotify_mark(self->fd, FAN_MARK_ADD, FAN_OPEN_PERM,
				   AT_FDCWD, "f"));
	READ_IN_CHILD();
	ANSWER(FAN_OPEN_PERM, FAN_DENY);
	CHILD_GETS(EPERM);
}

/*
 * Rule: reading is asked for, too, and goes on if the answer is yes.
 * Source: fanotify(7), FAN_ACCESS_PERM, FAN_ALLOW.
 */
TEST_F(permission, access_is_allowed)
{
	ASSERT_EQ(0, fanotify_mark(self->fd, FAN_MARK_ADD, FAN_ACCESS_PERM,
				   AT_FDCWD, "f"));
	READ_IN_CHILD();
	ANSWER(FAN_ACCESS_PERM, FAN_ALLOW);
	CHILD_GETS(0);
}

/*
 * Rule: a mark on the mount asks for each file on it.
 * Source: fanotify_mark(2), FAN_MARK_MOUNT: virus scanners.
 */
TEST_F(permission, mount_is_denied)
{
	ASSERT_EQ(0, fanotify_mark(self->fd, FAN_MARK_ADD | FAN_MARK_MOUNT,
				   FAN_OPEN_PERM, AT_FDCWD, "f"));
	READ_IN_CHILD();
	ANSWER(FAN_OPEN_PERM, FAN_DENY);
	CHILD_GETS(EPERM);
}

TEST_HARNESS_MAIN
