// SPDX-License-Identifier: GPL-2.0
/*
 * The actor of a test: this process or somebody else.
 */
#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "act.h"
#include "events.h"
#include "keeper.h"

#ifndef FUSE_SUPER_MAGIC	/* older headers lack it */
#define FUSE_SUPER_MAGIC	0x65735546
#endif

/* A path in the test's folder, as seen from the share's top. */
#define STEP_PATH_MAX	(NAME_MAX * 4)

/* Which arguments of a verb are paths: bit 0 is the first. */
static const struct {
	const char	*verb;
	unsigned int	paths;
} verbs_without_one_path[] = {
	{ "rename", 3 }, { "link", 3 }, { "symlink", 2 },
	{ "read", 0 }, { "pwrite", 0 }, { "close", 0 }, { "nop", 0 },
	{ "flink", 2 }, { "fsync", 0 }, { "drop", 0 }, { "script", 0 },
};

struct step {
	int	argc;
	char	*argv[STEP_ARGS_MAX + 1];
	char	paths[2][STEP_PATH_MAX];
};

static const char *tell_problem(struct act *act, const char *what, int error)
{
	snprintf(act->problem, sizeof(act->problem), "%s: %s", what,
		 strerror(error));
	return act->problem;
}

static unsigned int paths_of(const char *verb)
{
	size_t i;

	for (i = 0; i < sizeof(verbs_without_one_path) /
			sizeof(*verbs_without_one_path); i++)
		if (!strcmp(verbs_without_one_path[i].verb, verb))
			return verbs_without_one_path[i].paths;
	return 1;
}

static void fill_step(const struct act *act, struct step *step,
		      const char *verb, va_list args)
{
	unsigned int paths = paths_of(verb);
	int used = 0;
	char *arg;

	memset(step, 0, sizeof(*step));
	step->argv[step->argc++] = (char *)verb;
	while (step->argc < STEP_ARGS_MAX) {
		arg = va_arg(args, char *);
		if (!arg)
			break;
		if (paths & 1) {
			snprintf(step->paths[used], STEP_PATH_MAX, "%s/%s",
				 act->work, arg);
			arg = step->paths[used++];
		}
		paths >>= 1;
		step->argv[step->argc++] = arg;
	}
}

static int step_here(struct act *act, const struct step *step)
{
	return step_execute(&act->here, step->argc, step->argv, act->values,
			    sizeof(act->values));
}

/* Whatever is open there when a test fails would be in the next one's way. */
static void note_handle(struct act *act, char *const argv[])
{
	if (!strcmp(argv[0], "open"))
		act->handles |= 1U << atoi(argv[3]);
	if (!strcmp(argv[0], "tmpfile"))
		act->handles |= 1U << atoi(argv[2]);
	if (!strcmp(argv[0], "close"))
		act->handles &= ~(1U << atoi(argv[1]));
	/* Whatever its lines say. */
	if (!strcmp(argv[0], "play"))
		act->handles = ~0U;
}

static void close_handles(struct act *act)
{
	if (act->handles)
		steps_ask(&act->steps, "host", "drop", NULL);
	act->handles = 0;
}

static int step_there(struct act *act, const struct step *step)
{
	char *const *a = step->argv;
	int ret;

	ret = steps_ask(&act->steps, "host", a[0], a[1], a[2], a[3], a[4],
			a[5], a[6], a[7], NULL);
	if (ret < 0)
		steps_broken(strerror(-ret));
	if (!ret)
		note_handle(act, step->argv);
	snprintf(act->values, sizeof(act->values), "%s", act->steps.values);
	return ret;
}

static const char *judge(struct act *act, bool remote, const struct step *step,
			 int ret, int wanted)
{
	if (ret == wanted)
		return NULL;
	snprintf(act->problem, sizeof(act->problem),
		 "step of %s: %s %.200s: %s, wanted: %s",
		 remote ? "host" : "this process", step->argv[0],
		 step->argc > 1 ? step->argv[1] : "",
		 strerror(ret < 0 ? -ret : ret), strerror(wanted));
	return act->problem;
}

int act_try(struct act *act, bool remote, const char *verb, ...)
{
	struct step step;
	va_list args;

	va_start(args, verb);
	fill_step(act, &step, verb, args);
	va_end(args);
	return remote && act->remote ? step_there(act, &step) :
				       step_here(act, &step);
}

const char *act_here(struct act *act, const char *verb, ...)
{
	struct step step;
	va_list args;

	int ret;

	va_start(args, verb);
	fill_step(act, &step, verb, args);
	va_end(args);
	ret = step_here(act, &step);
	if (ret == EROFS && act->read_only)
		return judge(act, true, &step, step_there(act, &step), 0);
	return judge(act, false, &step, ret, 0);
}

static const char *act_list(struct act *act, int wanted, const char *verb,
			    va_list args)
{
	struct step step;
	int ret;

	fill_step(act, &step, verb, args);
	ret = act->remote ? step_there(act, &step) : step_here(act, &step);
	return judge(act, act->remote, &step, ret, wanted);
}

const char *act_do(struct act *act, const char *verb, ...)
{
	const char *text;
	va_list args;

	va_start(args, verb);
	text = act_list(act, 0, verb, args);
	va_end(args);
	return text;
}

const char *act_at_top(struct act *act, const char *verb, ...)
{
	char work[sizeof(act->work)];
	const char *text;
	va_list args;

	memcpy(work, act->work, sizeof(work));
	snprintf(act->work, sizeof(act->work), ".");
	va_start(args, verb);
	text = act_list(act, 0, verb, args);
	va_end(args);
	memcpy(act->work, work, sizeof(work));
	return text;
}

const char *act_fails(struct act *act, int error, const char *verb, ...)
{
	const char *text;
	va_list args;

	va_start(args, verb);
	text = act_list(act, error, verb, args);
	va_end(args);
	return text;
}

const char *act_sentinel(struct act *act)
{
	char name[32], path[64];

	events_sentinel_name(name, sizeof(name), ++act->sentinels);
	snprintf(path, sizeof(path), "%s/%s", EVENTS_SENTINELS, name);
	return act_do(act, "mkdir", path, "755", NULL);
}

long act_swap_number(const char *path, long number)
{
	FILE *file = fopen(path, "r+");
	long before;
	int ret;

	if (!file)
		return -errno;
	if (fscanf(file, "%ld", &before) != 1)
		before = -EIO;
	rewind(file);
	ret = fprintf(file, "%ld\n", number);
	if (fclose(file) || ret < 0)
		return -errno;
	return before;
}

/* ---------------------------------------------------------------- folder */

/* Our own mount hides nothing from others and goes with this process. */
static const char *own_mount(struct act *act)
{
	if (geteuid())
		return NULL;
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", act->top, "tmpfs", 0, NULL))
		return tell_problem(act, "mount a tmpfs", errno);
	act->own_mount = true;
	return NULL;
}

/* What others do to a local file system they do here. */
static bool is_local(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) || fs.f_type != FUSE_SUPER_MAGIC;
}

static const char *own_folder(struct act *act)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(act->top, sizeof(act->top), "%s/remote-notify-XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(act->top))
		return tell_problem(act, act->top, errno);
	act->own_folder = true;
	return own_mount(act);
}

static const char *find_top(struct act *act)
{
	const char *share = getenv(STEPS_ENV_SHARE);

	if (!share || !*share)
		return own_folder(act);
	snprintf(act->top, sizeof(act->top), "%s", share);
	return NULL;
}

/* A folder for everybody, below the top: 0 or an errno. */
static int make_folder(struct act *act, const char *name)
{
	char path[PATH_MAX + 2 * sizeof(act->work)];
	int ret;

	snprintf(path, sizeof(path), "%s/%s", act->top, name);
	if (!mkdir(path, 0777))
		return chmod(path, 0777) ? errno : 0;
	if (errno != EROFS)
		return errno;
	act->read_only = true;
	if (!act->connected)
		return EROFS;
	ret = steps_ask(&act->steps, "host", "mkdir", name, "777", NULL);
	return ret < 0 ? -ret : ret;
}

/* The same names in every run, so that logs can be compared. */
static int make_fresh(struct act *act)
{
	int i, ret;

	snprintf(act->work, sizeof(act->work), "case");
	ret = make_folder(act, act->work);
	for (i = 2; ret == EEXIST; i++) {
		snprintf(act->work, sizeof(act->work), "case-%d", i);
		ret = make_folder(act, act->work);
	}
	if (ret)
		act->work[0] = '\0';
	return ret;
}

static const char *make_work(struct act *act)
{
	char path[PATH_MAX + sizeof(act->work)], name[2 * sizeof(act->work)];
	int ret = make_fresh(act);

	if (ret && act->read_only && !act->connected) {
		act->skip = "the share is read-only here";
		return NULL;
	}
	if (ret)
		return tell_problem(act, act->top, ret);
	snprintf(path, sizeof(path), "%s/%s", act->top, act->work);
	if (chdir(path))
		return tell_problem(act, path, errno);
	snprintf(name, sizeof(name), "%s/%s", act->work, EVENTS_SENTINELS);
	ret = make_folder(act, name);
	return ret ? tell_problem(act, name, ret) : NULL;
}

/* No error: without another actor the test is skipped. */
static const char *connect_remote(struct act *act, const char *folder)
{
	int ret = steps_open(&act->steps, folder);

	if (ret == -ENOTCONN) {
		act->skip = "no other actor";
		return NULL;
	}
	if (ret) {
		steps_broken(strerror(-ret));
		return tell_problem(act, "steps_open", -ret);
	}
	act->connected = true;
	return NULL;
}

static int ask_server(struct act *act, const char *verb, const char *a,
		      const char *b, const char *c)
{
	int ret;

	/* After act_unmount() the share is gone, but its server is not */
	if (!act->connected && connect_remote(act, "/"))
		return EIO;
	if (!act->connected)
		return ENOTCONN;
	ret = steps_ask(&act->steps, "server", verb, a, b, c, NULL);
	if (ret < 0)
		steps_broken(strerror(-ret));
	return ret < 0 ? -ret : ret;
}

const char *act_server(struct act *act, const char *verb)
{
	int ret = ask_server(act, verb, NULL, NULL, NULL);

	return ret ? tell_problem(act, verb, ret) : NULL;
}

long act_server_number(struct act *act, const char *what)
{
	int ret = ask_server(act, what, NULL, NULL, NULL);

	return ret ? -ret : atol(act->steps.values);
}

const char *act_watches(struct act *act, int min, int max)
{
	char from[16], to[16], ms[16];
	int ret, count;

	snprintf(from, sizeof(from), "%d", min);
	snprintf(to, sizeof(to), "%d", max);
	snprintf(ms, sizeof(ms), "%d", events_limit_ms());
	ret = ask_server(act, "watches", from, to, ms);
	if (ret)
		return tell_problem(act, "watches", ret);
	count = atoi(act->steps.values);
	if (count >= min && count <= max)
		return NULL;
	snprintf(act->problem, sizeof(act->problem),
		 "server: keeps %d watches, wanted %s to %s", count, from, to);
	return act->problem;
}

const char *act_open(struct act *act, bool remote)
{
	const char *text;
	int ret;

	memset(act, 0, sizeof(*act));
	act->remote = remote;
	act->here.root = -1;
	text = find_top(act);
	if (!text && remote)
		text = connect_remote(act, act->top);
	if (!text && !act->skip)
		text = make_work(act);
	if (text || act->skip)
		return text;
	act->elsewhere = remote && !is_local(act->top);
	ret = step_actor_init(&act->here, act->top);
	if (ret) {
		act->here.root = -1;
		return tell_problem(act, "step_actor_init", ret < 0 ? -ret : ret);
	}
	return NULL;
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

void act_remove_tree(const char *path)
{
	nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void leave(struct act *act)
{
	if (act->connected) {
		close_handles(act);
		steps_close(&act->steps);
	}
	act->connected = false;
	if (act->here.root >= 0)
		step_actor_fini(&act->here);
	act->here.root = -1;
	if (chdir("/"))
		perror("chdir /");
}

/* As it was, for the next test of a run that has only one mount. */
static void mount_again(const char *top)
{
	const char *mounted = getenv(STEPS_ENV_MOUNT);
	const char *type = getenv(STEPS_ENV_MOUNT_TYPE);
	const char *source = getenv(STEPS_ENV_MOUNT_SOURCE);
	const char *options = getenv(STEPS_ENV_MOUNT_OPTIONS);
	const char *server = getenv(STEPS_ENV_MOUNT_SERVER);

	if (!type || !mounted)
		return;
	if (server ? keeper_mount(server, getenv(STEPS_ENV_SERVED), mounted, options,
				  getenv(STEPS_ENV_SERVER_PID)) :
		     mount(source ? source : type, mounted, type, 0, options))
		return;
	/* A tmpfs is empty now. */
	if (!mkdir(top, 0777))
		chmod(top, 0777);
}

void act_close(struct act *act)
{
	char path[PATH_MAX + sizeof(act->work)];

	leave(act);
	if (act->unmounted)
		mount_again(act->top);
	if (act->work[0] && !act->own_mount) {
		snprintf(path, sizeof(path), "%s/%s", act->top, act->work);
		act_remove_tree(path);
	}
	if (act->own_mount)
		umount2(act->top, MNT_DETACH);
	if (act->own_folder)
		rmdir(act->top);
}

const char *act_step_out(struct act *act)
{
	if (chdir("/"))
		return tell_problem(act, "chdir /", errno);
	if (!act->remote || act->own_mount)
		return NULL;
	if (act->here.root >= 0)
		step_actor_fini(&act->here);
	/* An ordinary folder is no mount. */
	if (umount2(act->top, 0) && errno != EINVAL && errno != EPERM)
		return tell_problem(act, "umount", errno);
	return NULL;
}

const char *act_unmount(struct act *act)
{
	const char *mounted = getenv(STEPS_ENV_MOUNT);

	if (act->own_mount)
		mounted = act->top;
	if (!mounted) {
		act->skip = "the share is not a mount of this process alone";
		return NULL;
	}
	leave(act);
	if (umount2(mounted, 0))
		return tell_problem(act, "umount", errno);
	if (act->own_mount)
		act->work[0] = '\0';
	act->unmounted = !act->own_mount;
	act->own_mount = false;
	return NULL;
}
