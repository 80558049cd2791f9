/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One test, several actors.
 *
 * A test that runs in a guest asks others (the host, the server's keeper, a
 * second guest) to do something to the shared directory, one step at a time,
 * over a serial line. The same steps are carried out in this process (actor
 * "local"), or by a child process (the reference), by the same code.
 *
 * WIRE
 *   request:  SEQ DEADLINE_MS ACTOR VERB [ARG ...]\n
 *   reply:    SEQ ERRNO [VALUE ...]\n
 * Fields are separated by one blank. In every field each byte outside
 * [A-Za-z0-9._/+:=@,-] is written as %XX (upper case hex); an empty field is
 * written as "%". A line is at most STEP_LINE_MAX bytes with its newline; the
 * number of fields is at most STEP_ARGS_MAX. SEQ is decimal, starts at 1 with
 * each steps_open() and grows by one. ERRNO is decimal, 0 for success.
 * Requests that break these rules get ERRNO EBADMSG (SEQ 0 when unreadable),
 * an unknown verb EOPNOTSUPP, an unknown actor ENXIO, a path that would leave
 * the share EXDEV, a line too long EMSGSIZE, one that is not answered within
 * its deadline ETIMEDOUT.
 *
 * Replies stay below 3900 bytes (that is where STEP_READ_MAX comes from): a
 * serial line of User Mode Linux is deaf for good once 3968 bytes wait on it.
 *
 * VERBS of actors "host", "guest2" (paths are relative to the test's folder;
 * symbolic links are never followed; numbers decimal, modes octal)
 *   create PATH MODE             open(O_CREAT|O_EXCL|O_WRONLY), close
 *   write PATH OFFSET DATA       open(O_WRONLY), pwrite, close
 *   append PATH DATA             open(O_WRONLY|O_APPEND), write, close
 *   truncate PATH SIZE           open(O_WRONLY), ftruncate, close
 *   mkdir PATH MODE              rmdir PATH              unlink PATH
 *   rename OLD NEW [FLAG]        FLAG: exchange | noreplace
 *   link OLD NEW                 symlink TARGET PATH (TARGET is free text)
 *   chmod PATH MODE              utimes PATH ATIME_NS MTIME_NS
 *   setxattr PATH NAME VALUE     removexattr PATH NAME
 *   open PATH FLAGS HANDLE       FLAGS: r | w | rw | a | d (directory)
 *                                only regular files and directories: EACCES
 *   read HANDLE LENGTH           -> DATA        pwrite HANDLE OFFSET DATA
 *                                LENGTH: up to STEP_READ_MAX, else EMSGSIZE
 *   close HANDLE                 HANDLE: 0 .. STEP_HANDLES_MAX - 1
 *   stat PATH                    -> NLINK SIZE MODE MTIME_NS INO
 *                                MODE: st_mode, so with the type of the file
 *   fill DIR PREFIX COUNT        COUNT times: create DIR/PREFIX<n>, n from 0
 *   clear DIR PREFIX COUNT       COUNT times: unlink DIR/PREFIX<n>
 *   stamp DIR COUNT GAP_US       COUNT times, GAP_US apart: create DIR/<t>-<u>, t
 *                                being step_ticks() just before, u those after
 *                                the one before that, 16 hex digits each; and
 *                                a last one with 0 for t
 *                                COUNT: up to STEP_COUNT_MAX, else EINVAL
 *   tmpfile DIR HANDLE           open(DIR, O_TMPFILE|O_RDWR)
 *   flink HANDLE NEW             linkat() of what is open: a name for it
 *   fsync HANDLE                 drop: close every handle
 *   script TEXT                  more lines of a script, each VERB [ARG ...]
 *                                with fields as above, and a newline behind it
 *   play DIR                     -> ERRNO[,ERRNO ...]: the lines so far, which
 *                                are forgotten then, one after the other and
 *                                without a pause; their paths are relative to
 *                                DIR; what they return beside that is dropped
 *                                up to STEP_PLAY_MAX lines, else E2BIG
 *   timed DIR                    -> NS ERRNO@US[,ERRNO@US ...]: as play, with the
 *                                monotonic time of the first line's beginning,
 *                                and each line's end, in microseconds from then
 *   run DIR NAME [ARG]           -> STATUS [TEXT] of the shell script NAME of
 *                                workloads/, run in DIR; TEXT: the last line of
 *                                what it complained about. All that it started
 *                                is gone then; ENOENT: there is none such
 *   nop
 * VERBS of actor "server"
 *   pause | continue | kill      SIGSTOP, SIGCONT, SIGKILL of the server
 *   quiet MS                     wait until the server used no CPU for MS
 *   watches MIN MAX MS           -> COUNT of objects that the server watches,
 *                                as soon as it is MIN .. MAX, or after MS;
 *                                MIN where there is no server
 *   count                        -> COUNT of objects that the server watches
 *   rss                          -> KIB of memory that the server has resident
 *   cpu                          -> MS of CPU time that it has used
 *   wakeups                      -> COUNT of times that its threads have slept
 *                                and were woken; all 0 where there is no server
 */
#ifndef STEPS_H
#define STEPS_H

#include <stdbool.h>
#include <stddef.h>

#define STEP_LINE_MAX		4096
#define STEP_ARGS_MAX		8
#define STEP_HANDLES_MAX	8
#define STEP_DEADLINE_MS	10000
#define STEP_SLACK_MS		2000	/* the answer's way back */
#define STEP_READ_MAX		1024
#define STEP_COUNT_MAX		1000000
#define STEP_SCRIPT_MAX		65536
#define STEP_PLAY_MAX		900	/* their answer is one line */

/* Environment of a test program; all unset in a plain kselftest run. */
#define STEPS_ENV_LINE		"FARWATCH_STEPS"	/* a tty path, or "process" */
#define STEPS_ENV_SHARE		"FARWATCH_SHARE"	/* folder to work in */
#define STEPS_ENV_STEP_MS	"FARWATCH_STEP_MS"	/* for STEP_DEADLINE_MS */
#define STEPS_ENV_EVENT_MS	"FARWATCH_EVENT_MS"	/* longest wait for one event */
#define STEPS_ENV_MOUNT		"FARWATCH_MOUNT"	/* mount point of the share */
#define STEPS_ENV_MOUNT_TYPE	"FARWATCH_MOUNT_TYPE"	/* virtiofs, tmpfs, fuse */
#define STEPS_ENV_MOUNT_SOURCE	"FARWATCH_MOUNT_SOURCE"	/* tag, "tmpfs", ... */
#define STEPS_ENV_MOUNT_OPTIONS	"FARWATCH_MOUNT_OPTIONS"	/* or nothing */
/* Where the share is served in this machine (type "fuse"; keeper.h) */
#define STEPS_ENV_MOUNT_SERVER	"FARWATCH_MOUNT_SERVER"	/* program that mounts it */
#define STEPS_ENV_SERVED	"FARWATCH_SERVED"	/* what lies behind the mount */
#define STEPS_ENV_SOURCE	"FARWATCH_SOURCE"	/* and behind the folder */
#define STEPS_ENV_SERVER_PID	"FARWATCH_SERVER_PID"	/* file with its number */

/* Carries out steps below one folder; used by actors and by "local". */
struct step_actor {
	int	root;				/* O_PATH fd of the folder */
	int	handles[STEP_HANDLES_MAX];	/* -1: free */
	bool	plays_server;			/* it keeps the server, if there is one */
	bool	playing;			/* a line of a script */
	long long until;			/* monotonic ms, 0: no deadline */
	char	*script;			/* lines that are to be played */
};

int step_actor_init(struct step_actor *actor, const char *folder);
void step_actor_fini(struct step_actor *actor);

/*
 * One step. argv: VERB and its ARGs, unescaped. values: room for a reply's
 * VALUE fields, escaped and blank separated, "" when there are none.
 * Returns 0 or a positive errno.
 */
int step_execute(struct step_actor *actor, int argc, char *const argv[],
		 char *values, size_t size);

/* Serve requests from fd in until end of file; replies go to fd out. */
int steps_serve(struct step_actor *actor, int in, int out);

/* Escape src (len bytes) into dst; false when it does not fit. */
bool step_escape(char *dst, size_t size, const char *src, size_t len);
/* Undo it in place; false when malformed. The result may hold NUL: *len. */
bool step_unescape(char *field, size_t *len);

/*
 * Bytes in, lines out. Whatever does not fit into buf is dropped up to its
 * newline; the first bytes of such a line are kept, with overlong set.
 */
struct step_lines {
	char	*buf;
	size_t	size, have, taken;
	bool	dropping;
};

/* One read(): the number of bytes, 0 at end of file, or -errno. */
int step_lines_read(struct step_lines *lines, int fd);
/* The next whole line, its newline replaced by NUL; NULL: read some more. */
char *step_lines_next(struct step_lines *lines, size_t *len, bool *overlong);

/* Digits only, at most max; base 8 or 10. */
bool step_number(const char *text, int base, unsigned long long max,
		 unsigned long long *number);
/* CLOCK_MONOTONIC in ms. */
long long step_now(void);
/*
 * The processor's time-stamp counter: the one clock that a process in a User
 * Mode Linux guest and one on its host have in common. 0 where there is none.
 */
unsigned long long step_ticks(void);

/* The asking side. */
struct steps {
	int		in, out;
	int		child;		/* pid of the actor process, or 0 */
	unsigned int	seq;
	struct step_lines lines;
	char		line[STEP_LINE_MAX];
	char		values[STEP_LINE_MAX];	/* of the last reply, escaped */
};

/*
 * Connect to the other actors. 0, or -ENOTCONN when there are none (a plain
 * kselftest run): the test is to be skipped; else another -errno.
 */
int steps_open(struct steps *steps, const char *folder);
void steps_close(struct steps *steps);

/*
 * Ask and wait. Arguments end with NULL. Returns 0, a positive errno of the
 * step itself, or a negative errno when the channel broke: that is never the
 * fault of the kernel under test, and is reported with steps_broken().
 */
int steps_ask(struct steps *steps, const char *actor, const char *verb, ...);

/*
 * Print the line that makes a runner report an infrastructure error and not a
 * failed test: "# farwatch: infrastructure: <text>".
 */
void steps_broken(const char *text);

#endif /* STEPS_H */
