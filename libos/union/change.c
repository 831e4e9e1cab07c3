// SPDX-License-Identifier: LGPL-3.0-or-later
/* Changes of names in a stack of layers: what has to be left or marked, so that what lies below neither shows through
 * nor gets lost. See union.h. */
#include "libos/union/union.h"

enum union_removal union_removal(bool in_top, bool below)
{
	if (!in_top)
		return UNION_HIDE;
	return below ? UNION_TAKE_AND_HIDE : UNION_UNLINK;
}

enum union_move union_move(bool merged, bool over)
{
	if (merged)
		return UNION_MOVE_REDIRECT;
	return over ? UNION_MOVE_OPAQUE : UNION_MOVE_PLAIN;
}
