// SPDX-License-Identifier: GPL-2.0
/*
 * Passes on what a program by hand reads and prints.
 *
 * Input is asked for piece by piece, over the line of the steps, and only when
 * the program has taken the piece before, so that nothing piles up on the line:
 *	asks:	 input\n
 *	answer:	 N\n and N bytes; 0: that was all
 * Output is passed on as far as the host says that it takes it ("take" of
 * agent.c). A line would not hold it back: QEMU drops what nobody reads.
 *
 * Nothing here blocks: the agent polls, and all descriptors know O_NONBLOCK.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "../steps.h"
#include "lines.h"
#include "streams.h"

#define ROUNDS		16	/* before the agent looks at something else */
#define PIECE_MAX	3900	/* bytes of an answer, see steps.h */
#define ASK_MS		5000	/* for the host to take a question */

enum { OUTPUT, ERRORS, OUTPUTS };

/* From the program to the host. */
struct output {
	struct host_line *line;
	int fd;				/* -1: at its end */
	size_t from, left;		/* of buf: not passed on yet */
	unsigned long long given, allowed;
	char buf[65536];
};

static struct output outputs[OUTPUTS] = {
	{ .line = &output_line, .fd = -1 },
	{ .line = &errors_line, .fd = -1 },
};

/* From the host to the program. */
static struct {
	int fd;				/* -1: there is no more, or nobody takes it */
	bool asked;
	size_t have;			/* of buf: of an answer so far */
	size_t from, left;		/* of buf: for the program */
	char buf[STEP_LINE_MAX];
} input = { .fd = -1 };

static int theirs[3] = { -1, -1, -1 };	/* the program's ends, until it has started */
static bool used;
static bool busy;		/* there was more to move */
static struct winsize size;

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Pipes and terminals */

static bool no_waiting(int fd)
{
	return !fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static bool open_output(int which)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return false;
	outputs[which].fd = ends[0];
	theirs[1 + which] = ends[1];
	return no_waiting(ends[0]);
}

static bool open_input(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return false;
	theirs[0] = ends[0];
	input.fd = ends[1];
	return no_waiting(ends[1]);
}

static bool open_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0)
		return false;
	outputs[OUTPUT].fd = master;
	input.fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
	if (input.fd < 0 || !no_waiting(master) || grantpt(master) || unlockpt(master))
		return false;
	theirs[0] = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (theirs[0] < 0)
		return false;
	make_sane(theirs[0]);
	ioctl(master, TIOCSWINSZ, &size);
	theirs[1] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 0);
	return theirs[1] >= 0;
}

static bool open_errors(bool apart)
{
	if (apart)
		return open_output(ERRORS);
	theirs[2] = fcntl(theirs[1], F_DUPFD_CLOEXEC, 0);
	return theirs[2] >= 0;
}

bool streams_open(const struct order *order)
{
	int err;

	streams_close();
	used = true;
	if (order->tty ? open_terminal() : open_input() && open_output(OUTPUT))
		if (open_errors(order->apart))
			return true;
	err = errno;
	streams_close();
	errno = err;
	return false;
}

bool streams_take(bool tty)
{
	int i;

	if (tty && ioctl(theirs[0], TIOCSCTTY, 1))
		return false;
	for (i = 0; i < 3; i++)
		if (dup2(theirs[i], i) < 0)
			return false;
	return true;
}

void streams_started(void)
{
	int i;

	for (i = 0; i < 3; i++)
		close_fd(&theirs[i]);
}

void streams_close(void)
{
	int i;

	streams_started();
	for (i = 0; i < OUTPUTS; i++) {
		close_fd(&outputs[i].fd);
		outputs[i].left = 0;
		outputs[i].given = 0;
		outputs[i].allowed = 0;
	}
	close_fd(&input.fd);
	input.asked = false;
	input.have = 0;
	input.left = 0;
	used = false;
	busy = false;
}

bool streams_used(void)
{
	return used;
}

void streams_resize(unsigned short rows, unsigned short cols)
{
	size.ws_row = rows;
	size.ws_col = cols;
	/* No terminal, no harm: a pipe has no size. */
	if (outputs[OUTPUT].fd >= 0)
		ioctl(outputs[OUTPUT].fd, TIOCSWINSZ, &size);
}

/* From the program to the host */

static bool take_from_program(struct output *output)
{
	ssize_t n;

	if (output->fd < 0 || output->left)
		return false;
	n = read(output->fd, output->buf, sizeof(output->buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* EIO is what the last one who leaves a terminal says. */
	if (n <= 0) {
		close_fd(&output->fd);
		return false;
	}
	output->from = 0;
	output->left = n;
	return true;
}

static size_t may_give(const struct output *output)
{
	unsigned long long room = output->allowed - output->given;

	return room < output->left ? room : output->left;
}

static bool give_to_host(struct output *output)
{
	size_t len = may_give(output);
	ssize_t n;

	if (!len)
		return false;
	n = write(output->line->fd, output->buf + output->from, len);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* Whoever made it a controlling terminal has hung it up. */
		revive_line(output->line);
		n = write(output->line->fd, output->buf + output->from, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			n = len;	/* there is no way to the host */
	}
	if (n <= 0)
		return false;
	output->from += n;
	output->left -= n;
	output->given += n;
	return true;
}

bool streams_ended(void)
{
	return outputs[OUTPUT].fd < 0 && outputs[ERRORS].fd < 0;
}

bool streams_delivered(void)
{
	return streams_ended() && !outputs[OUTPUT].left && !outputs[ERRORS].left;
}

void streams_allow(unsigned long long output, unsigned long long errors)
{
	if (output > outputs[OUTPUT].allowed)
		outputs[OUTPUT].allowed = output;
	if (errors > outputs[ERRORS].allowed)
		outputs[ERRORS].allowed = errors;
}

void streams_given(unsigned long long *output, unsigned long long *errors)
{
	*output = outputs[OUTPUT].given;
	*errors = outputs[ERRORS].given;
}

/* From the host to the program */

/* Whether the program, and whoever has it from there, has closed its input. */
static bool nobody_reads(void)
{
	struct pollfd pfd = { .fd = input.fd };

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLERR | POLLHUP));
}

static bool give_to_program(void)
{
	ssize_t n = write(input.fd, input.buf + input.from, input.left);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		close_fd(&input.fd);
	if (n <= 0)
		return false;
	input.from += n;
	input.left -= n;
	return true;
}

/* The length that an answer begins with; false until that is there. */
static bool answer_begins(size_t *head, unsigned long long *len)
{
	char *newline = memchr(input.buf, '\n', input.have);

	if (!newline)
		return false;
	*newline = '\0';
	if (!step_number(input.buf, 10, PIECE_MAX, len))
		*len = 0;	/* what the host does not know how to say is nothing */
	*newline = '\n';
	*head = newline + 1 - input.buf;
	return true;
}

/* True when the program can be given something. */
static bool take_from_host(void)
{
	ssize_t n = read(steps_line.fd, input.buf + input.have,
			 sizeof(input.buf) - input.have);
	unsigned long long len;
	size_t head;

	if (n <= 0)
		return false;
	input.have += n;
	if (!answer_begins(&head, &len) || input.have < head + len)
		return false;
	input.have = 0;
	input.asked = false;
	input.from = head;
	input.left = len;
	if (!len)
		close_fd(&input.fd);
	return len;
}

static bool move_input(void)
{
	if (input.fd < 0)
		return false;
	if (input.left)
		return give_to_program();
	if (nobody_reads()) {
		close_fd(&input.fd);
		return false;
	}
	if (!input.asked)
		put_line(&steps_line, "input\n", ASK_MS);
	input.asked = true;
	return take_from_host();
}

/* All together */

void streams_move(void)
{
	int i, round;

	busy = true;
	for (round = 0; busy && round < ROUNDS; round++) {
		busy = move_input();
		for (i = 0; i < OUTPUTS; i++) {
			busy |= take_from_program(&outputs[i]);
			busy |= give_to_host(&outputs[i]);
		}
	}
}

bool streams_busy(void)
{
	return busy;
}

size_t streams_wanted(struct pollfd *fds)
{
	size_t count = 0;
	int i;

	for (i = 0; i < OUTPUTS; i++) {
		if (outputs[i].fd >= 0 && !outputs[i].left)
			fds[count++] = (struct pollfd){ outputs[i].fd, POLLIN, 0 };
		else if (may_give(&outputs[i]))
			fds[count++] = (struct pollfd){ outputs[i].line->fd, POLLOUT, 0 };
	}
	if (input.fd < 0)
		return count;
	/* Without data for it, only for the news that nobody reads. */
	fds[count++] = (struct pollfd){ input.fd, input.left ? POLLOUT : 0, 0 };
	if (!input.left)
		fds[count++] = (struct pollfd){ steps_line.fd, POLLIN, 0 };
	return count;
}
