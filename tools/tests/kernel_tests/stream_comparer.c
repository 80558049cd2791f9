// SPDX-License-Identifier: GPL-2.0
/*
 * Compares two streams of made up events: "stream_comparer all|names EVENT... --
 * EVENT...", each EVENT a watch (0 or 1), a mask in hex, a cookie and a name
 * with commas between them. First those that are wanted, then those that came.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

static void add(struct stream *stream, char *text)
{
	struct stream_event *event = &stream->events[stream->count++];

	event->on = atoi(strsep(&text, ","));
	event->mask = strtoul(strsep(&text, ","), NULL, 16);
	event->cookie = atoi(strsep(&text, ","));
	event->name = text;
}

int main(int argc, char *argv[])
{
	static struct stream_event events[2][100];
	char d[] = "d", e[] = "e";
	char *paths[2] = { d, e };
	struct stream wanted = {
		.paths = paths, .watches = 2, .events = events[0],
	};
	struct stream came = {
		.paths = paths, .watches = 2, .events = events[1],
	};
	struct stream *stream = &wanted;
	struct stream_verdict v;
	int i;

	for (i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--"))
			add(stream, argv[i]);
		else
			stream = &came;
	}
	stream_compare(&wanted, &came, !strcmp(argv[1], "names"), &v);
	printf("%s lost %u extra %u dead %u order %u last %u pairs %u overflows %u\n%s\n",
	       v.same ? "same" : "differ", v.lost, v.extra, v.dead, v.order,
	       v.wrong_last, v.pairs, v.overflows, v.problem);
	return 0;
}
