/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Work that real programs do: the shell scripts of workloads/, which every
 * program that serves steps has in it.
 */
#ifndef WORKLOADS_H
#define WORKLOADS_H

/* All of them, as workloads.c has it. */
extern const char workload_scripts[];

/* The script of that name, or NULL. */
const char *workload_script(const char *name);

#endif /* WORKLOADS_H */
