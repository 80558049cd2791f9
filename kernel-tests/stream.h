/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two streams of inotify events: what somebody else's work gave here, and what
 * the same work gives on a local file system, neither of them read before all
 * was done.
 *
 * fanotify, which a server listens to, joins an event with an earlier one about
 * the same object and name that nobody has read yet. So this may differ, and
 * nothing else may:
 *
 *  joined	several events of one name come in one place, that of the first
 *		of them, each kind once and in the order of the protocol (CREATE
 *		OPEN ACCESS MODIFY ATTRIB CLOSE_NOWRITE CLOSE_WRITE MOVE_SELF
 *		DELETE); a rename joins with the same rename
 *  closed	where that hid what is true now, a CREATE or DELETE, the same
 *		rename, or a MOVED_TO without its other half, behind it tells so
 *  exchanged	the last that is heard of one of two names is that it has gone,
 *		though it is there: where it was told more often than comes, it
 *		may come as it is
 *  ended	an object without a name ends here although somebody else has it
 *		open: what is done to it after that does not come
 *  linked	what is done to a file by a name that it has got just now
 *		joins the CREATE of that name, before what is done by another
 *  moved	what is done to a directory joins the rename that gave it its
 *		name, which is an event on the directory as well; or what was
 *		done to it before that, and comes by the name that it had then
 *  crossed	events of different watches may come in another order
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "events.h"

/* One event; on: number of the watch, -1 for none. */
struct stream_event {
	int	on;
	__u32	mask;
	__u32	cookie;
	char	*name;
};

struct stream {
	struct events		group;
	int			sentinels;	/* its watch descriptor, or 0 */
	char			**paths;	/* of the watches, by number */
	int			*numbers;	/* by watch descriptor, from 1 */
	size_t			watches, numbered;
	struct stream_event	*events;
	size_t			count;
};

/* Open a group: 0 or -errno. */
int stream_open(struct stream *stream);
void stream_close(struct stream *stream);

/*
 * Watch what is at folder/path, as "path": the watch's number, or -errno. An
 * object that is watched already keeps its number.
 */
int stream_watch(struct stream *stream, const char *folder, const char *path,
		 __u32 mask);

/*
 * Take over all that has come, and what comes until the sentinel of that
 * number does; 0: until nothing is left. NULL, or what went wrong.
 */
const char *stream_read(struct stream *stream, unsigned int sentinel);

/* As if nothing had come. */
void stream_forget(struct stream *stream);

/* How two streams differ. */
struct stream_verdict {
	bool		same;		/* for each watch */
	unsigned int	lost;		/* kinds of events that did not come */
	unsigned int	extra;		/* kinds that there were none of */
	unsigned int	dead;		/* events after IN_IGNORED */
	unsigned int	order;		/* that joining does not explain */
	unsigned int	wrong_last;	/* names of which the last event lies */
	unsigned int	pairs;		/* cookies */
	unsigned int	overflows;	/* that nothing explains */
	char		problem[EVENTS_TEXT_MAX];	/* the first one, or "" */
};

/*
 * by_name: the order is that of each name alone, as there are programs that
 * work on the names of a directory in the order that the directory has them.
 */
void stream_compare(const struct stream *wanted, const struct stream *came,
		    bool by_name, struct stream_verdict *verdict);

#endif /* STREAM_H */
