// SPDX-License-Identifier: GPL-2.0
/*
 * An example to be replaced: each *_test.c here is a program, each TEST() a row of
 * the table. A guest of its own kernel runs it, as root, in a folder of a tmpfs.
 * Other *.c files of this folder become part of every program.
 */
#include <unistd.h>
#include "kselftest_harness.h"

/*
 * Rule: what is written into a pipe is read out of it.
 * Source: pipe(7).
 */
TEST(pipe_carries_a_byte)
{
	int ends[2];
	char byte = 0;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(1, write(ends[1], "x", 1));
	ASSERT_EQ(1, read(ends[0], &byte, 1));
	EXPECT_EQ('x', byte);
}

TEST_HARNESS_MAIN
