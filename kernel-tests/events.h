/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Read inotify and fanotify events, and compare them with what is wanted.
 *
 * Both kinds of group are seen as one queue of struct event. An object is named
 * by a small number: a watch descriptor (inotify), or the number that
 * events_know() gave to a file handle (fanotify in FID mode). Every wait is
 * bounded (FARWATCH_EVENT_MS). Functions that can go wrong return NULL when all
 * is well, else one line of text that says what came and what was wanted; the
 * text lives until the next call on the same group.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <linux/fanotify.h>
#include <linux/types.h>

#ifndef __printf
#define __printf(a, b)		__attribute__((format(printf, a, b)))
#endif

/* Older user space headers lack these. */
#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID			0x00001000
#endif
#ifndef FAN_RENAME
#define FAN_RENAME				0x10000000
#define FAN_EVENT_INFO_TYPE_OLD_DFID_NAME	10
#define FAN_EVENT_INFO_TYPE_NEW_DFID_NAME	12
#endif
#ifndef FAN_REPORT_REMOTE
#define FAN_REPORT_REMOTE			0x00008000
#define FAN_REMOTE				0x00800000
#endif
#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID				0x200
#endif

#define EVENTS_OBJECTS_MAX	16
#define EVENTS_HANDLE_MAX	128
#define EVENTS_TEXT_MAX		4096

/* An object whose events are told apart from those of others. */
struct events_object {
	int		id;		/* watch descriptor, or 1, 2, ... */
	char		path[64];	/* for messages */
	unsigned long	inode;
	long long	fsid;
	int		type;
	unsigned int	bytes;
	unsigned char	handle[EVENTS_HANDLE_MAX];
};

/* One event as it came. Numbers of objects: 0 none, -1 not known. */
struct event {
	int		on;
	__u64	mask;
	__u32	cookie;
	int		pid;			/* fanotify */
	bool		remote;			/* FAN_REMOTE, which mask is without */
	int		child;			/* fanotify: FID record */
	int		to;			/* fanotify: FAN_RENAME */
	char		name[NAME_MAX + 2];
	char		to_name[NAME_MAX + 2];
};

/* Where other processes are who change what is watched. */
enum events_others {
	OTHERS_UNKNOWN,		/* FAN_REMOTE is not looked at */
	OTHERS_HERE,		/* on this kernel, or there are none */
	OTHERS_ELSEWHERE,
};

struct events {
	int			fd;
	bool			fanotify;
	bool			asks_others;	/* fanotify: FAN_REPORT_REMOTE */
	enum events_others	others;
	bool			nameless;	/* fanotify without names */
	int			sentinel;	/* object: folder of the sentinels */
	unsigned int		sentinels;	/* how many of them were seen */
	struct events_object	objects[EVENTS_OBJECTS_MAX];
	size_t			known;
	struct event		last;		/* of what events_expect() saw */
	size_t			len, at;	/* of what read() gave */
	union {
		char		buf[8192];
		__u64		align;
	};
	char			problem[EVENTS_TEXT_MAX];
};

#define NO_CHILD	(-2)

/* One event as it is wanted. */
struct want {
	int		on;
	__u64	mask;
	const char	*name;		/* NULL: without a name */
	int		pair;		/* same number: same cookie; 0: no cookie */
	bool		maybe;		/* may have been merged with another one */
	int		child;		/* fanotify; 0: not compared, or NO_CHILD */
	int		to;		/* fanotify: FAN_RENAME */
	const char	*to_name;
};

/* Longest wait for one event, in ms. */
int events_limit_ms(void);

/*
 * Open a group: 0 or -errno. flags: FAN_REPORT_*. One that reports file handles
 * asks for what others do elsewhere, if this kernel knows that it may not be
 * wanted; events_fanotify_as_is() does not.
 */
int events_inotify(struct events *events);
int events_fanotify(struct events *events, unsigned int flags);
int events_fanotify_as_is(struct events *events, unsigned int flags);
void events_close(struct events *events);

/*
 * Watch an object: its number, or -errno. fanotify: events_mark() adds to the
 * mark; an object that is only to be recognised is told to events_know().
 */
int events_watch(struct events *events, const char *path, __u32 mask);
int events_mark(struct events *events, const char *path, __u64 mask);
int events_know(struct events *events, const char *path);

/* FAN_REPORT_REMOTE is known to this kernel. */
bool events_knows_remote(void);

/*
 * What the server of the file system has agreed to tell about an object that is
 * watched: FAN_* bits. -ENODATA: it was not asked, or there is none; -ENOENT:
 * the object is not watched.
 */
long long events_granted(const struct events *events, int object);

/* The next event within the limit: 1, 0 if none came, or -errno. */
int events_next(struct events *events, struct event *event);

/* The same of what is there already. */
int events_poll(struct events *events, struct event *event);

/* Something is there to be read; nothing is read. */
const char *events_await(struct events *events);

/* Nothing is there; nor does anything come within the limit. */
const char *events_expect_none(struct events *events);
const char *events_expect_silence(struct events *events);

/*
 * The next events are these, in this order, with nothing in between. An event
 * marked "maybe" may be missing. A wanted fanotify event may come in several
 * parts, next to each other and each bit once: the queue merges or not. It has
 * FAN_REMOTE if somebody elsewhere did it and the group asks for that.
 */
const char *events_expect(struct events *events, const struct want *wants,
			  size_t count);

/* Nothing is there before the sentinels up to this number. */
const char *events_expect_sentinel(struct events *events, unsigned int last);

/* Append to text, which has room for EVENTS_TEXT_MAX bytes; may cut. */
__printf(2, 3)
void events_put(char *text, const char *format, ...);
/* The bits of an inotify event and its name, on one line whatever is in it. */
void events_put_inotify(char *text, __u32 mask, const char *name);

/* Name of sentinel number n. */
void events_sentinel_name(char *name, size_t size, unsigned int n);

#define EVENTS_SENTINELS	"sentinels"	/* folder of the sentinels */

#endif /* EVENTS_H */
