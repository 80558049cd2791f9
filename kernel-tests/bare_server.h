/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE server in this guest that has an empty directory and no features: one
 * of the many that cannot report what others do.
 */
#ifndef BARE_SERVER_H
#define BARE_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct bare_server {
	pid_t	child;
	char	point[32];	/* where its directory is mounted, or "" */
	char	problem[128];
};

/* Whether this process may serve a file system at all. */
bool bare_server_possible(void);
/* NULL, or why there is none. */
const char *bare_server_start(struct bare_server *server);
/* Also if there is none. */
void bare_server_stop(struct bare_server *server);

#endif /* BARE_SERVER_H */
