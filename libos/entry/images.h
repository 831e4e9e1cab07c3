/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Patched images that this picoprocess knows (images.c), and their traces in an address space
 * (sites.c).
 *
 * The table of images is global: what is in it is true for whoever shares the memory, but for the
 * descriptors, which a vfork child does not share; it keeps out. It is guarded by mm->lock, for
 * there is one mm in an address space.
 */
#ifndef LIBOS_ENTRY_IMAGES_H
#define LIBOS_ENTRY_IMAGES_H

#include "libos/entry/image.h"

struct buf;
struct cursor;
struct file;
struct mm;

struct known_image {
	struct known_image *next;
	struct image_key key;
	int fd;	  /* of the patched image, kept open; -1: there is nothing to patch */
	u32 uses; /* struct patched that point here */
	struct image_head *head; /* with ranges and blocks; NULL: there is nothing to patch */
	/* Far blocks that were jumped to, here or in a parent: the next program will jump there too. */
	u64 wanted[IMAGE_BLOCKS_MAX / 64];
};

/* The patched image of a file, or NULL: there is none. May ask the monitor, once for each file.
 * Caller holds mm->lock. */
struct known_image *image_lookup(struct file *f);

/*
 * Across exec of a vfork child: those that its parent runs, which the next program will need as well, and whether there is
 * one of the program itself. keep is called by the child, and marks the descriptors to stay open; it passes those on only
 * if the parent sleeps, so that the descriptors that the table names are the child's too.
 */
void images_keep(struct buf *b, struct file *program);
int images_recall(struct cursor *c);

/* Forget, and close, those that no address space uses. Caller holds mm->lock. */
void images_trim(void);

/* An image that was placed in an address space. On mm->patched; guarded by mm->lock. */
struct patched {
	struct patched *next;
	struct known_image *image;
	uintptr_t base;		       /* where the page of its lowest address is */
	bool plain;		       /* the text is the file's again (sites_plain) */
	bool mapped[IMAGE_BLOCKS_MAX]; /* is the block on the host? The others are on demand */
};

#endif
