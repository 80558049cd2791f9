// SPDX-License-Identifier: GPL-2.0
/*
 * The same work twice: by the actor on the share, and by this process on a
 * local file system.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "burst.h"

#define SCRIPT_LINE_MAX	1024	/* one line of a script */
#define CHUNK_MAX	3900	/* escaped text of one step */
#define DIRENT		(IN_CREATE | IN_DELETE | IN_MOVE)

__printf(2, 3)
static const char *tell(struct burst *burst, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(burst->problem, sizeof(burst->problem), format, args);
	va_end(args);
	return burst->problem;
}

static const char *tell_error(struct burst *burst, const char *what, int error)
{
	return tell(burst, "%s: %s", what, strerror(error));
}

/* ------------------------------------------------------------- both sides */

static const char *make_top(struct burst *burst)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(burst->top, sizeof(burst->top), "%s/native-XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(burst->top)) {
		int error = errno;

		burst->top[0] = '\0';
		return tell_error(burst, "native folder", error);
	}
	if (chmod(burst->top, 0777))
		return tell_error(burst, burst->top, errno);
	return NULL;
}

const char *burst_open(struct burst *burst, struct act *act)
{
	const char *text;
	int ret;

	memset(burst, 0, sizeof(*burst));
	burst->act = act;
	burst->native.root = -1;
	text = make_top(burst);
	if (text)
		return text;
	ret = step_actor_init(&burst->native, burst->top);
	if (!ret)
		ret = stream_open(&burst->wanted);
	if (!ret)
		ret = stream_open(&burst->came);
	if (ret)
		return tell_error(burst, "native side", -ret);
	ret = inotify_add_watch(burst->came.group.fd, EVENTS_SENTINELS,
				IN_CREATE);
	if (ret < 0)
		return tell_error(burst, EVENTS_SENTINELS, errno);
	burst->came.sentinels = ret;
	return NULL;
}

void burst_close(struct burst *burst)
{
	stream_close(&burst->wanted);
	stream_close(&burst->came);
	free(burst->script);
	burst->script = NULL;
	if (!burst->top[0])
		return;
	step_actor_fini(&burst->native);
	act_remove_tree(burst->top);
	burst->top[0] = '\0';
}

int burst_watch(struct burst *burst, const char *path, __u32 mask)
{
	int wanted = stream_watch(&burst->wanted, burst->top, path, mask);
	int came = stream_watch(&burst->came, ".", path, mask);

	if (wanted < 0)
		return wanted;
	return came == wanted || came < 0 ? came : -EXDEV;
}

/* Paths of all directories in a tree. */
struct found {
	char	**paths;
	size_t	count;
};

static int find_folders(const struct burst *burst, struct found *found,
			const char *path)
{
	char full[2 * PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int ret = 0;

	snprintf(full, sizeof(full), "%s/%s", burst->top, path);
	dir = opendir(full);
	found->paths = realloc(found->paths,
			       (found->count + 1) * sizeof(*found->paths));
	if (!dir || !found->paths)
		return -errno;
	found->paths[found->count++] = strdup(path);
	while (!ret && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, ".."))
			continue;
		snprintf(full, sizeof(full), "%s/%s", path, entry->d_name);
		ret = find_folders(burst, found, full);
	}
	closedir(dir);
	return ret;
}

/* Found first, watched second: to look for them is seen, too. */
int burst_watch_tree(struct burst *burst, const char *path, __u32 mask)
{
	struct found found = { 0 };
	int ret = find_folders(burst, &found, path);
	size_t i;

	for (i = 0; i < found.count; i++) {
		if (ret >= 0)
			ret = burst_watch(burst, found.paths[i], mask);
		free(found.paths[i]);
	}
	free(found.paths);
	return ret;
}

/* ---------------------------------------------------------------- scripts */

const char *burst_line(struct burst *burst, const char *format, ...)
{
	size_t used = burst->script ? strlen(burst->script) : 0;
	char line[SCRIPT_LINE_MAX];
	char *script;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(line))
		return tell(burst, "line of a script: too long");
	script = realloc(burst->script, used + len + 2);
	if (!script)
		return tell_error(burst, "line of a script", ENOMEM);
	sprintf(script + used, "%s\n", line);
	burst->script = script;
	return NULL;
}

/* As many whole lines as one step can have: their length. */
static size_t chunk_of(const char *script)
{
	char chunk[CHUNK_MAX];
	size_t fits = 0;
	const char *end;

	while ((end = strchr(script + fits, '\n'))) {
		size_t len = end + 1 - script;

		if (!step_escape(chunk, sizeof(chunk), script, len))
			break;
		fits = len;
	}
	return fits;
}

static const char *hand_over(struct burst *burst)
{
	const char *rest = burst->script;
	const char *problem = NULL;
	size_t len;
	char *chunk;

	while (!problem && *rest) {
		len = chunk_of(rest);
		if (!len)
			return tell(burst, "script: a line is too long");
		chunk = strndup(rest, len);
		if (!chunk)
			return tell_error(burst, "script", ENOMEM);
		problem = act_do(burst->act, "script", chunk, NULL);
		free(chunk);
		rest += len;
	}
	return problem;
}

/* One step on the native side; its values are in burst->answers. */
static int do_native(struct burst *burst, const char *verb, const char *a,
		     const char *b, const char *c)
{
	char *const argv[] = { (char *)verb, (char *)a, (char *)b, (char *)c };
	int argc = 2 + !!b + (b && c);

	return step_execute(&burst->native, argc, argv, burst->answers,
			    sizeof(burst->answers));
}

static const char *play_there(struct burst *burst, bool late)
{
	const char *problem = hand_over(burst);
	const char *again = NULL;

	late &= burst->act->remote;
	if (!problem && late)
		problem = act_server(burst->act, "pause");
	if (problem)
		return problem;
	problem = act_do(burst->act, "play", ".", NULL);
	if (late)
		again = act_server(burst->act, "continue");
	return problem ? problem : again;
}

/* The line that these numbers are the first to differ in, or not 0 if "fine". */
static const char *judge(struct burst *burst, bool fine)
{
	char *native = burst->answers, *there = burst->act->values;
	char *line = burst->script;

	while (*line) {
		long want = strtol(native, &native, 10);
		long came = strtol(there, &there, 10);

		if (want != came || (fine && came))
			return tell(burst, "line %.*s: %s there, %s here",
				    (int)strcspn(line, "\n"), line,
				    strerror(came), strerror(want));
		native += *native == ',';
		there += *there == ',';
		line = strchr(line, '\n') + 1;
	}
	return NULL;
}

static const char *play_both(struct burst *burst, bool fine, bool late)
{
	const char *problem = play_there(burst, late);
	int ret;

	if (problem)
		return problem;
	ret = do_native(burst, "script", burst->script, NULL, NULL);
	if (!ret)
		ret = do_native(burst, "play", ".", NULL, NULL);
	if (ret)
		return tell_error(burst, "native play", ret);
	return judge(burst, fine);
}

const char *burst_play(struct burst *burst, bool fine, bool late)
{
	const char *problem;

	if (!burst->script)
		return tell(burst, "nothing to play");
	problem = play_both(burst, fine, late);
	free(burst->script);
	burst->script = NULL;
	return problem;
}

/* -------------------------------------------------------------- workloads */

/* "STATUS [TEXT]" of one side. */
static const char *judge_run(struct burst *burst, const char *side,
			     const char *name, char *values)
{
	char *text = strchr(values, ' ');
	size_t len;

	if (!strcmp(values, "0"))
		return NULL;
	if (text && !step_unescape(text + 1, &len))
		text = NULL;
	if (text)
		*text = '\0';
	return tell(burst, "workload %s %s: exit status %s%s%s", name, side,
		    values, text ? ": " : "", text ? text + 1 : "");
}

const char *burst_run(struct burst *burst, const char *name, const char *arg)
{
	const char *problem = act_do(burst->act, "run", ".", name, arg, NULL);
	int ret;

	if (!problem)
		problem = judge_run(burst, "there", name, burst->act->values);
	if (problem)
		return problem;
	ret = do_native(burst, "run", ".", name, arg);
	if (ret)
		return tell_error(burst, name, ret);
	return judge_run(burst, "here", name, burst->answers);
}

bool burst_can(struct burst *burst, const char *program)
{
	return !burst_run(burst, "need", program);
}

/* ------------------------------------------------------------------ events */

static bool is_there(const char *folder, const char *path, const char *name)
{
	char full[2 * PATH_MAX];
	struct stat st;

	snprintf(full, sizeof(full), "%s/%s/%s", folder, path, name);
	return !lstat(full, &st);
}

/* Who has read the events and looks for the names finds what they said. */
static const char *look_at_names(struct burst *burst)
{
	const struct stream *came = &burst->came;
	size_t i;

	for (i = 0; i < came->count; i++) {
		const struct stream_event *event = &came->events[i];
		const char *path;

		if (event->on < 0 || !(event->mask & DIRENT))
			continue;
		path = came->paths[event->on];
		if (is_there(".", path, event->name) !=
		    is_there(burst->top, path, event->name))
			return tell(burst, "stat after all: %s/%s is %s",
				    path, event->name,
				    is_there(".", path, event->name) ?
				    "still there" : "not there");
	}
	return NULL;
}

static const char *read_both(struct burst *burst)
{
	const char *problem = stream_read(&burst->wanted, 0);

	if (!problem)
		problem = act_sentinel(burst->act);
	if (!problem)
		problem = stream_read(&burst->came, burst->act->sentinels);
	return problem;
}

const char *burst_compare(struct burst *burst, bool by_name)
{
	const char *problem = read_both(burst);

	if (!problem) {
		stream_compare(&burst->wanted, &burst->came, by_name,
			       &burst->verdict);
		problem = burst->verdict.problem[0] ? burst->verdict.problem :
			  look_at_names(burst);
	}
	stream_forget(&burst->wanted);
	stream_forget(&burst->came);
	return problem;
}
