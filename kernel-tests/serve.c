// SPDX-License-Identifier: GPL-2.0
/*
 * Serves steps: reads requests from a line, has them carried out, replies.
 *
 * Rules of this file:
 *  - What comes over a line may be anything. It is bounded first, checked
 *    second and acted upon last; each line gets exactly one answer.
 *  - Nothing here waits for ever, except steps_serve() for the next request.
 *  - Functions return 0 or a negative errno; errno becomes positive where it is
 *    an answer: reply().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "steps.h"
#include "verbs.h"
#include "wire.h"

#define REPLY_ROOM	(STEP_LINE_MAX - HEAD_MAX)	/* for VALUEs */

struct request {
	unsigned long long seq;		/* 0: unreadable */
	unsigned long long deadline_ms;
	int argc;
	char *argv[STEP_ARGS_MAX];
};

static int split_fields(struct request *request, char *line)
{
	char *field;

	request->argc = 0;
	while ((field = strsep(&line, " "))) {
		if (request->argc == STEP_ARGS_MAX)
			return -E2BIG;
		request->argv[request->argc++] = field;
	}
	return 0;
}

/* Malformed before unusable: EBADMSG is about the line, EINVAL about the step. */
static int unescape_fields(struct request *request)
{
	bool has_nul = false;
	size_t len;
	int i;

	for (i = 0; i < request->argc; i++) {
		if (!step_unescape(request->argv[i], &len))
			return -EBADMSG;
		has_nul |= strlen(request->argv[i]) != len;
	}
	return has_nul ? -EINVAL : 0;
}

static int parse_request(struct request *request, char *line, size_t len)
{
	int err;

	request->seq = read_seq(line);
	if (strlen(line) != len)
		return -EBADMSG;
	err = split_fields(request, line);
	if (!err)
		err = unescape_fields(request);
	if (err)
		return err;
	if (!request->seq || request->argc <= FIELDS_BEFORE ||
	    !step_number(request->argv[1], 10, UINT_MAX, &request->deadline_ms))
		return -EBADMSG;
	return 0;
}

static int serve_step(struct step_actor *actor, const struct request *request,
		      char *values, size_t size)
{
	const char *name = request->argv[2];
	int err;

	values[0] = '\0';
	if (actor->plays_server && !strcmp(name, "server"))
		return -step_play_server(actor, request->argc - FIELDS_BEFORE,
					 request->argv + FIELDS_BEFORE, values,
					 size);
	if (strcmp(name, "host") && strcmp(name, "guest2"))
		return -ENXIO;
	actor->until = step_now() + request->deadline_ms;
	err = -step_execute(actor, request->argc - FIELDS_BEFORE,
			    request->argv + FIELDS_BEFORE, values, size);
	actor->until = 0;
	return err;
}

static int reply(int out, unsigned long long seq, int err, const char *values)
{
	char line[STEP_LINE_MAX];
	int len = snprintf(line, sizeof(line), "%llu %d%s%s\n", seq, -err,
			   *values ? " " : "", values);

	return write_all(out, line, len, LLONG_MAX);
}

static int serve_line(struct step_actor *actor, char *line, size_t len,
		      bool overlong, int out)
{
	struct request request = { 0 };
	char values[REPLY_ROOM] = "";
	int err;

	if (overlong) {
		request.seq = read_seq(line);
		err = -EMSGSIZE;
	} else {
		err = parse_request(&request, line, len);
		if (!err)
			err = serve_step(actor, &request, values, sizeof(values));
	}
	return reply(out, request.seq, err, err ? "" : values);
}

/* What came last has no newline: it may be half a request, so it is not one. */
static int serve_rest(struct step_lines *lines, int out)
{
	char head[HEAD_MAX + 1] = "";
	size_t len = lines->have < HEAD_MAX ? lines->have : HEAD_MAX;

	if (!lines->have)
		return 0;
	memcpy(head, lines->buf, len);
	return reply(out, read_seq(head), -EBADMSG, "");
}

int steps_serve(struct step_actor *actor, int in, int out)
{
	char buf[STEP_LINE_MAX];
	struct step_lines lines = { .buf = buf, .size = sizeof(buf) };
	bool overlong;
	size_t len;
	char *line;
	int err;

	for (;;) {
		while ((line = step_lines_next(&lines, &len, &overlong))) {
			err = serve_line(actor, line, len, overlong, out);
			if (err)
				return err;
		}
		err = step_lines_read(&lines, in);
		if (err == -EAGAIN)
			err = wait_ready(in, POLLIN, LLONG_MAX);
		else if (!err)
			return serve_rest(&lines, out);
		if (err < 0)
			return err;
	}
}
