// SPDX-License-Identifier: GPL-2.0
/*
 * What a watcher sees while this process and another actor work on one small
 * tree. Not a test: prints, and judges nothing; two runs of the same steps on
 * two file systems can be compared.
 *
 *	replay STEP...		STEP: "g VERB ARG..." by this process, or
 *				"h VERB ARG..." by the other actor, or "-" for
 *				a new tree; the fields with a blank between
 *
 * The tree has the directories d, d/sub and e, and the files d/f and e/g. All
 * five are watched for everything by one inotify group. For each step it prints
 *
 *	step ERRNO
 *	event WATCH MASK COOKIE [NAME]	MASK: hex; COOKIE: 0, or 1, 2, ... in the
 *					order in which they came
 *	...
 *
 * where the events are those that came until one by the other actor did that
 * was made last.
 *
 *	replay bursts FILE	lists with an empty line behind each: "late" or
 *				"soon", then lines of a script (steps.h)
 *
 * The other actor plays each list in a new tree, at once, and nobody reads
 * meanwhile (burst.h; "late": nor does the server). For each it prints one of
 *
 *	same			as on a local file system
 *	joined			as that, but for what may be joined (stream.h)
 *	wrong LOST EXTRA DEAD ORDER LAST PAIRS OVERFLOWS PROBLEM
 *	stale PROBLEM		the events are right, and what is seen then is not
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../burst.h"
#include "gauge.h"

#define WORDS_MAX	5
#define COOKIES_MAX	256

static const char *const watched[] = { "d", "d/sub", "d/f", "e", "e/g" };

#define WATCHED		(sizeof(watched) / sizeof(watched[0]))

static int watches[WATCHED];
static __u32 seen_cookies[COOKIES_MAX];

static const char tree[] =
	"mkdir d 777\nmkdir d/sub 777\nmkdir e 777\ncreate d/f 666\n"
	"create e/g 666\n";

static struct burst burst;

static void begin(void)
{
	size_t i;

	memset(&stage, 0, sizeof(stage));
	memset(&ev, 0, sizeof(ev));
	memset(seen_cookies, 0, sizeof(seen_cookies));
	open_stage();
	fine("mkdir", act_here(&stage, "mkdir", "d", "777", NULL));
	fine("mkdir", act_here(&stage, "mkdir", "d/sub", "777", NULL));
	fine("mkdir", act_here(&stage, "mkdir", "e", "777", NULL));
	fine("create", act_here(&stage, "create", "d/f", "666", NULL));
	fine("create", act_here(&stage, "create", "e/g", "666", NULL));
	open_group();
	for (i = 0; i < WATCHED; i++)
		watches[i] = need(watched[i], events_watch(&ev, watched[i],
							   IN_ALL_EVENTS));
}

static int cookie_number(__u32 cookie)
{
	int i;

	if (!cookie)
		return 0;
	for (i = 1; i < COOKIES_MAX && seen_cookies[i]; i++) {
		if (seen_cookies[i] == cookie)
			return i;
	}
	if (i == COOKIES_MAX)
		fail("cookies", "too many");
	seen_cookies[i] = cookie;
	return i;
}

static void show(const struct event *event)
{
	size_t i;

	if (event->mask & IN_Q_OVERFLOW)
		fail("queue", "overflow");
	for (i = 0; i < WATCHED; i++) {
		if (event->on == watches[i])
			printf("event %s %llx %d %s\n", watched[i],
			       (unsigned long long)event->mask,
			       cookie_number(event->cookie), event->name);
	}
}

static void show_events(void)
{
	struct event event;
	int ret;

	fine("sentinel", act_sentinel(&stage));
	do {
		ret = need("read", events_next(&ev, &event));
		if (!ret)
			fail("events", "the last one did not come");
		show(&event);
	} while (event.on != ev.sentinel);
}

static void play(char *text)
{
	char *words[WORDS_MAX + 2] = { NULL };
	size_t count = 0;
	char *word;

	for (word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		if (count > WORDS_MAX)
			fail(text, "too many words");
		words[count++] = word;
	}
	if (count < 2)
		fail(text, "no step");
	printf("step %d\n",
	       need(words[1], act_try(&stage, *words[0] == 'h', words[1],
				      words[2], words[3], words[4], NULL)));
	show_events();
}

static void judge(const char *problem)
{
	const struct stream_verdict *v = &burst.verdict;

	if (v->problem[0])
		printf("wrong %u %u %u %u %u %u %u %s\n", v->lost, v->extra,
		       v->dead, v->order, v->wrong_last, v->pairs,
		       v->overflows, v->problem);
	else if (problem)
		printf("stale %s\n", problem);
	else
		printf("%s\n", v->same ? "same" : "joined");
	fflush(stdout);
}

static void open_burst(void)
{
	char setup[sizeof(tree)], *rest = setup, *line;
	size_t i;

	memset(&stage, 0, sizeof(stage));
	open_stage();
	fine("native side", burst_open(&burst, &stage));
	memcpy(setup, tree, sizeof(tree));
	while ((line = strsep(&rest, "\n")) && *line)
		fine(line, burst_line(&burst, "%s", line));
	fine("tree", burst_play(&burst, true, false));
	for (i = 0; i < WATCHED; i++)
		need(watched[i], burst_watch(&burst, watched[i], IN_ALL_EVENTS));
}

static void play_burst(bool late)
{
	fine("list", burst_play(&burst, false, late));
	judge(burst_compare(&burst, false));
	burst_close(&burst);
	act_close(&stage);
}

static void play_bursts(FILE *file)
{
	char line[256];
	bool late;

	while (fgets(line, sizeof(line), file)) {
		late = !strcmp(line, "late\n");
		open_burst();
		while (fgets(line, sizeof(line), file) && *line != '\n') {
			line[strcspn(line, "\n")] = '\0';
			fine(line, burst_line(&burst, "%s", line));
		}
		play_burst(late);
	}
}

int main(int argc, char *argv[])
{
	FILE *file;
	int i;

	if (argc == 3 && !strcmp(argv[1], "bursts")) {
		file = fopen(argv[2], "r");
		if (!file)
			fail(argv[2], strerror(errno));
		play_bursts(file);
		return 0;
	}
	begin();
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-")) {
			play(argv[i]);
			continue;
		}
		close_both();
		begin();
	}
	close_both();
	return 0;
}
