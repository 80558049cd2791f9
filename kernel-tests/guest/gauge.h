/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What programs share that look at events with the means of a test, but print
 * what they see instead of judging it. One that cannot go on says why and exits.
 */
#ifndef GAUGE_H
#define GAUGE_H

#include "../act.h"
#include "../events.h"

extern struct act stage;
extern struct events ev;

/* "PROGRAM: WHAT: WHY", and the end of it. */
void fail(const char *what, const char *why);
/* The same, if there is a reason: for what returns NULL when all is well. */
void fine(const char *what, const char *why);
/* The same for a negative errno; else the number. */
int need(const char *what, int value);

/* The other actor, which there has to be, and the folder. */
void open_stage(void);
/* An inotify group, with the folder of the sentinels watched. */
void open_group(void);
void close_both(void);

#endif /* GAUGE_H */
