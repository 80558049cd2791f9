/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a verb's path stands for, in the folder of an actor and nowhere else.
 */
#ifndef PATHS_H
#define PATHS_H

#include <stddef.h>

#include "steps.h"

/* An O_PATH descriptor of something beneath the folder, or -errno. */
int open_node(const struct step_actor *actor, const char *path, int flags);

/*
 * The directory that path is in, and its last component, for calls that make
 * or remove a name. Those never follow a link in the last component.
 */
int open_parent(const struct step_actor *actor, const char *path,
		const char **name);

/* Open an existing file for good, or -errno. */
int open_file(const struct step_actor *actor, const char *path, int flags);

/* A path to what an O_PATH descriptor stands for, for calls that take no such. */
void node_link(int fd, char *link, size_t size);

#endif /* PATHS_H */
