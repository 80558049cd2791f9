// SPDX-License-Identifier: GPL-2.0
/*
 * Beginning, end and failure of the programs that print what they see.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gauge.h"

struct act act;
struct events ev;

void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
	act_close(&act);
	exit(1);
}

void fine(const char *what, const char *why)
{
	if (why)
		fail(what, why);
}

int number(const char *what, int value)
{
	if (value < 0)
		fail(what, strerror(-value));
	return value;
}

void open_act(void)
{
	fine("folder", act_open(&act, true));
	if (act.skip)
		fail("actor", act.skip);
}

void open_group(void)
{
	number("inotify", events_inotify(&ev));
	ev.sentinel = number("sentinels", events_watch(&ev, EVENTS_SENTINELS,
						       IN_CREATE));
}

void close_both(void)
{
	events_close(&ev);
	act_close(&act);
}
