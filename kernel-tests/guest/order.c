// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the fields of the host's requests. What does not fit is told and not
 * acted upon.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <string.h>

#include "../steps.h"
#include "lines.h"
#include "order.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define LIMIT_MAX	86400000

/* One name beneath the mount point, not a path. */
static bool is_name(const char *text)
{
	return *text && !strchr(text, '/') && strcmp(text, ".") &&
	       strcmp(text, "..") && strlen(text) <= NAME_MAX;
}

/* TYPE:SOURCE[:PATH] */
static bool add_mount(struct order *order, char *value)
{
	struct order_mount *mount = &order->mounts[order->nr_mounts];

	if (order->nr_mounts == MOUNTS_MAX)
		return false;
	mount->type = strsep(&value, ":");
	mount->source = strsep(&value, ":");
	mount->point = value ? value : MOUNT_POINT;
	order->nr_mounts++;
	return *mount->type && mount->source && *mount->source &&
	       mount->point[0] == '/';
}

static bool set_options(struct order *order, char *value)
{
	order->mount_options = value;
	return *value;
}

/* A name with dots, and not a path. */
static bool is_sysctl(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && !strstr(name, "..");
}

/* [-]NAME=VALUE */
static bool add_sysctl(struct order *order, char *value)
{
	struct order_sysctl *sysctl = &order->sysctls[order->nr_sysctls];

	if (order->nr_sysctls == SYSCTLS_MAX)
		return false;
	sysctl->optional = *value == '-';
	sysctl->name = value + sysctl->optional;
	sysctl->value = strchr(value, '=');
	if (!sysctl->value)
		return false;
	*sysctl->value++ = '\0';
	order->nr_sysctls++;
	return is_sysctl(sysctl->name);
}

static bool set_server(struct order *order, char *value)
{
	order->server = value;
	return *value == '/';
}

static bool set_dir(struct order *order, char *value)
{
	order->dir = value;
	return is_name(value);
}

static bool set_cwd(struct order *order, char *value)
{
	order->cwd = value;
	return *value;
}

static bool set_id(struct order *order, char *value)
{
	return step_number(value, 10, ULLONG_MAX, &order->id);
}

static bool set_limit(struct order *order, char *value)
{
	return step_number(value, 10, LIMIT_MAX, &order->limit);
}

static bool set_flag(bool *flag, const char *value)
{
	*flag = !strcmp(value, "1");
	return *flag || !strcmp(value, "0");
}

static bool set_tty(struct order *order, char *value)
{
	return set_flag(&order->tty, value);
}

static bool set_pipes(struct order *order, char *value)
{
	return set_flag(&order->pipes, value);
}

static bool set_apart(struct order *order, char *value)
{
	return set_flag(&order->apart, value);
}

static bool add_arg(struct order *order, char *value)
{
	if (order->nr_args == ARGS_MAX)
		return false;
	order->args[order->nr_args++] = value;
	return true;
}

static bool add_env(struct order *order, char *value)
{
	char *equals = strchr(value, '=');

	if (order->nr_env == ARGS_MAX || !equals || equals == value)
		return false;
	order->env[order->nr_env++] = value;
	return true;
}

static const struct {
	const char *name;
	bool (*set)(struct order *order, char *value);
} order_keys[] = {
	{ "id", set_id },
	{ "limit", set_limit },
	{ "mount", add_mount },
	{ "options", set_options },
	{ "sysctl", add_sysctl },
	{ "server", set_server },
	{ "dir", set_dir },
	{ "cwd", set_cwd },
	{ "tty", set_tty },
	{ "pipes", set_pipes },
	{ "apart", set_apart },
	{ "arg", add_arg },
	{ "env", add_env },
};

char *next_field(char **rest, bool *malformed)
{
	char *field = strsep(rest, " ");
	size_t len;

	if (!field)
		return NULL;
	if (!step_unescape(field, &len) || strlen(field) != len) {
		*malformed = true;
		return NULL;
	}
	return field;
}

/* The next field as KEY=VALUE; its value, and its key in *key. */
static char *next_pair(char **rest, char **key, bool *malformed)
{
	char *value;

	*key = next_field(rest, malformed);
	if (!*key)
		return NULL;
	value = strchr(*key, '=');
	if (!value) {
		*malformed = true;
		return NULL;
	}
	*value++ = '\0';
	return value;
}

static bool set_order(struct order *order, const char *key, char *value)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(order_keys); i++)
		if (!strcmp(order_keys[i].name, key))
			return order_keys[i].set(order, value);
	return false;
}

bool is_served(const struct order *order)
{
	return order->nr_mounts && !strcmp(order->mounts[0].type, "fuse");
}

bool read_order(struct order *order, char *rest)
{
	bool malformed = false;
	char *key, *value;

	memset(order, 0, sizeof(*order));
	while ((value = next_pair(&rest, &key, &malformed))) {
		if (set_order(order, key, value))
			continue;
		say_error("run: unusable %s", key);
		return false;
	}
	if (malformed)
		say_error("run: malformed field");
	else if (!order->id || !order->nr_args)
		say_error("run: no id or no arg");
	else if (order->dir && !order->nr_mounts)
		say_error("run: dir without mount");
	else if (order->mount_options && !order->nr_mounts)
		say_error("run: options without mount");
	else if (order->server && !is_served(order))
		say_error("run: server without mount of type fuse");
	else if (!order->server && is_served(order))
		say_error("run: mount of type fuse without server");
	else if (order->tty && order->pipes)
		say_error("run: tty and pipes");
	else if (order->apart && !order->tty && !order->pipes)
		say_error("run: apart without tty or pipes");
	else
		return true;
	return false;
}

bool read_numbers(const char *verb, char *rest, const char *const *names,
		  unsigned long long max, unsigned long long *numbers,
		  size_t count)
{
	bool malformed = false;
	char *key, *value;
	size_t i;

	for (i = 0; i < count; i++) {
		value = next_pair(&rest, &key, &malformed);
		if (value && !strcmp(key, names[i]) &&
		    step_number(value, 10, max, &numbers[i]))
			continue;
		say_error("%s: needs %s=N", verb, names[i]);
		return false;
	}
	if (rest)
		say_error("%s: too many fields", verb);
	return !rest;
}
