/* SPDX-License-Identifier: Apache-2.0 */
/* A doubly linked list through its members. The head is a node of its own; an unlinked node points to itself. */
#ifndef CASEMATE_BASE_LIST_H
#define CASEMATE_BASE_LIST_H

#include "guest/base/cc.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name) {&(name), &(name)}

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

/* Put n before `at`: at the end when `at` is the head. n must be unlinked. */
static inline void list_add_before(struct list *at, struct list *n)
{
    n->next = at;
    n->prev = at->prev;
    at->prev->next = n;
    at->prev = n;
}
static inline void list_add_tail(struct list *head, struct list *n) { list_add_before(head, n); }
static inline void list_add_head(struct list *head, struct list *n) { list_add_before(head->next, n); }

/* Harmless on an unlinked node. */
static inline void list_del(struct list *n)
{
    n->next->prev = n->prev;
    n->prev->next = n->next;
    list_init(n);
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)
#define LIST_EACH(it, head)            for (struct list *it = (head)->next; it != (head); it = it->next)
/* The body may unlink `it`. */
#define LIST_EACH_SAFE(it, head)                                                                             \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                                \
         it = it##_next, it##_next = it->next)

#endif
