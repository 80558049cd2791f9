/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one program that the agent runs at a time.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>

#include "order.h"

#define HOST_ROOT	"/mnt/host"	/* what the guest's own tmpfs hide */

/* A descriptor that is readable when a child has ended, or -1; once. */
int watch_children(void);

void start_run(struct order *order);
/* The id of the run that has not ended, or 0. */
unsigned long long running(void);
/* Until its limit, in ms; -1: there is none. */
int time_left(void);
/* End it if it is over; signalled: a child has ended. */
void look_after_run(bool signalled);

/* False when something survives SIGKILL: it waits for what never comes. */
bool kill_all(void);

#endif /* PROGRAM_H */
