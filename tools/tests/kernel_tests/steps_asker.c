// SPDX-License-Identifier: GPL-2.0
/*
 * Asks for the steps on its command line: "asker FOLDER STEP...", each STEP an
 * actor, a verb and its arguments with blanks between them. What they came to
 * is told on stderr, one a line.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "steps.h"

static int ask(struct steps *steps, char *text)
{
	char *field[10] = { NULL };
	int i;

	for (i = 0; i < 9; i++)
		field[i] = strsep(&text, " ");
	return steps_ask(steps, field[0], field[1], field[2], field[3], field[4],
			 field[5], field[6], field[7], NULL);
}

int main(int argc, char *argv[])
{
	struct steps steps;
	int i, ret;

	ret = steps_open(&steps, argv[1]);
	fprintf(stderr, "open %d\n", ret);
	for (i = 2; i < argc && !ret; i++) {
		int answer = ask(&steps, argv[i]);

		fprintf(stderr, "%d %s\n", answer, steps.values);
	}
	steps_close(&steps);
	steps_broken("a\nb");
	return 0;
}
