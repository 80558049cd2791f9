// SPDX-License-Identifier: GPL-2.0
/* "input_taker LINE PROGRAM [ARG...]": the program with what comes on the line as standard input. */
#include <stdio.h>
#include <unistd.h>

#include "input.h"

int main(int argc, char *argv[])
{
	int in = input_open(argv[1]);

	if (argc < 3 || in < 0 || dup2(in, 0) < 0) {
		perror(argv[1]);
		return 1;
	}
	close(in);
	execvp(argv[2], argv + 2);
	return 127;
}
