// SPDX-License-Identifier: GPL-2.0
/*
 * Expects an event of a made up group: "events_reader OTHERS ASKS PID MASK
 * WANTED": a number of enum events_others, 0 or 1, "own" or a pid, and two masks
 * in hex, with and without FAN_REMOTE. Prints what is wrong with it, or "fine".
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "events.h"

int main(int argc, char *argv[])
{
	static struct events events;
	struct fanotify_event_metadata meta = {
		.event_len = sizeof(meta),
		.metadata_len = sizeof(meta),
		.vers = FANOTIFY_METADATA_VERSION,
		.fd = FAN_NOFD,
	};
	struct want want = { 0 };
	const char *problem;
	int ends[2];

	if (argc != 6 || pipe(ends))
		return 2;
	events.fanotify = true;
	events.fd = ends[0];
	events.others = atoi(argv[1]);
	events.asks_others = atoi(argv[2]);
	meta.pid = strcmp(argv[3], "own") ? atoi(argv[3]) : getpid();
	meta.mask = strtoull(argv[4], NULL, 16);
	want.mask = strtoull(argv[5], NULL, 16);
	if (write(ends[1], &meta, sizeof(meta)) != sizeof(meta))
		return 2;
	problem = events_expect(&events, &want, 1);
	printf("%s\n", problem ? problem : "fine");
	return 0;
}
