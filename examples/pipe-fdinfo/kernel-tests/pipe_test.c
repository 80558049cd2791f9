// SPDX-License-Identifier: GPL-2.0
/* What /proc/self/fdinfo says of a pipe. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kselftest_harness.h"

/* A number of /proc/self/fdinfo/FD; -1 if there is no such line. */
static long fdinfo(int fd, const char *name)
{
	size_t length = strlen(name);
	char path[64], line[256];
	long found = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, length) && line[length] == ':')
			sscanf(line + length + 1, "%ld", &found);
	fclose(file);
	return found;
}

FIXTURE(pipe)
{
	int ends[2];	/* to read, to write */
};

FIXTURE_VARIANT(pipe)
{
	bool named;
};

FIXTURE_VARIANT_ADD(pipe, anonymous)
{
	.named = false,
};

FIXTURE_VARIANT_ADD(pipe, fifo)
{
	.named = true,
};

FIXTURE_SETUP(pipe)
{
	if (!variant->named) {
		ASSERT_EQ(0, pipe(self->ends));
		return;
	}
	ASSERT_EQ(0, mkfifo("fifo", 0600));
	self->ends[0] = open("fifo", O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->ends[0]);
	self->ends[1] = open("fifo", O_WRONLY);
	ASSERT_LE(0, self->ends[1]);
}

FIXTURE_TEARDOWN(pipe)
{
	close(self->ends[0]);
	close(self->ends[1]);
	if (variant->named)
		unlink("fifo");
}

/*
 * Rule: fdinfo gives the capacity, also after it was changed.
 * Source: Documentation/filesystems/proc.rst, "Pipes and FIFOs".
 */
TEST_F(pipe, size)
{
	int wanted = 4 * getpagesize();

	EXPECT_EQ(fcntl(self->ends[0], F_GETPIPE_SZ), fdinfo(self->ends[0], "pipe-size"));
	ASSERT_EQ(wanted, fcntl(self->ends[0], F_SETPIPE_SZ, wanted));
	EXPECT_EQ(wanted, fdinfo(self->ends[0], "pipe-size"));
	EXPECT_EQ(wanted, fdinfo(self->ends[1], "pipe-size"));
}

/*
 * Rule: fdinfo gives the number of bytes that wait to be read.
 * Source: Documentation/filesystems/proc.rst, "Pipes and FIFOs".
 */
TEST_F(pipe, count)
{
	char read_back[2];

	EXPECT_EQ(0, fdinfo(self->ends[0], "pipe-count"));
	ASSERT_EQ(5, write(self->ends[1], "12345", 5));
	EXPECT_EQ(5, fdinfo(self->ends[1], "pipe-count"));
	ASSERT_EQ(2, read(self->ends[0], read_back, 2));
	EXPECT_EQ(3, fdinfo(self->ends[0], "pipe-count"));
}

/*
 * Rule: a pipe carries what is written into it, and says nothing of eventfd's.
 * Source: pipe(7).
 */
TEST_F(pipe, carries_bytes)
{
	char byte = 0;

	ASSERT_EQ(1, write(self->ends[1], "x", 1));
	ASSERT_EQ(1, read(self->ends[0], &byte, 1));
	EXPECT_EQ('x', byte);
	EXPECT_EQ(-1, fdinfo(self->ends[0], "eventfd-count"));
}

TEST_HARNESS_MAIN
