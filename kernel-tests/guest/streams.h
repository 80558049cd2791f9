/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a program by hand reads and prints: the other ends of its pipes, or of
 * its terminal, are the agent's, which passes all of it on to the host and
 * from there.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "order.h"

#define STREAMS_POLLED	4	/* descriptors, at most */

struct pollfd;

/* Make what the order asks for; false with errno set. */
bool streams_open(const struct order *order);
/* In the child: they are its standard descriptors; false with errno set. */
bool streams_take(bool tty);
/* In the agent, after the fork: what is the program's is only the program's. */
void streams_started(void);
void streams_close(void);
/* Whether the program that runs has any. */
bool streams_used(void);

/* Fill in what to poll for; the number of descriptors. */
size_t streams_wanted(struct pollfd *fds);
/* Pass on what can be passed on now. */
void streams_move(void);
/* Whether that was not all: then there is nothing to wait for. */
bool streams_busy(void);

/* Nobody can print any more, and all has been read. */
bool streams_ended(void);
/* The host was given all of it. */
bool streams_delivered(void);

/* How many bytes the host takes, counted from the beginning. */
void streams_allow(unsigned long long output, unsigned long long errors);
/* How many it was given. */
void streams_given(unsigned long long *output, unsigned long long *errors);

/* The size of the terminal, of this program and of those to come. */
void streams_resize(unsigned short rows, unsigned short cols);

#endif /* STREAMS_H */
