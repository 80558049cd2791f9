/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process of another user, who has no privileges, and watches a directory.
 */
#ifndef ANOTHER_H
#define ANOTHER_H

#include <stdbool.h>
#include <sys/types.h>

struct another {
	pid_t	child;
	int	ready, go;	/* heard when it watches; told that it may look */
};

/*
 * Let it watch path for what is created there, and try to watch forbidden.
 * NULL; or why there is no such process: another_saw() tells how it failed.
 */
const char *another_watches(struct another *another, bool fanotify,
			    const char *path, const char *forbidden);

/*
 * It was told of the creation of name, and of nothing else: NULL, or what was
 * wrong. It is gone then.
 */
const char *another_saw(struct another *another, const char *name);

#endif /* ANOTHER_H */
