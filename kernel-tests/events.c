// SPDX-License-Identifier: GPL-2.0
/*
 * Read inotify and fanotify events, and compare them with what is wanted.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "events.h"
#include "steps.h"

#define LIMIT_MS_DEFAULT	1000
#define PAIRS_MAX		8
#define LATER_MAX		8	/* events shown behind a wrong one */

/* ------------------------------------------------------------------ text */

void events_put(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, EVENTS_TEXT_MAX - used, format, args);
	va_end(args);
}

/* Any bytes, on one line. */
static void put_name(char *text, const char *name)
{
	events_put(text, " \"");
	for (; *name; name++) {
		unsigned char c = *name;

		if (c == '"' || c == '\\')
			events_put(text, "\\%c", c);
		else if (c < 0x80 && isprint(c))
			events_put(text, "%c", c);
		else
			events_put(text, "\\x%02x", c);
	}
	events_put(text, "\"");
}

/* inotify and fanotify share these bits; bit 30 has two names. */
static const char *const bit_names[] = {
	"ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN",
	"MOVED_FROM", "MOVED_TO", "CREATE", "DELETE", "DELETE_SELF",
	"MOVE_SELF", "OPEN_EXEC", "UNMOUNT", "Q_OVERFLOW", "IGNORED",
	[23] = "REMOTE", [28] = "RENAME",
};

static void put_mask(char *text, bool fanotify, __u64 mask)
{
	const char *prefix = fanotify ? "FAN_" : "IN_";
	const char *bar = "";
	int bit;

	for (bit = 0; bit < 32; bit++) {
		const char *name = NULL;

		if (!(mask & (1ULL << bit)))
			continue;
		if (bit == 30)
			name = fanotify ? "ONDIR" : "ISDIR";
		else if ((size_t)bit < sizeof(bit_names) / sizeof(*bit_names))
			name = bit_names[bit];
		if (name)
			events_put(text, "%s%s%s", bar, prefix, name);
		else
			events_put(text, "%s%#llx", bar, 1ULL << bit);
		bar = "|";
	}
	if (!mask)
		events_put(text, "no bit at all");
}

void events_put_inotify(char *text, __u32 mask, const char *name)
{
	put_mask(text, false, mask);
	if (*name)
		put_name(text, name);
}

static void put_object(char *text, const struct events *events, int id)
{
	size_t i;

	for (i = 0; i < events->known; i++) {
		if (events->objects[i].id == id) {
			events_put(text, "%s", events->objects[i].path);
			return;
		}
	}
	events_put(text, "%s", id ? "(unknown object)" : "(no object)");
}

static void put_event(char *text, const struct events *events,
		      const struct event *event)
{
	put_mask(text, events->fanotify, event->mask);
	if (event->name[0])
		put_name(text, event->name);
	if (event->to) {
		events_put(text, " to");
		put_name(text, event->to_name);
		events_put(text, " in ");
		put_object(text, events, event->to);
	}
	if (event->cookie)
		events_put(text, " cookie %u", event->cookie);
	events_put(text, " on ");
	put_object(text, events, event->on);
	if (event->child) {
		events_put(text, " child ");
		put_object(text, events, event->child);
	}
}

static void put_want(char *text, const struct events *events,
		     const struct want *want)
{
	put_mask(text, events->fanotify, want->mask);
	if (want->name)
		put_name(text, want->name);
	if (want->to) {
		events_put(text, " to");
		put_name(text, want->to_name);
		events_put(text, " in ");
		put_object(text, events, want->to);
	}
	if (want->pair)
		events_put(text, " cookie of pair %d", want->pair);
	events_put(text, " on ");
	put_object(text, events, want->on);
	if (want->child == NO_CHILD) {
		events_put(text, " without child");
	} else if (want->child) {
		events_put(text, " child ");
		put_object(text, events, want->child);
	}
}

/* ---------------------------------------------------------------- groups */

int events_limit_ms(void)
{
	const char *value = getenv(STEPS_ENV_EVENT_MS);
	int ms = value ? atoi(value) : 0;

	return ms > 0 ? ms : LIMIT_MS_DEFAULT;
}

int events_inotify(struct events *events)
{
	memset(events, 0, sizeof(*events));
	events->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return events->fd < 0 ? -errno : 0;
}

bool events_knows_remote(void)
{
	static int known = -1;
	int fd;

	if (known < 0) {
		fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC |
				   FAN_REPORT_FID | FAN_REPORT_REMOTE, O_RDONLY);
		known = fd >= 0 || errno != EINVAL;
		if (fd >= 0)
			close(fd);
	}
	return known;
}

int events_fanotify(struct events *events, unsigned int flags)
{
	if (flags & (FAN_REPORT_FID | FAN_REPORT_DIR_FID) &&
	    events_knows_remote())
		flags |= FAN_REPORT_REMOTE;
	return events_fanotify_as_is(events, flags);
}

int events_fanotify_as_is(struct events *events, unsigned int flags)
{
	memset(events, 0, sizeof(*events));
	events->fanotify = true;
	events->nameless = !(flags & FAN_REPORT_NAME);
	events->asks_others = flags & FAN_REPORT_REMOTE;
	events->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK |
				   FAN_CLOEXEC | flags, O_RDONLY);
	return events->fd < 0 ? -errno : 0;
}

void events_close(struct events *events)
{
	if (events->fd > 0)
		close(events->fd);
	events->fd = 0;
}

/* Room for an object; an old entry with the same number is replaced. */
static struct events_object *object_slot(struct events *events, int id)
{
	size_t i;

	for (i = 0; i < events->known; i++)
		if (id && events->objects[i].id == id)
			return &events->objects[i];
	if (events->known == EVENTS_OBJECTS_MAX)
		return NULL;
	return &events->objects[events->known++];
}

int events_watch(struct events *events, const char *path, __u32 mask)
{
	struct events_object *object;
	int wd;

	wd = inotify_add_watch(events->fd, path, mask);
	if (wd < 0)
		return -errno;
	object = object_slot(events, wd);
	if (!object)
		return -ENOSPC;
	object->id = wd;
	snprintf(object->path, sizeof(object->path), "%s", path);
	return wd;
}

/*
 * The only place that knows how fdinfo says what was granted: by a last field
 * "remote:MASK", in hex, of the line of a mark. The numbers before it are hex.
 */
static long long granted_by_line(const char *line)
{
	const char *field = strstr(line, " remote:");
	unsigned long long mask;

	if (!field)
		return -ENODATA;
	if (sscanf(field, " remote:%llx", &mask) != 1)
		return -EBADMSG;
	return mask;
}

static bool is_line_of(const char *line, const struct events *events,
		       int object)
{
	unsigned long number;
	int i;

	if (!events->fanotify)
		return sscanf(line, "inotify wd:%lx", &number) == 1 &&
		       number == (unsigned long)object;
	i = object - 1;
	return sscanf(line, "fanotify ino:%lx", &number) == 1 &&
	       number == events->objects[i].inode;
}

long long events_granted(const struct events *events, int object)
{
	long long mask = -ENOENT;
	char path[64], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", events->fd);
	file = fopen(path, "r");
	if (!file)
		return -errno;
	while (mask == -ENOENT && fgets(line, sizeof(line), file))
		if (is_line_of(line, events, object))
			mask = granted_by_line(line);
	fclose(file);
	return mask;
}

/* A file handle as fanotify reports it: decodable or not. */
static int read_handle(struct events_object *object, const char *path)
{
	struct {
		struct file_handle head;
		unsigned char bytes[EVENTS_HANDLE_MAX];
	} handle = { .head.handle_bytes = EVENTS_HANDLE_MAX };
	int mount, ret;

	ret = name_to_handle_at(AT_FDCWD, path, &handle.head, &mount, 0);
	if (ret && errno == EOPNOTSUPP)
		ret = name_to_handle_at(AT_FDCWD, path, &handle.head, &mount,
					AT_HANDLE_FID);
	if (ret)
		return -errno;
	object->type = handle.head.handle_type;
	object->bytes = handle.head.handle_bytes;
	memcpy(object->handle, handle.head.f_handle, object->bytes);
	return 0;
}

int events_know(struct events *events, const char *path)
{
	struct events_object *object = object_slot(events, 0);
	struct statfs fs;
	struct stat st;
	int ret;

	if (!object)
		return -ENOSPC;
	ret = read_handle(object, path);
	if (!ret && (statfs(path, &fs) || lstat(path, &st)))
		ret = -errno;
	if (ret) {
		events->known--;
		return ret;
	}
	memcpy(&object->fsid, &fs.f_fsid, sizeof(object->fsid));
	object->inode = st.st_ino;
	object->id = events->known;
	snprintf(object->path, sizeof(object->path), "%s", path);
	return object->id;
}

int events_mark(struct events *events, const char *path, __u64 mask)
{
	if (fanotify_mark(events->fd, FAN_MARK_ADD | FAN_MARK_DONT_FOLLOW,
			  mask, AT_FDCWD, path))
		return -errno;
	return events_know(events, path);
}

/* --------------------------------------------------------------- reading */

/* The object that a FID record names; name points behind its handle. */
static int parse_fid(const struct events *events,
		     const struct fanotify_event_info_fid *fid,
		     const char **name)
{
	const struct file_handle *handle = (const void *)fid->handle;
	long long fsid;
	size_t i;

	memcpy(&fsid, &fid->fsid, sizeof(fsid));
	*name = (const char *)handle->f_handle + handle->handle_bytes;
	for (i = 0; i < events->known; i++) {
		const struct events_object *object = &events->objects[i];

		if (object->fsid == fsid &&
		    object->type == handle->handle_type &&
		    object->bytes == handle->handle_bytes &&
		    !memcmp(object->handle, handle->f_handle, object->bytes))
			return object->id;
	}
	return -1;
}

static void parse_record(const struct events *events, struct event *event,
			 const struct fanotify_event_info_fid *fid)
{
	const char *name;
	int id = parse_fid(events, fid, &name);

	switch (fid->hdr.info_type) {
	case FAN_EVENT_INFO_TYPE_DFID_NAME:
	case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
		event->on = id;
		snprintf(event->name, sizeof(event->name), "%s", name);
		break;
	case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
		event->to = id;
		snprintf(event->to_name, sizeof(event->to_name), "%s", name);
		break;
	case FAN_EVENT_INFO_TYPE_DFID:
		event->on = id;
		break;
	case FAN_EVENT_INFO_TYPE_FID:
		event->child = id;
		break;
	}
}

static size_t parse_fanotify(const struct events *events, struct event *event)
{
	const char *start = events->buf + events->at;
	const struct fanotify_event_metadata *meta = (const void *)start;
	size_t at = meta->metadata_len;

	event->mask = meta->mask & ~(__u64)FAN_REMOTE;
	event->remote = meta->mask & FAN_REMOTE;
	event->pid = meta->pid;
	while (at + sizeof(struct fanotify_event_info_fid) <= meta->event_len) {
		const struct fanotify_event_info_fid *fid =
			(const void *)(start + at);

		parse_record(events, event, fid);
		at += fid->hdr.len;
	}
	/* A group without directory records: the object itself. */
	if (!event->on && !event->to) {
		event->on = event->child;
		event->child = 0;
	}
	return meta->event_len;
}

static size_t parse_inotify(const struct events *events, struct event *event)
{
	const struct inotify_event *in =
		(const void *)(events->buf + events->at);

	event->on = in->wd;
	event->mask = in->mask;
	event->cookie = in->cookie;
	if (in->len)
		snprintf(event->name, sizeof(event->name), "%s", in->name);
	return sizeof(*in) + in->len;
}

/* 1 when the queue can be read, 0 when the time is over, or -errno. */
static int wait_readable(int fd, int limit_ms)
{
	long long end = step_now() + limit_ms;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int ret;

	do {
		long long left = end - step_now();

		ret = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

static int next_within(struct events *events, struct event *event, int limit_ms)
{
	ssize_t len;
	int ret;

	memset(event, 0, sizeof(*event));
	if (events->at == events->len) {
		ret = wait_readable(events->fd, limit_ms);
		if (ret <= 0)
			return ret;
		len = read(events->fd, events->buf, sizeof(events->buf));
		if (len < 0)
			return -errno;
		events->len = len;
		events->at = 0;
	}
	if (events->fanotify)
		events->at += parse_fanotify(events, event);
	else
		events->at += parse_inotify(events, event);
	return 1;
}

int events_next(struct events *events, struct event *event)
{
	return next_within(events, event, events_limit_ms());
}

int events_poll(struct events *events, struct event *event)
{
	return next_within(events, event, 0);
}

/* ------------------------------------------------------------- comparing */

/* State of one comparison with a list of wants. */
struct comparison {
	struct events	*events;
	__u32	cookies[PAIRS_MAX];
	char		before[EVENTS_TEXT_MAX];	/* what came so far */
};

static bool same_name(const char *wanted, const char *came)
{
	return !strcmp(wanted ? wanted : "", came);
}

/* Events of one pair share a cookie, which no other pair has. */
static bool cookie_fits(struct comparison *c, int pair, __u32 cookie)
{
	int i;

	if (!pair)
		return !cookie;
	if (!cookie)
		return false;
	if (c->cookies[pair])
		return c->cookies[pair] == cookie;
	for (i = 1; i < PAIRS_MAX; i++)
		if (c->cookies[i] == cookie)
			return false;
	c->cookies[pair] = cookie;
	return true;
}

/*
 * What this process does is never remote, and nothing is to a group that does
 * not ask. An overflow is nobody's doing.
 */
static bool remote_is_wrong(const struct events *events,
			    const struct event *event)
{
	bool remote = events->asks_others && event->pid != getpid() &&
		      events->others == OTHERS_ELSEWHERE;

	return events->others != OTHERS_UNKNOWN &&
	       !(event->mask & FAN_Q_OVERFLOW) && event->remote != remote;
}

/* All but the mask. */
static bool same_object(const struct want *want, const struct event *event)
{
	if (want->on != event->on || !same_name(want->name, event->name))
		return false;
	if (want->child == NO_CHILD ? event->child :
	    want->child && want->child != event->child)
		return false;
	return want->to == event->to &&
	       same_name(want->to_name, event->to_name);
}

/* The bits of the want that the event leaves open, or -1 when it is wrong. */
static long long bits_left(struct comparison *c, const struct want *want,
			   const struct event *event, __u64 open)
{
	const __u64 flags = IN_ISDIR;

	if (!same_object(want, event) || (event->mask ^ want->mask) & flags)
		return -1;
	if (c->events->fanotify && remote_is_wrong(c->events, event))
		return -1;
	if (c->events->fanotify) {
		__u64 bits = event->mask & ~flags;

		return bits && !(bits & ~open) ? (long long)(open & ~bits) : -1;
	}
	if (event->mask != want->mask ||
	    !cookie_fits(c, want->pair, event->cookie))
		return -1;
	return 0;
}

static void put_before(char *text, const struct comparison *c)
{
	if (c->before[0])
		events_put(text, "; before it came%s", c->before);
}

static const char *no_event(struct comparison *c, const struct want *want,
			    __u64 open)
{
	struct want rest = *want;
	char *text = c->events->problem;

	rest.mask = open | (want->mask & IN_ISDIR);
	text[0] = '\0';
	events_put(text, "no event: waited %d ms for ", events_limit_ms());
	put_want(text, c->events, &rest);
	put_before(text, c);
	return text;
}

static const char *wrong_event(struct comparison *c, const struct want *want,
			       const struct event *event)
{
	char *text = c->events->problem;
	struct event later;
	int i;

	text[0] = '\0';
	events_put(text, "wrong event: came ");
	put_event(text, c->events, event);
	if (c->events->fanotify && remote_is_wrong(c->events, event))
		events_put(text, ", %s FAN_REMOTE",
			   event->remote ? "with" : "without");
	events_put(text, "; wanted ");
	put_want(text, c->events, want);
	put_before(text, c);
	for (i = 0; i < LATER_MAX; i++) {
		if (next_within(c->events, &later, 0) != 1)
			break;
		events_put(text, i ? ", " : "; behind it ");
		put_event(text, c->events, &later);
	}
	return text;
}

static void remember(struct comparison *c, const struct event *event)
{
	events_put(c->before, c->before[0] ? ", " : " ");
	put_event(c->before, c->events, event);
}

/*
 * Compare one event with wants[*at], or with a later one when those before may
 * be missing. Returns NULL and moves *at and *open on, or says what is wrong.
 */
static const char *compare(struct comparison *c, const struct want *wants,
			   size_t count, size_t *at, __u64 *open,
			   const struct event *event)
{
	size_t first = *at;

	for (;;) {
		const struct want *want = &wants[*at];
		long long left = bits_left(c, want, event, *open);

		if (left >= 0) {
			*open = left;
			break;
		}
		if (!want->maybe || *at + 1 == count)
			return wrong_event(c, &wants[first], event);
		*open = wants[++*at].mask & ~(__u64)IN_ISDIR;
	}
	remember(c, event);
	if (c->events->fanotify && *open)
		return NULL;
	++*at;
	if (*at < count)
		*open = wants[*at].mask & ~(__u64)IN_ISDIR;
	return NULL;
}

const char *events_expect(struct events *events, const struct want *wants,
			  size_t count)
{
	struct comparison c = { .events = events };
	__u64 open = wants[0].mask & ~(__u64)IN_ISDIR;
	struct event *event = &events->last;
	const char *problem = NULL;
	size_t at = 0;

	while (at < count && !problem) {
		int ret = events_next(events, event);

		if (ret == 0)
			return no_event(&c, &wants[at], open);
		if (ret < 0) {
			snprintf(events->problem, sizeof(events->problem),
				 "cannot read events: %s", strerror(-ret));
			return events->problem;
		}
		problem = compare(&c, wants, count, &at, &open, event);
	}
	return problem;
}

static const char *expect_nothing(struct events *events, int limit_ms)
{
	struct event *event = &events->last;
	int ret = next_within(events, event, limit_ms);

	if (!ret || ret == -EAGAIN)
		return NULL;
	events->problem[0] = '\0';
	if (ret < 0) {
		events_put(events->problem, "cannot read events: %s",
			   strerror(-ret));
	} else {
		events_put(events->problem, "one event too many: came ");
		put_event(events->problem, events, event);
	}
	return events->problem;
}

const char *events_expect_none(struct events *events)
{
	return expect_nothing(events, 0);
}

const char *events_expect_silence(struct events *events)
{
	return expect_nothing(events, events_limit_ms());
}

const char *events_await(struct events *events)
{
	int ret = wait_readable(events->fd, events_limit_ms());

	if (ret == 1)
		return NULL;
	if (ret < 0)
		snprintf(events->problem, sizeof(events->problem),
			 "cannot wait for events: %s", strerror(-ret));
	else
		snprintf(events->problem, sizeof(events->problem),
			 "no event: waited %d ms for any", events_limit_ms());
	return events->problem;
}

void events_sentinel_name(char *name, size_t size, unsigned int n)
{
	snprintf(name, size, "sentinel-%u", n);
}

const char *events_expect_sentinel(struct events *events, unsigned int last)
{
	const char *problem = NULL;
	char name[32];

	while (!problem && events->sentinels < last) {
		struct want want = {
			.on = events->sentinel,
			.mask = IN_CREATE | IN_ISDIR,
			.name = events->nameless ? NULL : name,
		};

		events_sentinel_name(name, sizeof(name), ++events->sentinels);
		problem = events_expect(events, &want, 1);
	}
	return problem;
}
