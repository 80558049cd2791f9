/* SPDX-License-Identifier: GPL-2.0 */
/* Standard input of a program that has no terminal: the host's, piece by piece. */
#ifndef INPUT_H
#define INPUT_H

/*
 * The read end of a pipe that the host fills, over the line that this path
 * names; -1 with errno set. To be called by the program to be, before exec.
 */
int input_open(const char *path);

#endif /* INPUT_H */
