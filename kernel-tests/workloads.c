// SPDX-License-Identifier: GPL-2.0
/*
 * The shell scripts of workloads/, as part of the program: whoever serves steps
 * has them, in a guest and on a host, and none is read from a place where
 * somebody could change it.
 */
#include <string.h>

#include "workloads.h"

/* A name, and what is in its file, and so on; an empty name is the end. */
asm(".section .rodata, \"a\"\n"
	".macro workload name\n"
	"	.asciz \"\\name\"\n"
	"	.incbin \"workloads/\\name\\().sh\"\n"
	"	.byte 0\n"
	".endm\n"
	"workload_scripts:\n"
	"	workload archive\n"
	"	workload build\n"
	"	workload chmod_tree\n"
	"	workload chown_tree\n"
	"	workload configmap\n"
	"	workload copy\n"
	"	workload edit\n"
	"	workload git_checkout\n"
	"	workload git_gc\n"
	"	workload git_setup\n"
	"	workload grow\n"
	"	workload link_farm\n"
	"	workload lock_files\n"
	"	workload log_rotate\n"
	"	workload move_staged\n"
	"	workload need\n"
	"	workload package\n"
	"	workload remove_tree\n"
	"	workload sqlite\n"
	"	workload tree\n"
	"	.byte 0\n"
	".previous\n");

const char *workload_script(const char *name)
{
	const char *at = workload_scripts;

	while (*at) {
		const char *script = at + strlen(at) + 1;

		if (!strcmp(at, name))
			return script;
		at = script + strlen(script) + 1;
	}
	return NULL;
}
