// SPDX-License-Identifier: GPL-2.0
/*
 * Read two streams of inotify events, and compare them.
 *
 * Rules of this file:
 *  - It judges what came and nothing else: how fast, or in how many reads, is
 *    nobody's promise.
 *  - A difference that joining could explain is none: what is reported is sure.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define SHOWN_MAX	12	/* events of a watch in a message */
#define NONE		SIZE_MAX

#define APPEARS		(IN_CREATE | IN_MOVED_TO)
#define DISAPPEARS	(IN_DELETE | IN_MOVED_FROM)
#define BOTH_ENDS	(IN_CREATE | IN_DELETE)
/* Of these one may stand for several: inotify itself joins equal neighbours. */
#define REPEATABLE	(IN_OPEN | IN_ACCESS | IN_MODIFY | IN_ATTRIB |	\
			 IN_CLOSE | IN_MOVE_SELF)

/* --------------------------------------------------------------- reading */

int stream_open(struct stream *stream)
{
	memset(stream, 0, sizeof(*stream));
	return events_inotify(&stream->group);
}

void stream_forget(struct stream *stream)
{
	while (stream->count)
		free(stream->events[--stream->count].name);
	free(stream->events);
	stream->events = NULL;
}

void stream_close(struct stream *stream)
{
	while (stream->watches)
		free(stream->paths[--stream->watches]);
	stream_forget(stream);
	free(stream->paths);
	free(stream->numbers);
	events_close(&stream->group);
	memset(stream, 0, sizeof(*stream));
}

/* Room for one more, of an array that has count of them; it doubles. */
static void *more_room(void *array, size_t count, size_t size)
{
	if (count && (count & (count - 1)))
		return array;
	return realloc(array, (count ? 2 * count : 1) * size);
}

static int number_of(const struct stream *stream, int wd)
{
	if (wd <= 0 || (size_t)wd > stream->numbered)
		return -1;
	return stream->numbers[wd - 1];
}

static int add_number(struct stream *stream, int wd, const char *path)
{
	while (stream->numbered < (size_t)wd) {
		stream->numbers = more_room(stream->numbers, stream->numbered,
					    sizeof(*stream->numbers));
		if (!stream->numbers)
			return -ENOMEM;
		stream->numbers[stream->numbered++] = -1;
	}
	stream->paths = more_room(stream->paths, stream->watches,
				  sizeof(*stream->paths));
	if (!stream->paths)
		return -ENOMEM;
	stream->paths[stream->watches] = strdup(path);
	stream->numbers[wd - 1] = stream->watches;
	return stream->watches++;
}

int stream_watch(struct stream *stream, const char *folder, const char *path,
		 __u32 mask)
{
	char full[PATH_MAX];
	int wd;

	snprintf(full, sizeof(full), "%s/%s", folder, path);
	wd = inotify_add_watch(stream->group.fd, full, mask);
	if (wd < 0)
		return -errno;
	if (number_of(stream, wd) >= 0)
		return number_of(stream, wd);
	return add_number(stream, wd, path);
}

/* A file without a name is called by its number, which is nobody's promise. */
static const char *plain_name(const char *name)
{
	const char *digit = name + 1;

	if (*name != '#')
		return name;
	while (isdigit((unsigned char)*digit))
		digit++;
	return *digit ? name : "#";
}

static int keep(struct stream *stream, const struct event *event)
{
	struct stream_event *kept;

	stream->events = more_room(stream->events, stream->count,
				   sizeof(*stream->events));
	if (!stream->events)
		return -ENOMEM;
	kept = &stream->events[stream->count++];
	kept->on = number_of(stream, event->on);
	kept->mask = event->mask;
	kept->cookie = event->cookie;
	kept->name = strdup(plain_name(event->name));
	return kept->name ? 0 : -ENOMEM;
}

static const char *not_read(struct stream *stream, int ret)
{
	char *text = stream->group.problem;

	text[0] = '\0';
	if (ret)
		events_put(text, "cannot read events: %s", strerror(-ret));
	else
		events_put(text,
			   "no event: waited %d ms for the last one, %zu came",
			   events_limit_ms(), stream->count);
	return text;
}

const char *stream_read(struct stream *stream, unsigned int sentinel)
{
	struct event event;
	char last[32];
	int ret;

	events_sentinel_name(last, sizeof(last), sentinel);
	for (;;) {
		ret = sentinel ? events_next(&stream->group, &event) :
				 events_poll(&stream->group, &event);
		if (!ret && !sentinel)
			return NULL;
		if (ret <= 0)
			return not_read(stream, ret);
		if (event.on != stream->sentinels || !stream->sentinels)
			ret = keep(stream, &event);
		else if (!strcmp(event.name, last))
			return NULL;
		if (ret < 0)
			return not_read(stream, ret);
	}
}

/* ------------------------------------------------------------- comparing */

/* Events of one watch. */
struct list {
	const struct stream_event **events;
	size_t	count;
};

/* All events of a watch with one mask and one name. */
struct kind {
	const char	*name;
	__u32		mask;
	size_t		first;		/* place among the wanted ones */
	size_t		at;		/* of the one that came last, or NONE */
	unsigned int	wanted, came;
};

struct comparison {
	const struct stream	*wanted_stream, *came_stream;
	struct stream_verdict	*verdict;
	int			on;
	bool			linked;		/* the object got one more name */
	struct list		wanted, came;
	struct kind		*kinds;
	size_t			count;
};

static const __u32 places[] = {
	IN_CREATE, IN_OPEN, IN_ACCESS, IN_MODIFY, IN_ATTRIB, IN_CLOSE_NOWRITE,
	IN_CLOSE_WRITE, IN_MOVE_SELF, IN_DELETE,
};

/* Where a message of several events has it; 0: it is alone. */
static size_t place_of(__u32 mask)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++)
		if (mask & places[i])
			return i + 1;
	return 0;
}

static struct list list_of(const struct stream *stream, int on)
{
	struct list list = { 0 };
	size_t i;

	list.events = calloc(stream->count + 1, sizeof(*list.events));
	for (i = 0; list.events && i < stream->count; i++)
		if (stream->events[i].on == on)
			list.events[list.count++] = &stream->events[i];
	return list;
}

static bool same_event(const struct stream_event *a, const struct stream_event *b)
{
	return a->mask == b->mask && !strcmp(a->name, b->name);
}

static struct kind *kind_of(const struct comparison *c,
			    const struct stream_event *event)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		if (c->kinds[i].mask == event->mask &&
		    !strcmp(c->kinds[i].name, event->name))
			return &c->kinds[i];
	return NULL;
}

static struct kind *add_kind(struct comparison *c,
			     const struct stream_event *event, size_t place)
{
	struct kind *kind = kind_of(c, event);

	if (kind)
		return kind;
	kind = &c->kinds[c->count++];
	*kind = (struct kind){ .name = event->name, .mask = event->mask,
			       .first = place, .at = NONE };
	return kind;
}

static void count_kinds(struct comparison *c)
{
	size_t i;

	for (i = 0; i < c->wanted.count; i++)
		add_kind(c, c->wanted.events[i], i)->wanted++;
	for (i = 0; i < c->came.count; i++)
		add_kind(c, c->came.events[i], NONE)->came++;
}

/* All of it if that is little, else what concerns the name. */
static void put_list(char *text, const char *who, const struct list *list,
		     const char *name)
{
	size_t shown = 0, i;

	events_put(text, "; %s", who);
	for (i = 0; i < list->count && shown < SHOWN_MAX; i++) {
		const struct stream_event *event = list->events[i];

		if (list->count > SHOWN_MAX && strcmp(event->name, name))
			continue;
		events_put(text, shown++ ? ", " : " ");
		events_put_inotify(text, event->mask, event->name);
	}
	if (!shown)
		events_put(text, " nothing");
	if (shown < list->count)
		events_put(text, ", and more: %zu in all", list->count);
}

/* Only the first difference is told; all are counted. */
static void differs(struct comparison *c, unsigned int *counter,
		    const char *what, __u32 mask, const char *name)
{
	char *text = c->verdict->problem;

	++*counter;
	if (*text)
		return;
	events_put(text, "%s: ", what);
	events_put_inotify(text, mask, name);
	events_put(text, " on %s", c->on < 0 ? "no watch" :
		   c->wanted_stream->paths[c->on]);
	put_list(text, "came", &c->came, name);
	put_list(text, "wanted", &c->wanted, name);
}

static void look_for_the_dead(struct comparison *c)
{
	bool ignored = false;
	size_t i;

	for (i = 0; i < c->came.count; i++) {
		const struct stream_event *event = c->came.events[i];

		if (ignored)
			differs(c, &c->verdict->dead, "after IN_IGNORED",
				event->mask, event->name);
		ignored |= event->mask & IN_IGNORED;
	}
}

static size_t find_mask(const struct list *list, __u32 mask)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (list->events[i]->mask & mask && !list->events[i]->name[0])
			return i;
	return NONE;
}

/*
 * From here on the wanted object has no name, and only somebody who has it open
 * keeps it: for us it may have ended. A directory is told nothing at that time.
 */
static size_t loses_name(const struct comparison *c)
{
	size_t end = find_mask(&c->wanted, IN_DELETE_SELF), i;

	if (end == NONE || find_mask(&c->came, IN_IGNORED) == NONE)
		return c->wanted.count;
	for (i = end; i > 0; i--) {
		const struct stream_event *event = c->wanted.events[i - 1];

		if (event->mask == IN_ATTRIB && !event->name[0])
			return i;
		if (event->mask & IN_ISDIR &&
		    !(event->mask & IN_CLOSE_NOWRITE && !event->name[0]))
			return i;
	}
	return end;
}

static bool was_renamed(const struct comparison *c, int on, const char *name)
{
	const struct stream *wanted = c->wanted_stream;
	size_t i;

	for (i = 0; i < wanted->count; i++) {
		const struct stream_event *event = &wanted->events[i];

		if (event->on == on && event->mask & IN_ISDIR &&
		    event->mask & IN_MOVE && !strcmp(event->name, name))
			return true;
	}
	return false;
}

/*
 * What is done to a directory may be told by another name that it had, or by
 * none: it was where nobody watches but itself.
 */
static bool has_another_name(const struct comparison *c,
			     const struct kind *kind, const struct stream *there)
{
	size_t i;

	if (!(kind->mask & IN_ISDIR) || !(kind->mask & REPEATABLE) ||
	    !was_renamed(c, c->on, kind->name))
		return false;
	for (i = 0; i < there->count; i++) {
		const struct stream_event *event = &there->events[i];

		if (event->mask == kind->mask &&
		    (event->on != c->on || strcmp(event->name, kind->name)) &&
		    (!event->name[0] || was_renamed(c, event->on, event->name)))
			return true;
	}
	return false;
}

static void look_for_kinds(struct comparison *c)
{
	size_t optional = loses_name(c);
	size_t i;

	for (i = 0; i < c->count; i++) {
		const struct kind *kind = &c->kinds[i];

		if (!kind->came && kind->first < optional &&
		    !has_another_name(c, kind, c->came_stream))
			differs(c, &c->verdict->lost, "lost", kind->mask,
				kind->name);
		if (!kind->wanted &&
		    !has_another_name(c, kind, c->wanted_stream))
			differs(c, &c->verdict->extra, "extra", kind->mask,
				kind->name);
	}
}

static const struct stream_event *partner_of(const struct stream *stream,
					     const struct stream_event *event)
{
	size_t i;

	for (i = 0; i < stream->count; i++) {
		const struct stream_event *other = &stream->events[i];

		if (other != event && other->cookie == event->cookie &&
		    (other->mask ^ event->mask) & IN_MOVE)
			return other;
	}
	return NULL;
}

static bool same_end(const struct stream_event *a, const struct stream_event *b)
{
	if (!a || !b)
		return a == b;
	return a->on == b->on && same_event(a, b);
}

/* The last thing that a stream says of a name before some place, or NULL. */
static const struct stream_event *last_of(const struct list *list, size_t end,
					  const char *name, __u32 mask)
{
	while (end-- > 0) {
		const struct stream_event *event = list->events[end];

		if (event->mask & mask && !strcmp(event->name, name))
			return event;
	}
	return NULL;
}

/*
 * Whether something has gone to where what has its name now came from: of the
 * two halves of an exchange this is the second.
 */
static bool is_exchanged(const struct comparison *c,
			 const struct stream_event *gone)
{
	const struct stream_event *before, *there, *from;
	size_t end = 0;

	while (c->wanted.events[end] != gone)
		end++;
	before = last_of(&c->wanted, end, gone->name, APPEARS | DISAPPEARS);
	if (!before || !(before->mask & IN_MOVED_TO))
		return false;
	there = partner_of(c->wanted_stream, gone);
	from = partner_of(c->wanted_stream, before);
	if (there && from)
		return from->on == there->on && !strcmp(from->name, there->name);
	/* Where nobody watches. What has gone is not what has come. */
	return !there && !from && (gone->mask ^ before->mask) & IN_ISDIR;
}

/* The first kind of a name: it stands for the name. */
static size_t find_name(const struct comparison *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		if (!strcmp(c->kinds[i].name, name))
			break;
	return i;
}

static void look_for_lies(struct comparison *c)
{
	const struct stream_event *wanted, *came;
	size_t i;

	for (i = 0; i < c->count; i++) {
		const char *name = c->kinds[i].name;

		/* Once for each name: at the kind that came first. */
		if (!*name || find_name(c, name) != i)
			continue;
		wanted = last_of(&c->wanted, c->wanted.count, name,
				 APPEARS | DISAPPEARS);
		came = last_of(&c->came, c->came.count, name,
			       APPEARS | DISAPPEARS);
		if (!wanted || !came ||
		    !(wanted->mask & APPEARS) == !(came->mask & APPEARS))
			continue;
		if (!(wanted->mask & IN_MOVED_FROM) ||
		    !is_exchanged(c, wanted))
			differs(c, &c->verdict->wrong_last, "wrong at the end",
				came->mask, name);
	}
}

/* ----------------------------------------------------------------- order */

/* Events that may have been one: ever later in the order of the protocol. */
static size_t end_of_run(const struct list *list, size_t at)
{
	size_t place = place_of(list->events[at]->mask);
	size_t i;

	for (i = at + 1; place && i < list->count; i++) {
		size_t next = place_of(list->events[i]->mask);

		if (next <= place ||
		    strcmp(list->events[i]->name, list->events[at]->name))
			break;
		place = next;
	}
	return i;
}

/* The next of the wanted ones of a kind from a place on, or NONE. */
static size_t next_of(const struct comparison *c, const struct kind *kind,
		      size_t from)
{
	size_t i;

	if (kind->at == NONE)
		return kind->first;
	i = kind->mask & REPEATABLE ? kind->at : kind->at + 1;
	for (i = i > from ? i : from; i < c->wanted.count; i++)
		if (c->wanted.events[i]->mask == kind->mask &&
		    !strcmp(c->wanted.events[i]->name, kind->name))
			return i;
	return NONE;
}

/* The order of one name, or of all. */
struct order {
	size_t		last;		/* where the run before began */
	unsigned int	hidden;		/* runs that may hide what is true now */
};

/* Whether this is something that is done to a directory that was renamed. */
static bool is_on_moved(const struct comparison *c,
			const struct stream_event *event)
{
	size_t i;

	if (!(event->mask & IN_ISDIR) || !(event->mask & REPEATABLE))
		return false;
	for (i = 0; i < c->wanted.count; i++)
		if (c->wanted.events[i]->mask == (IN_MOVED_TO | IN_ISDIR) &&
		    !strcmp(c->wanted.events[i]->name, event->name))
			return true;
	return false;
}

/* Whether a name that was told to have gone is told, last of all, to be there. */
static bool is_last_return(const struct comparison *c,
			   const struct stream_event *event)
{
	const struct stream_event *before;
	size_t at = c->came.count;

	while (at-- > 0 && c->came.events[at] != event)
		;
	if (last_of(&c->came, c->came.count, event->name,
		    APPEARS | DISAPPEARS) != event)
		return false;
	before = last_of(&c->came, at, event->name, APPEARS | DISAPPEARS);
	return before && before->mask & DISAPPEARS;
}

/* What tells in the end that something is there: half of a rename, or a link. */
static bool closes(const struct comparison *c, const struct stream_event *event)
{
	if (event->mask & IN_CREATE)
		return is_last_return(c, event);
	return event->mask & IN_MOVED_TO && event->cookie &&
	       !partner_of(c->came_stream, event) &&
	       last_of(&c->came, c->came.count, event->name,
		       APPEARS | DISAPPEARS) == event;
}

/* An event that came: whether it is one of the wanted ones; and which. */
static bool find_wanted(struct comparison *c, struct order *order,
			const struct stream_event *event, size_t *place)
{
	struct kind *kind = kind_of(c, event);

	*place = NONE;
	if (!kind->wanted)
		return true;
	/* May have joined the CREATE of that name, which is not told here. */
	if (c->linked && event->mask & REPEATABLE && !event->name[0])
		return true;
	if (is_on_moved(c, event))
		return true;
	*place = next_of(c, kind, order->last);
	if (*place != NONE)
		kind->at = *place;
	else if (event->mask & BOTH_ENDS && order->hidden)
		order->hidden--;
	/* Once more, as often as there, but told behind all that is known. */
	else if (event->mask & IN_MOVE && kind->at != NONE &&
		 kind->came <= kind->wanted)
		return true;
	else
		return closes(c, event);
	return true;
}

static void look_at_run(struct comparison *c, struct order *order,
			const struct list *came, size_t at, size_t end)
{
	size_t first = NONE, place, i;
	__u32 bits = 0;

	for (i = at; i < end; i++) {
		const struct stream_event *event = came->events[i];

		bits |= event->mask;
		if (!find_wanted(c, order, event, &place))
			differs(c, &c->verdict->order, "too often",
				event->mask, event->name);
		if (place < first)
			first = place;
	}
	if (first < order->last)
		differs(c, &c->verdict->order, "too late",
			came->events[at]->mask, came->events[at]->name);
	else if (first != NONE)
		order->last = first;
	if ((bits & BOTH_ENDS) == BOTH_ENDS)
		order->hidden++;
}

static void look_at_order(struct comparison *c, const struct list *came)
{
	struct order order = { 0 };
	size_t at, end;

	for (at = 0; at < came->count; at = end) {
		end = end_of_run(came, at);
		look_at_run(c, &order, came, at, end);
	}
}

/* The events of one name alone, for each name. */
static void look_at_names(struct comparison *c)
{
	struct list part = {
		.events = calloc(c->came.count + 1, sizeof(*part.events)),
	};
	size_t i, k;

	for (k = 0; part.events && k < c->count; k++) {
		if (find_name(c, c->kinds[k].name) != k)
			continue;
		part.count = 0;
		for (i = 0; i < c->came.count; i++)
			if (!strcmp(c->came.events[i]->name, c->kinds[k].name))
				part.events[part.count++] = c->came.events[i];
		look_at_order(c, &part);
	}
	free(part.events);
}

/* ----------------------------------------------------------------- pairs */

/* Some wanted move has these two ends. */
static bool is_wanted_move(const struct stream *wanted,
			   const struct stream_event *event,
			   const struct stream_event *partner)
{
	size_t i;

	for (i = 0; i < wanted->count; i++)
		if (same_end(&wanted->events[i], event) &&
		    same_end(partner_of(wanted, &wanted->events[i]), partner))
			return true;
	return false;
}

static void look_at_pair(struct comparison *c, const struct stream_event *event)
{
	const struct stream_event *partner = partner_of(c->came_stream, event);

	if (closes(c, event))
		return;
	if (!event->cookie || !is_wanted_move(c->wanted_stream, event, partner))
		differs(c, &c->verdict->pairs, "not with its other half",
			event->mask, event->name);
}

static void look_at_pairs(struct comparison *c)
{
	size_t i;

	for (i = 0; i < c->came.count; i++)
		if (c->came.events[i]->mask & IN_MOVE)
			look_at_pair(c, c->came.events[i]);
}

/* ----------------------------------------------------------- both streams */

static void look_for_overflow(struct comparison *c)
{
	const struct stream *came = c->came_stream;
	unsigned int count = 0;
	size_t i;

	for (i = 0; i < came->count; i++)
		count += !!(came->events[i].mask & IN_Q_OVERFLOW);
	for (i = 0; i < c->wanted_stream->count; i++)
		if (c->wanted_stream->events[i].mask & IN_Q_OVERFLOW)
			count--;
	while (count && count--)
		differs(c, &c->verdict->overflows, "no room", IN_Q_OVERFLOW, "");
}

static bool same_lists(const struct comparison *c)
{
	size_t i;

	if (c->wanted.count != c->came.count)
		return false;
	for (i = 0; i < c->came.count; i++)
		if (!same_event(c->wanted.events[i], c->came.events[i]))
			return false;
	return true;
}

/* link(2) changes an object, and then makes a name. */
static bool gets_link(const struct stream *stream, int on)
{
	size_t i;

	for (i = 1; i < stream->count; i++) {
		const struct stream_event *before = &stream->events[i - 1];

		if (before->on == on && before->mask == IN_ATTRIB &&
		    !before->name[0] && stream->events[i].mask == IN_CREATE)
			return true;
	}
	return false;
}

static void compare_watch(struct comparison *c, bool by_name)
{
	c->linked = gets_link(c->wanted_stream, c->on);
	c->kinds = calloc(c->wanted.count + c->came.count + 1,
			  sizeof(*c->kinds));
	c->count = 0;
	if (!c->kinds)
		return;
	count_kinds(c);
	look_for_the_dead(c);
	look_for_kinds(c);
	look_for_lies(c);
	if (by_name)
		look_at_names(c);
	else
		look_at_order(c, &c->came);
	free(c->kinds);
}

void stream_compare(const struct stream *wanted, const struct stream *came,
		    bool by_name, struct stream_verdict *verdict)
{
	struct comparison c = {
		.wanted_stream = wanted, .came_stream = came,
		.verdict = verdict, .on = -1,
	};

	memset(verdict, 0, sizeof(*verdict));
	verdict->same = true;
	look_for_overflow(&c);
	for (c.on = 0; c.on < (int)wanted->watches; c.on++) {
		c.wanted = list_of(wanted, c.on);
		c.came = list_of(came, c.on);
		if (!same_lists(&c)) {
			verdict->same = false;
			compare_watch(&c, by_name);
		}
		/* Cookies may be wrong where all else is right. */
		look_at_pairs(&c);
		free(c.wanted.events);
		free(c.came.events);
		c.wanted.count = 0;
		c.came.count = 0;
	}
}
