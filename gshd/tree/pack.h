/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A sandbox's tree as a tar, and a tar as an OCI image: an archive that holds an image layout, which `skopeo` knows as
 * oci-archive. What is read is hostile: see tree.h. Functions return 0 or negative errno.
 */
#ifndef GSHD_TREE_PACK_H
#define GSHD_TREE_PACK_H

#include "gshd/tree/copy.h"

enum pack_filter { PACK_PLAIN, PACK_GZIP, PACK_ZSTD };

struct pack {
	const struct copy *c; /* step, lost, stop */
	enum pack_filter filter;
	bool oci;
};

/* Write all of now, or, with base, only in what it differs, with whiteouts as OCI layers have them. Without oci the output
 * may be a pipe. spool: for OCI, an empty file that may be written, for what must be there in whole first; else unused. */
int pack_tree(const struct pack *p, const struct tree *now, const struct tree *base, int out, int spool) tree_must_check;

#endif
