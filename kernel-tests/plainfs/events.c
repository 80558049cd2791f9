// SPDX-License-Identifier: GPL-2.0
/*
 * What others do: from fanotify's events to records for the kernel.
 *
 * Rules of this file:
 *  - Records have the order of fanotify's events. What is looked up is what they
 *    do not tell: whether a link is left, what a name was before the first event
 *    about it, and what is true where fanotify has joined events.
 *  - An object without a link is dead behind the last event about it: all of them
 *    had been queued when that was found.
 *  - What we have done ourselves is no news, but we learn from it.
 *  - While nobody can be told, nothing is read: fanotify's queue is ours.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "plainfs.h"

#define HASH_START	14695981039346656037ull
#define BATCH_MAX	(65536 - sizeof(struct fuse_out_header))
#define EVENTS_MAX	(256 * 1024)
#define EVENT_ROOM	4096	/* all that one event can make of a batch */
#define OWNERS_MAX	4096
#define PLACES_MAX	1024

/* Events of an object, and those of a name in a directory. */
#define OBJECT_EVENTS	(FAN_ACCESS | FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE | FAN_OPEN | \
			 FAN_OPEN_EXEC)
#define NAME_EVENTS	(FAN_CREATE | FAN_DELETE)
#define MOVES		(FAN_MOVE | FAN_RENAME)
#define WATCHABLE	(OBJECT_EVENTS | NAME_EVENTS | MOVES | FAN_MOVE_SELF | \
			 FAN_DELETE_SELF | FAN_EVENT_ON_CHILD)

/* An event of fanotify's. */
struct event {
	uint32_t mask;
	bool own;
	bool has_object, has_place, has_new_place;
	struct key object, dir, new_dir;
	const char *name, *new_name;
};

static int group = -1;		/* of fanotify */
static int source = -1;		/* for open_by_handle_at() */
static pid_t self;
static long long consumed;	/* bytes of events, since the beginning */
static char events[EVENTS_MAX];	/* that were read */
static char *rest = events;	/* that were not consumed yet */
static size_t rest_len;
static struct node *dying;	/* in the order of their ends */

/* Whose a name is, as far as events have told: hashes; 0: nobody's. */
static struct {
	uint64_t name, object;
} owners[OWNERS_MAX];

/* Where directories are that the kernel does not know. */
static struct place {
	struct key object;
	uint64_t dir;
	char *name;
} places[PLACES_MAX];

/* Batches */

static struct {
	char bytes[BATCH_MAX] __attribute__((aligned(8)));
	size_t used;
	uint32_t count;
	uint64_t seq;
} batch;

static uint64_t parked;		/* FETCH that waits, or 0 */
static size_t parked_room;
static bool lost;		/* there was no room */

static size_t batch_room(void)
{
	return options.fetch ? parked_room : BATCH_MAX;
}

/* If it does not arrive, the number of the next one says so. */
static void flush(void)
{
	struct fuse_fsnotify_events *head = (void *)batch.bytes;

	if (!batch.count)
		return;
	*head = (struct fuse_fsnotify_events){ .seq = ++batch.seq, .count = batch.count };
	if (options.fetch)
		send_message(parked, 0, batch.bytes, batch.used);
	else
		send_message(0, FUSE_NOTIFY_FSNOTIFY, batch.bytes, batch.used);
	parked = 0;
	batch.count = 0;
	batch.used = 0;
}

static char *put_name(char *at, const char *name, size_t len)
{
	memcpy(at, name, len);
	at[len] = '\0';
	return at + len + 1;
}

/* record: all but its size and the lengths of the names, which may be NULL */
static void add(struct fuse_fsnotify_record record, const char *name, const char *newname)
{
	char *at;

	record.namelen = name ? strlen(name) : 0;
	record.newnamelen = newname ? strlen(newname) : 0;
	record.size = sizeof(record) + (name ? record.namelen + 1 : 0) +
		      (newname ? record.newnamelen + 1 : 0);
	record.size = (record.size + 7) & ~7u;
	if (batch.used + record.size > batch_room() && !options.fetch)
		flush();
	if (!batch.used)
		batch.used = sizeof(struct fuse_fsnotify_events);
	if (batch.used + record.size > batch_room()) {
		lost = true;
		return;
	}
	at = batch.bytes + batch.used;
	memset(at, 0, record.size);
	memcpy(at, &record, sizeof(record));
	at += sizeof(record);
	if (name)
		at = put_name(at, name, record.namelen);
	if (newname)
		put_name(at, newname, record.newnamelen);
	batch.used += record.size;
	batch.count++;
}

/* Names */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	while (len--)
		hash = (hash ^ *p++) * 1099511628211ull;
	return hash;
}

static uint64_t hash_key(uint64_t hash, const struct key *key)
{
	return hash_bytes(hash, key->handle.f_handle, key->handle.handle_bytes);
}

static uint64_t hash_name(const struct key *dir, const char *name)
{
	return hash_bytes(hash_key(HASH_START, dir), name, strlen(name));
}

static void note_owner(const struct key *dir, const char *name, const struct key *object,
		       bool has_it)
{
	uint64_t name_hash = hash_name(dir, name), object_hash = hash_key(HASH_START, object);
	size_t i = name_hash % OWNERS_MAX;

	/* What another one has got meanwhile is not lost: an exchange is two renames. */
	if (!has_it && owners[i].name == name_hash && owners[i].object != object_hash)
		return;
	owners[i].name = name_hash;
	owners[i].object = has_it ? object_hash : 0;
}

static void forget_names(void)
{
	size_t i;

	memset(owners, 0, sizeof(owners));
	for (i = 0; i < PLACES_MAX; i++) {
		free(places[i].name);
		places[i].name = NULL;
	}
}

static struct place *place_slot(const struct key *object)
{
	return &places[hash_key(HASH_START, object) % PLACES_MAX];
}

static void note_place(const struct key *object, uint64_t dir, const char *name)
{
	struct place *place = place_slot(object);

	free(place->name);
	place->object = *object;
	place->dir = dir;
	place->name = name ? strdup(name) : NULL;
}

/* Marks */

static bool is_known(const struct node *node)
{
	return node && (node->lookups || node->id == FUSE_ROOT_ID);
}

static uint32_t mark_of(const struct node *node)
{
	uint32_t mask = node->shadows ? FAN_DELETE | FAN_ONDIR : 0;

	if (!node->wanted)
		return mask;
	mask |= FAN_ATTRIB | (node->wanted & (OBJECT_EVENTS | FAN_MOVE_SELF));
	if (!node->is_dir)
		return mask;
	mask |= FAN_MOVE_SELF | FAN_ONDIR;
	if (node->wanted & (NAME_EVENTS | MOVES | FAN_EVENT_ON_CHILD))
		mask |= NAME_EVENTS | FAN_RENAME;
	return mask | (node->wanted & FAN_EVENT_ON_CHILD);
}

static int change_mark(struct node *node, unsigned int how, uint32_t mask)
{
	char path[PROC_MAX];

	node_path(node->fd, path);
	return mask && fanotify_mark(group, how, mask, AT_FDCWD, path) ? -errno : 0;
}

static int apply_mark(struct node *node)
{
	uint32_t mask = mark_of(node);
	int err = change_mark(node, FAN_MARK_ADD, mask & ~node->marked);

	if (err)
		return err;
	change_mark(node, FAN_MARK_REMOVE, node->marked & ~mask);
	node->marked = mask;
	return 0;
}

static void drop_shadow(struct node *node)
{
	struct node *parent = node->shadow;

	if (!parent)
		return;
	node->shadow = NULL;
	parent->shadows--;
	apply_mark(parent);
	node_put(parent);
}

/* The end of a directory is an event in the one that it is in. */
static int set_shadow(struct node *node)
{
	struct node *parent = NULL;
	int fd, err;

	if (node->wanted && node->is_dir && node->id != FUSE_ROOT_ID) {
		fd = openat(node->fd, "..", O_PATH | O_CLOEXEC);
		err = fd < 0 ? -errno : node_take(fd, &parent);
		if (err)
			return err == -ENOENT ? 0 : err;
	}
	if (parent == node->shadow)
		return 0;
	drop_shadow(node);
	if (!parent)
		return 0;
	node->shadow = parent;
	parent->shadows++;
	err = apply_mark(parent);
	if (err)
		drop_shadow(node);
	return err;
}

/* What fanotify says */

/* The key in an information record; the name behind it. */
static const char *take_key(const void *info, struct key *key)
{
	const struct fanotify_event_info_fid *fid = info;
	const struct file_handle *handle = (const void *)fid->handle;

	memcpy(key, handle, sizeof(*handle) + handle->handle_bytes);
	return (const char *)handle->f_handle + handle->handle_bytes;
}

static void take_info(struct event *event, const struct fanotify_event_info_header *info)
{
	struct key key;
	const char *name = take_key(info, &key);

	switch (info->info_type) {
	case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
		event->has_new_place = true;
		event->new_dir = key;
		event->new_name = name;
		break;
	case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
	case FAN_EVENT_INFO_TYPE_DFID_NAME:
		/* Of a directory's own events there is nothing else. */
		if (strcmp(name, ".")) {
			event->has_place = true;
			event->dir = key;
			event->name = name;
			break;
		}
		/* fall through */
	case FAN_EVENT_INFO_TYPE_DFID:
	case FAN_EVENT_INFO_TYPE_FID:
		event->has_object = true;
		event->object = key;
	}
}

static size_t event_size(const char *bytes)
{
	struct fanotify_event_metadata meta;

	memcpy(&meta, bytes, sizeof(meta));
	return meta.event_len;
}

/* The number of bytes that the event takes. */
static size_t parse(const char *bytes, struct event *event)
{
	struct fanotify_event_metadata meta;
	size_t at;

	/* Its records are aligned for themselves, but not for this. */
	memcpy(&meta, bytes, sizeof(meta));
	*event = (struct event){ .mask = meta.mask, .own = meta.pid == self };
	for (at = meta.metadata_len; at < meta.event_len;) {
		const struct fanotify_event_info_header *info = (const void *)(bytes + at);

		take_info(event, info);
		at += info->len;
	}
	return meta.event_len;
}

/* As far as there is room; false: there are none. */
static bool read_events(void)
{
	ssize_t n;

	memmove(events, rest, rest_len);
	rest = events;
	n = read(group, events + rest_len, sizeof(events) - rest_len);
	if (n > 0)
		rest_len += n;
	return rest_len;
}

/* The end */

/*
 * Whoever removes a name holds its directory until the event is queued, as who
 * reads the directory does. But a file's link count is told before.
 */
static void await_removal(const struct node *dir)
{
	char path[PROC_MAX], entries[1024];
	int fd;

	if (!dir)
		return;
	node_path(dir->fd, path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	getdents64(fd, entries, sizeof(entries));
	close(fd);
}

/* The place in the stream behind the last event that is, or may be, about it. */
static long long behind(const struct key *object)
{
	long long due = consumed;
	struct event event;
	int queued = 0;
	size_t at;

	if (!ioctl(group, FIONREAD, &queued) && queued) {
		read_events();
		ioctl(group, FIONREAD, &queued);
	}
	if (queued)
		return consumed + rest_len + queued;
	for (at = 0; at < rest_len;) {
		at += parse(rest + at, &event);
		if ((event.has_object && same_key(&event.object, object)) ||
		    (event.has_place && same_key(&event.dir, object)) ||
		    (event.has_new_place && same_key(&event.new_dir, object)))
			due = consumed + at;
	}
	return due;
}

static void find_end(struct node *node, bool is_told)
{
	struct node **at;
	struct stat st;

	if (!node->wanted || node->told || fstat(node->fd, &st) || st.st_nlink)
		return;
	if (!is_told)
		await_removal(node_of(node->place));
	node->due = behind(&node->key);
	if (node->dying)
		return;
	node->dying = true;
	node->next_dying = NULL;
	for (at = &dying; *at; at = &(*at)->next_dying)
		;
	*at = node;
}

static bool has_record_room(void)
{
	return batch.used + 2 * sizeof(struct fuse_fsnotify_record) <= batch_room();
}

static void tell_ended(void)
{
	struct node **at = &dying, *node;

	while ((node = *at) && (!options.fetch || has_record_room())) {
		if (node->due > consumed) {
			at = &node->next_dying;
			continue;
		}
		*at = node->next_dying;
		node->dying = false;
		node->told = true;
		add((struct fuse_fsnotify_record){
			.flags = FUSE_FSNOTIFY_DEAD,
			.child = node->id,
			.child_generation = generation_of(node->id),
		}, NULL, NULL);
	}
}

void events_drop(struct node *node)
{
	struct node **at;

	node->wanted = 0;
	drop_shadow(node);
	apply_mark(node);
	if (!node->dying)
		return;
	for (at = &dying; *at != node; at = &(*at)->next_dying)
		;
	*at = node->next_dying;
}

/* Where objects are: events on a directory do not tell */

void events_place(struct node *node, uint64_t dir, const char *name)
{
	if (!options.fsnotify)
		return;
	free(node->place_name);
	node->place_name = name ? strdup(name) : NULL;
	node->place = dir;
}

static struct node *look_for_place(int fd, char name[PATH_MAX])
{
	char path[PROC_MAX], target[PATH_MAX];
	struct node *node = NULL;
	const char *slash;
	struct key key;
	ssize_t n;
	int dir;

	node_path(fd, path);
	n = readlink(path, target, sizeof(target) - 1);
	dir = openat(fd, "..", O_PATH | O_CLOEXEC);
	if (dir < 0)
		return NULL;
	if (n > 0) {
		target[n] = '\0';
		slash = strrchr(target, '/');
		strcpy(name, slash ? slash + 1 : target);
		if (!key_of(dir, &key))
			node = node_by_key(&key);
	}
	close(dir);
	return node;
}

/* The directory that a directory is in, and its name there; NULL: it has none. */
static struct node *place_of(struct event *event, struct node *node, char name[PATH_MAX])
{
	struct node *dir = NULL;
	struct place *place;
	struct stat st;
	int fd;

	if (node && node->place_name) {
		strcpy(name, node->place_name);
		return node_of(node->place);
	}
	place = place_slot(&event->object);
	if (!node && place->name && same_key(&place->object, &event->object)) {
		strcpy(name, place->name);
		return node_of(place->dir);
	}
	fd = node ? dup(node->fd) : open_by_handle_at(source, &event->object.handle,
						      O_PATH | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_nlink)
		dir = look_for_place(fd, name);
	close(fd);
	return dir;
}

/* Translation */

static void tell_lost(void)
{
	add((struct fuse_fsnotify_record){ .flags = FUSE_FSNOTIFY_OVERFLOW }, NULL, NULL);
	lost = false;
}

static void distrust(struct node *node)
{
	events_place(node, 0, NULL);
	find_end(node, false);
}

static void fill_child(struct fuse_fsnotify_record *record, const struct node *node)
{
	if (!is_known(node))
		return;
	record->child = node->id;
	record->child_generation = generation_of(node->id);
}

/* Whose a name in the directory is now; false: nobody's. */
static bool look_up(const struct node *dir, const char *name, struct key *key)
{
	int fd = openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool found = fd >= 0 && !key_of(fd, key);

	if (fd >= 0)
		close(fd);
	return found;
}

static bool has_name_now(const struct event *event, const struct node *dir, const char *name)
{
	struct key key;

	return look_up(dir, name, &key) && same_key(&key, &event->object);
}

/* Whether one of the events to come is about this name of the object. */
static bool comes_again(const struct event *event, const char *name)
{
	struct event later;
	size_t at;

	for (at = 0; at < rest_len;) {
		at += parse(rest + at, &later);
		if (later.has_object && same_key(&later.object, &event->object) &&
		    ((later.has_place && !strcmp(later.name, name)) ||
		     (later.has_new_place && !strcmp(later.new_name, name))))
			return true;
	}
	return false;
}

/*
 * fanotify joins an event with an equal one before, whatever came between: of
 * "there and back and there" only "there and back" is left.
 */
static bool is_there_after_all(const struct event *event, const struct node *from,
			       const struct node *to)
{
	return from && to && !comes_again(event, event->name) &&
	       has_name_now(event, from, event->name) &&
	       !has_name_now(event, to, event->new_name);
}

/* dir: NULL: it is where nobody looks */
static void move_place(const struct event *event, struct node *object,
		       const struct node *dir, const char *name)
{
	if (object)
		events_place(object, dir ? dir->id : 0, dir ? name : NULL);
	else if (event->has_object && event->mask & FAN_ONDIR)
		note_place(&event->object, dir ? dir->id : 0, dir ? name : NULL);
}

static void swap_places(struct fuse_fsnotify_record *record)
{
	const struct fuse_fsnotify_record before = *record;

	record->nodeid = before.newdir;
	record->generation = before.newdir_generation;
	record->newdir = before.nodeid;
	record->newdir_generation = before.generation;
}

static void add_rename(struct event *event, struct node *object)
{
	struct node *from = event->has_place ? node_by_key(&event->dir) : NULL;
	struct node *to = event->has_new_place ? node_by_key(&event->new_dir) : NULL;
	struct fuse_fsnotify_record record = {
		.mask = FAN_RENAME | (event->mask & FAN_ONDIR),
	};

	if (event->has_place)
		note_owner(&event->dir, event->name, &event->object, false);
	if (event->has_new_place)
		note_owner(&event->new_dir, event->new_name, &event->object, true);
	move_place(event, object, to, event->new_name);
	if (event->own)
		return;
	if (is_known(from) && from->wanted & MOVES) {
		record.nodeid = from->id;
		record.generation = generation_of(record.nodeid);
	}
	if (is_known(to) && to->wanted & MOVES) {
		record.newdir = to->id;
		record.newdir_generation = generation_of(record.newdir);
	}
	fill_child(&record, object);
	if (!record.nodeid && !record.newdir)
		return;
	add(record, record.nodeid ? event->name : NULL,
	    record.newdir ? event->new_name : NULL);
	if (!is_there_after_all(event, from, to))
		return;
	move_place(event, object, from, event->name);
	note_owner(&event->new_dir, event->new_name, &event->object, false);
	note_owner(&event->dir, event->name, &event->object, true);
	swap_places(&record);
	add(record, record.nodeid ? event->new_name : NULL,
	    record.newdir ? event->name : NULL);
}

/* Events of one object, and of a name that it has in a directory if there is one. */
static void add_events(struct event *event, uint32_t mask, struct node *object,
		       struct node *dir, const char *name, bool unlinked)
{
	struct fuse_fsnotify_record record = {
		.flags = unlinked ? FUSE_FSNOTIFY_UNLINKED : 0,
	};
	uint32_t wanted = 0;

	if (event->own)
		return;
	if (is_known(dir) && dir->wanted) {
		record.nodeid = dir->id;
		record.generation = generation_of(record.nodeid);
		wanted |= dir->wanted & NAME_EVENTS;
		if (dir->wanted & FAN_EVENT_ON_CHILD)
			wanted |= dir->wanted & OBJECT_EVENTS;
	}
	fill_child(&record, object);
	if (record.child)
		wanted |= object->wanted & OBJECT_EVENTS;
	record.mask = mask & wanted;
	if (!record.mask)
		return;
	record.mask |= event->mask & FAN_ONDIR;
	add(record, record.nodeid ? name : NULL, NULL);
}

static void add_move_self(struct event *event, struct node *object)
{
	struct fuse_fsnotify_record record = {
		.mask = FAN_MOVE_SELF | (event->mask & FAN_ONDIR),
	};

	set_shadow(object);
	if (event->own || !is_known(object) || !(object->wanted & FAN_MOVE_SELF))
		return;
	fill_child(&record, object);
	add(record, NULL, NULL);
}

/* fanotify has joined them, and what came last is not known. */
static bool came_back(struct event *event, struct node *dir)
{
	return (event->mask & NAME_EVENTS) == NAME_EVENTS && dir &&
	       !comes_again(event, event->name) && has_name_now(event, dir, event->name);
}

static bool is_about(const struct event *later, const struct event *event)
{
	return later->has_place && same_key(&later->dir, &event->dir) &&
	       !strcmp(later->name, event->name);
}

/*
 * Whether the object has its name, as the first event to come about that tells:
 * 1 or 0; -1: none does.
 */
static int has_name_by(const struct event *event)
{
	struct event later;
	size_t at;

	for (at = 0; at < rest_len;) {
		bool same;

		at += parse(rest + at, &later);
		same = same_key(&later.object, &event->object);
		if (later.has_new_place && same_key(&later.new_dir, &event->dir) &&
		    !strcmp(later.new_name, event->name))
			return !same;
		if (is_about(&later, event) && later.mask & (NAME_EVENTS | FAN_RENAME))
			return same && !(later.mask & FAN_CREATE);
	}
	return -1;
}

/* Events tell whose a name is, or will do so; before any of them, it is looked up. */
static bool has_lost_name(const struct event *event, const struct node *dir)
{
	uint64_t hash = hash_name(&event->dir, event->name);
	struct key owner;
	int has;

	if (event->mask & NAME_EVENTS || !event->has_object || !dir)
		return false;
	if (owners[hash % OWNERS_MAX].name == hash)
		return owners[hash % OWNERS_MAX].object != hash_key(HASH_START, &event->object);
	has = has_name_by(event);
	if (has >= 0)
		return !has;
	if (!look_up(dir, event->name, &owner))
		owner.handle.handle_bytes = 0;
	note_owner(&event->dir, event->name, &owner, owner.handle.handle_bytes);
	return !same_key(&owner, &event->object);
}

static void translate_named(struct event *event, struct node *object)
{
	struct node *dir = node_by_key(&event->dir);
	bool unlinked = has_lost_name(event, dir), back = came_back(event, dir);
	bool is_there = back || !(event->mask & FAN_DELETE);

	if (event->mask & NAME_EVENTS)
		note_owner(&event->dir, event->name, &event->object, is_there);
	if (event->mask & FAN_CREATE)
		move_place(event, object, dir, event->name);
	add_events(event, event->mask, object, dir, event->name, unlinked);
	if (back)
		add_events(event, FAN_CREATE, object, dir, event->name, false);
}

static void translate(struct event *event)
{
	struct node *object = event->has_object ? node_by_key(&event->object) : NULL;
	char name[PATH_MAX];

	if (event->mask & FAN_Q_OVERFLOW) {
		forget_names();
		tell_lost();
		for_each_node(distrust);
		return;
	}
	if (event->mask & FAN_RENAME)
		add_rename(event, object);
	else if (event->has_place)
		translate_named(event, object);
	else if (event->mask & FAN_ONDIR && event->mask & OBJECT_EVENTS)
		add_events(event, event->mask, object, place_of(event, object, name), name, false);
	else
		add_events(event, event->mask, object, NULL, NULL, false);
	if (object && event->mask & FAN_MOVE_SELF)
		add_move_self(event, object);
	if (object && event->mask & (FAN_DELETE | FAN_ATTRIB))
		find_end(object, event->mask & FAN_DELETE);
}

/* Reading */

static bool has_room(void)
{
	return batch.used + EVENT_ROOM <= batch_room();
}

void events_serve(void)
{
	/* The names in it are still there when more is read. */
	static char bytes[EVENT_ROOM] __attribute__((aligned(8)));
	struct event event;
	struct node *node;
	size_t size;

	if (lost)
		tell_lost();
	if (!rest_len && !read_events()) {
		/* Nothing comes before them, however it was counted. */
		for (node = dying; node; node = node->next_dying)
			node->due = consumed;
	}
	while (rest_len && has_room()) {
		size = event_size(rest);
		memcpy(bytes, rest, size);
		rest += size;
		rest_len -= size;
		consumed += size;
		parse(bytes, &event);
		translate(&event);
		tell_ended();
	}
	tell_ended();
	flush();
}

int events_fd(void)
{
	return options.fetch && !parked ? -1 : group;
}

bool events_pending(void)
{
	return events_fd() >= 0 && (rest_len || dying || lost);
}

/* Requests */

static void read_place(const struct node *dir, int folder, const char *name)
{
	int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	struct key key;

	if (fd < 0)
		return;
	if (!key_of(fd, &key) && !node_by_key(&key))
		note_place(&key, dir->id, name);
	close(fd);
}

/* Events on the directories in it are told without their names. */
static void read_places(const struct node *dir)
{
	char path[PROC_MAX];
	struct dirent *entry;
	DIR *folder;

	node_path(dir->fd, path);
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") &&
		    strcmp(entry->d_name, ".."))
			read_place(dir, dirfd(folder), entry->d_name);
	}
	if (folder)
		closedir(folder);
}

static int watch(struct request *req, const struct fuse_fsnotify_in *in)
{
	struct fuse_fsnotify_out *out = (void *)req->out;
	struct node *node = req->node;
	uint32_t before = node->wanted;
	int err;

	if (in->generation != generation_of(node->id))
		return -ESTALE;
	node->wanted = in->mask & WATCHABLE;
	err = apply_mark(node);
	if (!err)
		err = set_shadow(node);
	if (err) {
		node->wanted = before;
		apply_mark(node);
		return err;
	}
	if (node->wanted & FAN_EVENT_ON_CHILD && !(before & FAN_EVENT_ON_CHILD))
		read_places(node);
	/* It may have ended before there was a mark. */
	find_end(node, false);
	*out = (struct fuse_fsnotify_out){ .mask = node->wanted };
	return sizeof(*out);
}

static void end_wait(void)
{
	if (parked)
		send_message(parked, 0, NULL, 0);
	parked = 0;
}

int op_fsnotify(struct request *req)
{
	const struct fuse_fsnotify_in *in = req->arg;

	if (group < 0)
		return -ENOSYS;
	switch (in->op) {
	case FUSE_FSNOTIFY_WATCH:
		return watch(req, in);
	case FUSE_FSNOTIFY_FETCH:
		end_wait();
		parked = req->in->unique;
		parked_room = in->size < BATCH_MAX ? in->size : BATCH_MAX;
		return NO_ANSWER;
	case FUSE_FSNOTIFY_STOP:
		end_wait();
		return 0;
	default:
		return -EINVAL;
	}
}

uint32_t events_init(void)
{
	const unsigned int flags = FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC |
				   FAN_REPORT_DFID_NAME_TARGET;

	self = getpid();
	source = open(options.source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	group = fanotify_init(flags | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS, 0);
	/* Without privileges there are limits, and others have no number. */
	if (group < 0 && errno == EPERM)
		group = fanotify_init(flags, 0);
	return group < 0 ? 0 : WATCHABLE;
}
