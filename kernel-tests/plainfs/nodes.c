// SPDX-License-Identifier: GPL-2.0
/*
 * The objects that the kernel knows: found by nodeid, and by file handle, which
 * is how fanotify names them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plainfs.h"

#define BUCKETS		65536
#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID	0x200
#endif

static struct node *by_id[BUCKETS], *by_key[BUCKETS];
static uint64_t last_id;

static struct node **id_bucket(uint64_t id)
{
	return &by_id[id % BUCKETS];
}

static struct node **key_bucket(const struct key *key)
{
	uint32_t hash = 2166136261u;
	unsigned int i;

	for (i = 0; i < key->handle.handle_bytes; i++)
		hash = (hash ^ key->handle.f_handle[i]) * 16777619u;
	return &by_key[hash % BUCKETS];
}

bool same_key(const struct key *a, const struct key *b)
{
	return a->handle.handle_bytes == b->handle.handle_bytes &&
	       a->handle.handle_type == b->handle.handle_type &&
	       !memcmp(a->handle.f_handle, b->handle.f_handle,
		       a->handle.handle_bytes);
}

/* Without file handles nothing can be watched, but all the rest is possible. */
int key_of(int fd, struct key *key)
{
	struct stat st;
	int mount;

	memset(key, 0, sizeof(*key));
	key->handle.handle_bytes = MAX_HANDLE_SZ;
	if (!name_to_handle_at(fd, "", &key->handle, &mount, AT_EMPTY_PATH | AT_HANDLE_FID))
		return 0;
	key->handle.handle_bytes = MAX_HANDLE_SZ;
	if (!name_to_handle_at(fd, "", &key->handle, &mount, AT_EMPTY_PATH))
		return 0;
	if (fstat(fd, &st))
		return -errno;
	key->handle.handle_type = -1;
	key->handle.handle_bytes = sizeof(st.st_ino);
	memcpy(key->handle.f_handle, &st.st_ino, sizeof(st.st_ino));
	return 0;
}

struct node *node_of(uint64_t id)
{
	struct node *node = *id_bucket(id);

	while (node && node->id != id)
		node = node->next_by_id;
	return node;
}

struct node *node_by_key(const struct key *key)
{
	struct node *node = *key_bucket(key);

	while (node && !same_key(&node->key, key))
		node = node->next_by_key;
	return node;
}

static void add(struct node *node)
{
	struct node **ids = id_bucket(node->id), **keys = key_bucket(&node->key);

	node->next_by_id = *ids;
	*ids = node;
	node->next_by_key = *keys;
	*keys = node;
}

static void drop(struct node *node)
{
	struct node **at;

	for (at = id_bucket(node->id); *at != node; at = &(*at)->next_by_id)
		;
	*at = node->next_by_id;
	for (at = key_bucket(&node->key); *at != node; at = &(*at)->next_by_key)
		;
	*at = node->next_by_key;
	close(node->fd);
	free(node->place_name);
	free(node);
}

int node_take(int fd, struct node **found)
{
	struct node *node;
	struct stat st;
	struct key key;
	int err = key_of(fd, &key);

	if (!err && fstat(fd, &st))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	node = node_by_key(&key);
	if (node) {
		close(fd);
	} else {
		node = calloc(1, sizeof(*node));
		if (!node) {
			close(fd);
			return -ENOMEM;
		}
		node->id = ++last_id;
		node->fd = fd;
		node->is_dir = S_ISDIR(st.st_mode);
		node->key = key;
		add(node);
	}
	*found = node;
	return 0;
}

void node_put(struct node *node)
{
	if (node->lookups || node->shadows || node->id == FUSE_ROOT_ID)
		return;
	events_drop(node);
	drop(node);
}

void node_forget(struct node *node, uint64_t count)
{
	node->lookups -= count < node->lookups ? count : node->lookups;
	node_put(node);
}

void for_each_node(void (*visit)(struct node *node))
{
	struct node *node, *next;
	size_t i;

	for (i = 0; i < BUCKETS; i++) {
		for (node = by_id[i]; node; node = next) {
			next = node->next_by_id;
			visit(node);
		}
	}
}

/* By this, system calls that want a path reach what only is a descriptor. */
void node_path(int fd, char path[PROC_MAX])
{
	snprintf(path, PROC_MAX, "/proc/self/fd/%d", fd);
}

/* The first one is the root: its number is FUSE_ROOT_ID. */
int nodes_init(const char *source)
{
	int fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct node *root;

	return fd < 0 ? -errno : node_take(fd, &root);
}
