/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The lines from a guest to its host, and what the agent says on them.
 *
 * Lines are held open all the time: what arrives on a closed one would stay
 * on its way and reach whoever opens it next. A program that made one its
 * controlling terminal took it from us by exiting: hung up.
 */
#ifndef LINES_H
#define LINES_H

#define TEXT_MAX	240
#define DRAIN_MS	2000	/* for the host to take what a program printed */

struct host_line {
	const char *key, *path;
	int fd;
};

extern struct host_line steps_line, control_line, output_line, errors_line;

/* Their paths, as the kernel's command line says. */
void find_lines(void);
void attach_line(struct host_line *line);
/* Attach it again, if a program took it with it. */
void revive_line(struct host_line *line);

void make_raw(int fd);
/* A person's terminal, whatever the run before left behind. */
void make_sane(int fd);

/* Gives up after limit ms: a host that does not read must not stop us. */
void put_line(struct host_line *line, const char *text, int limit);
/* Wait until the host took everything, within reason. */
void drain(int fd);

/* One line on the control line, its newline added; "error TEXT" there. */
void say(const char *format, ...);
void say_error(const char *format, ...);
/* As a field of an answer; it lives until the next call. */
const char *escaped(const char *text);

/* One record in the kernel's log. */
void say_kernel(const char *format, ...);
/* Write to a file of the kernel's, if it can be. */
void put_file(const char *path, const char *text);

#endif /* LINES_H */
