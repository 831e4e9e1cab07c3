/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Rows of micro: each family of operations is one file with one table, which ends with a row
 * without a name. micro.c measures them; HACKING.md says how to add one.
 */
#ifndef TESTS_BENCH_MICRO_H
#define TESTS_BENCH_MICRO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a budget is held against. Processor time is that of the process and the children it has
 * waited for: the truth where nobody else works, and hardly disturbed by a busy machine. Where the
 * work waits for others, only the clock knows.
 */
#define CPU "cpu"
#define WALL "wall"

struct row {
	const char *name;
	double budget;	/* ratio to native; 0: none */
	const char *by; /* CPU or WALL */
	const char *what;
	void (*setup)(void); /* once, before anything is measured; or NULL */
	void (*once)(void);  /* the operation; it ends the program if it fails */
};

extern const struct row calls_rows[], files_rows[], memory_rows[], events_rows[], ipc_rows[],
	process_rows[];

extern char **environ;
extern char scratch[4096]; /* a directory to write in, empty at first and removed at the end */
extern int fds[4];	   /* for setup to leave descriptors in */

/* Operations that time themselves add their nanoseconds here; the time around them does not count
 * then. */
extern uint64_t lapped;

uint64_t now(void);		      /* nanoseconds, monotonic */
void must(bool ok, const char *what); /* or the program ends with errno's text */

/* The path of a file in scratch; valid until the next call but one. */
const char *in_scratch(const char *name);

/* fork(); a child that serves as the other side dies with its parent, however that ends. */
pid_t fork_partner(void);

/* Keep to one processor: two processes that take turns are otherwise measured by how deep the other
 * one sleeps. */
void keep_to_one_cpu(void);

/* Wait for a child, which must end with status 0. */
void reap(pid_t pid);

#endif
