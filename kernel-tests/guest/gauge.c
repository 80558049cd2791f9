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

struct act stage;
struct events ev;

void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
	act_close(&stage);
	exit(1);
}

void fine(const char *what, const char *why)
{
	if (why)
		fail(what, why);
}

int need(const char *what, int value)
{
	if (value < 0)
		fail(what, strerror(-value));
	return value;
}

void open_stage(void)
{
	fine("folder", act_open(&stage, true));
	if (stage.skip)
		fail("actor", stage.skip);
}

void open_group(void)
{
	need("inotify", events_inotify(&ev));
	ev.sentinel = need("sentinels", events_watch(&ev, EVENTS_SENTINELS,
						     IN_CREATE));
}

void close_both(void)
{
	events_close(&ev);
	act_close(&stage);
}
