// SPDX-License-Identifier: GPL-2.0
/*
 * The wire: fields, lines and time, for all who serve steps or ask for them.
 *
 * Rules of this file:
 *  - What comes over a line may be anything: it is bounded before it is looked
 *    at.
 *  - Nothing here waits beyond the time that it was given.
 *  - Functions return 0 or a count, or a negative errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "steps.h"
#include "wire.h"

long long step_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

unsigned long long step_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

bool step_number(const char *text, int base, unsigned long long max,
		 unsigned long long *number)
{
	unsigned long long sum = 0;
	const char *p;

	for (p = text; *p; p++) {
		unsigned int digit = (unsigned char)*p - '0';

		if (digit >= (unsigned int)base || digit > max ||
		    sum > (max - digit) / base)
			return false;
		sum = sum * base + digit;
	}
	*number = sum;
	return p != text;
}

/* Escaping */

static bool is_plain(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || (c && strchr("._/+:=@,-", c));
}

bool step_escape(char *dst, size_t size, const char *src, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t used = 0, i;

	if (!size)
		return false;
	dst[0] = '\0';
	if (!len && size > 1)
		dst[used++] = '%';
	else if (!len)
		return false;
	for (i = 0; i < len; i++) {
		unsigned char c = src[i];

		if (size - used <= (is_plain(c) ? 1 : 3))
			return false;
		if (is_plain(c)) {
			dst[used++] = c;
			continue;
		}
		dst[used++] = '%';
		dst[used++] = digits[c >> 4];
		dst[used++] = digits[c & 15];
	}
	dst[used] = '\0';
	return true;
}

/* Upper case only: one byte has one spelling. */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool step_unescape(char *field, size_t *len)
{
	char *in = field, *out = field;

	*len = 0;
	if (!*field)
		return false;
	if (!strcmp(field, "%")) {
		*field = '\0';
		return true;
	}
	while (*in) {
		int high, low;

		if (is_plain(*in)) {
			*out++ = *in++;
			continue;
		}
		if (*in != '%')
			return false;
		high = hex_value(in[1]);
		low = high < 0 ? -1 : hex_value(in[2]);
		if (low < 0)
			return false;
		*out++ = high << 4 | low;
		in += 3;
	}
	*out = '\0';
	*len = out - field;
	return true;
}

/* Lines */

int step_lines_read(struct step_lines *lines, int fd)
{
	ssize_t got;

	/* step_lines_next() has made room; without it this would be no read. */
	if (lines->have == lines->size)
		return -ENOBUFS;
	do {
		got = read(fd, lines->buf + lines->have,
			   lines->size - lines->have);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	lines->have += got;
	return got;
}

/* Move what is left to the front; give up on a line that fills the buffer. */
static void make_room(struct step_lines *lines)
{
	lines->have -= lines->taken;
	memmove(lines->buf, lines->buf + lines->taken, lines->have);
	lines->taken = 0;
	if (lines->have == lines->size)
		lines->dropping = true;
	if (lines->dropping && lines->have > HEAD_MAX)
		lines->have = HEAD_MAX;
}

char *step_lines_next(struct step_lines *lines, size_t *len, bool *overlong)
{
	char *line = lines->buf + lines->taken;
	char *end = memchr(line, '\n', lines->have - lines->taken);

	if (!end) {
		make_room(lines);
		return NULL;
	}
	*end = '\0';
	lines->taken += end + 1 - line;
	*len = end - line;
	*overlong = lines->dropping;
	lines->dropping = false;
	return line;
}

int wait_ready(int fd, short events, long long until)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	long long left;
	int n;

	do {
		left = until - step_now();
		if (left < 0)
			left = 0;
		if (left > INT_MAX)
			left = INT_MAX;
		n = poll(&pfd, 1, left);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

/* A peer that is gone is an error to report, not a signal to die from. */
static ssize_t write_quietly(int fd, const char *buf, size_t len)
{
	ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(fd, buf, len);
	return n;
}

int write_all(int fd, const char *buf, size_t len, long long until)
{
	int err;

	while (len) {
		ssize_t n = write_quietly(fd, buf, len);

		if (n < 0 && errno == EAGAIN) {
			err = wait_ready(fd, POLLOUT, until);
			if (err)
				return err;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= n;
	}
	return 0;
}

unsigned long long read_seq(const char *line)
{
	unsigned long long seq;
	char text[12];
	size_t len = strcspn(line, " ");

	if (len >= sizeof(text))
		return 0;
	memcpy(text, line, len);
	text[len] = '\0';
	return step_number(text, 10, UINT_MAX, &seq) ? seq : 0;
}
