/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What those who serve steps and those who ask for them need of the wire,
 * beside what steps.h tells everybody.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>

#define HEAD_MAX	32	/* kept of an overlong line: its SEQ is in there */

/* SEQ, DEADLINE_MS and ACTOR come before the VERB. */
#define FIELDS_BEFORE	3

/* The SEQ of a line that may be unreadable otherwise; 0: unreadable. */
unsigned long long read_seq(const char *line);

/* Wait until fd is ready (POLLIN, POLLOUT); 0, or -ETIMEDOUT. */
int wait_ready(int fd, short events, long long until);

/* All of it until then (monotonic ms); 0, or -errno. */
int write_all(int fd, const char *buf, size_t len, long long until);

#endif /* WIRE_H */
