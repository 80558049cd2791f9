// SPDX-License-Identifier: GPL-2.0
/* What /proc/self/fdinfo says of the seals of a memfd. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kselftest_harness.h"

/* The seals in /proc/self/fdinfo/FD; -1 if it does not say. */
static int fdinfo(int fd)
{
	char path[64], line[256];
	int found = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		sscanf(line, "seals: %x", &found);
	fclose(file);
	return found;
}

FIXTURE(memfd)
{
	int fd;
};

FIXTURE_VARIANT(memfd)
{
	int seals;
};

FIXTURE_VARIANT_ADD(memfd, unsealed)
{
	.seals = 0,
};

FIXTURE_VARIANT_ADD(memfd, fixed_size)
{
	.seals = F_SEAL_SHRINK | F_SEAL_GROW,
};

FIXTURE_SETUP(memfd)
{
	self->fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fcntl(self->fd, F_ADD_SEALS, variant->seals));
}

FIXTURE_TEARDOWN(memfd)
{
	close(self->fd);
}

/*
 * Rule: fdinfo gives the seals.
 * Source: Documentation/filesystems/proc.rst, "Files of tmpfs, and memfds".
 */
TEST_F(memfd, shown)
{
	EXPECT_EQ(variant->seals, fdinfo(self->fd));
}

/*
 * Rule: F_GET_SEALS gives them, whatever fdinfo does.
 * Source: fcntl(2).
 */
TEST_F(memfd, kept)
{
	EXPECT_EQ(variant->seals, fcntl(self->fd, F_GET_SEALS));
}

TEST_HARNESS_MAIN
