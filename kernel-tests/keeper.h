/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The server of a share that is served in this very machine (kind "fuse").
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdbool.h>

/*
 * Have source served at point, as the server's own words for a mount are:
 * SERVER SOURCE POINT -o OPTION,... Its number will be in pid_file. 0, or -errno:
 * EPROTO if it started and did not mount anything.
 */
int keeper_mount(const char *server, const char *source, const char *point,
		 const char *options, const char *pid_file);

/* Whether STEPS_ENV_SERVER_PID names one: it may have ended. */
bool keeper_has_server(void);

/* 0 or -errno; ESRCH: it has ended. SIGSTOP: until all of it has stopped. */
int keeper_signal(int signal);

/* As the verbs of the actor "server" (steps.h); 0 when it has ended. */
long keeper_watches(void);
long keeper_rss_kib(void);
long keeper_cpu_ms(void);
/* How often its threads that live have slept. */
long keeper_wakeups(void);

#endif /* KEEPER_H */
