// SPDX-License-Identifier: GPL-2.0
/*
 * Scripts of steps: collected first, and then played without a pause.
 *
 * Rules of this file:
 *  - All of a script is looked at before its first line is played: what is
 *    malformed has done nothing.
 *  - A line is a step as any other, in the folder that the script is played in.
 *    It cannot play or run anything itself.
 *  - Functions return 0 or a negative errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "paths.h"
#include "verbs.h"

struct line {
	int argc;
	char *argv[STEP_ARGS_MAX];
};

int step_script(struct step *step)
{
	struct step_actor *actor = step->actor;
	size_t used = actor->script ? strlen(actor->script) : 0;
	size_t len = strlen(step->argv[0]);
	char *script;

	if (actor->playing)
		return -EINVAL;
	if (used + len >= STEP_SCRIPT_MAX)
		return -EMSGSIZE;
	script = realloc(actor->script, used + len + 1);
	if (!script)
		return -ENOMEM;
	memcpy(script + used, step->argv[0], len + 1);
	actor->script = script;
	return 0;
}

static int split_line(struct line *line, char *text)
{
	char *field;
	size_t len;

	line->argc = 0;
	while ((field = strsep(&text, " "))) {
		if (line->argc == STEP_ARGS_MAX)
			return -E2BIG;
		if (!step_unescape(field, &len))
			return -EBADMSG;
		if (strlen(field) != len)
			return -EINVAL;
		line->argv[line->argc++] = field;
	}
	return 0;
}

/* How many lines there are, or -errno. */
static int split_script(struct line *lines, char *script)
{
	int count = 0, err;
	char *end;

	for (; (end = strchr(script, '\n')); script = end + 1) {
		*end = '\0';
		if (count == STEP_PLAY_MAX)
			return -E2BIG;
		err = split_line(&lines[count++], script);
		if (err)
			return err;
	}
	return *script ? -EBADMSG : count;
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static size_t put(struct step *step, size_t used, const char *format, ...)
{
	va_list args;
	int len;

	if (used >= step->size)
		return used;
	va_start(args, format);
	len = vsnprintf(step->values + used, step->size - used, format, args);
	va_end(args);
	return used + len;
}

/* "0,0,17": a number for each line; timed: "NS 0@3,0@11,17@30". */
static int play_lines(struct step *step, const struct line *lines, int count,
		      bool timed)
{
	char dropped[STEP_LINE_MAX];
	long long begin = now_ns();
	size_t used = 0;
	int i, ret;

	if (timed)
		used = put(step, used, "%lld ", begin);
	for (i = 0; i < count; i++) {
		if (step->actor->until && step_now() > step->actor->until)
			return -ETIMEDOUT;
		ret = step_execute(step->actor, lines[i].argc, lines[i].argv,
				   dropped, sizeof(dropped));
		used = put(step, used, "%s%d", i ? "," : "", ret);
		if (timed)
			used = put(step, used, "@%lld", (now_ns() - begin) / 1000);
	}
	return used < step->size ? 0 : -EMSGSIZE;
}

static int play_in(struct step *step, int folder, char *script, bool timed)
{
	struct line *lines = calloc(STEP_PLAY_MAX, sizeof(*lines));
	int count, err, root = step->actor->root;

	if (!lines)
		return -ENOMEM;
	count = split_script(lines, script);
	err = count < 0 ? count : count ? 0 : -ENODATA;
	if (!err) {
		step->actor->root = folder;
		step->actor->playing = true;
		err = play_lines(step, lines, count, timed);
		step->actor->playing = false;
		step->actor->root = root;
	}
	free(lines);
	return err;
}

static int play(struct step *step, bool timed)
{
	char *script = step->actor->script;
	int folder, err;

	if (step->actor->playing)
		return -EINVAL;
	if (!script)
		return -ENODATA;
	folder = open_node(step->actor, step->argv[0], O_DIRECTORY);
	if (folder < 0)
		return folder;
	err = play_in(step, folder, script, timed);
	close(folder);
	free(script);
	step->actor->script = NULL;
	return err;
}

int step_play(struct step *step)
{
	return play(step, false);
}

int step_timed(struct step *step)
{
	return play(step, true);
}
