/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Intrusive doubly linked list: a head is a node that is not in an object. No locks; the owner's lock guards it. */
#ifndef PAL_BASE_LIST_H
#define PAL_BASE_LIST_H

#include "pal/base/types.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert_between(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

static inline void list_add(struct list *head, struct list *n)
{
	list_insert_between(n, head, head->next);
}

static inline void list_add_tail(struct list *head, struct list *n)
{
	list_insert_between(n, head->prev, head);
}

/* Remove and leave the node self-linked, so that a second removal is harmless. */
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_entry(p, type, member) container_of(p, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_for_each(p, head, member)                                                              \
	for (p = list_entry((head)->next, __typeof__(*p), member); &p->member != (head);            \
	     p = list_entry(p->member.next, __typeof__(*p), member))
#define list_for_each_safe(p, n, head, member)                                                      \
	for (p = list_entry((head)->next, __typeof__(*p), member),                                  \
	    n = list_entry(p->member.next, __typeof__(*p), member);                                 \
	     &p->member != (head); p = n, n = list_entry(n->member.next, __typeof__(*p), member))

#endif
