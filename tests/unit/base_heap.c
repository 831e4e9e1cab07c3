/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The heap against its contract: alignment, no overlap, contents kept; and the mutex under two
 * threads.
 */
#include <pthread.h>
#include <stdlib.h>
#include "tests/unit/base_test.h"
#include "pal/base/heap.h"
#include "pal/base/lock.h"

#define SLOTS 400

static struct {
	u8 *p;
	size_t size;
	u8 fill;
} slot[SLOTS];

static size_t random_size(void)
{
	switch (test_random() % 8) {
	case 0:
		return test_random() % 200000;
	case 1:
		return test_random() % 40000;
	case 2:
		return test_random() % 4096;
	default:
		return test_random() % 300;
	}
}

static bool intact(unsigned i)
{
	for (size_t k = 0; k < slot[i].size; k++)
		if (slot[i].p[k] != slot[i].fill)
			return false;
	return true;
}

static void fill(unsigned i, u8 *p, size_t size)
{
	CHECK(p && (uintptr_t)p % 16 == 0);
	slot[i].p = p;
	slot[i].size = size;
	slot[i].fill = test_random();
	memset(p, slot[i].fill, size);
}

static void test_random_use(void)
{
	for (int n = 0; n < 60000; n++) {
		unsigned i = test_random() % SLOTS;
		size_t size = random_size();

		if (!slot[i].p) {
			fill(i, base_alloc(size), size);
			continue;
		}
		if (n % 5 == 0) {
			size_t keep = MIN(size, slot[i].size);
			u8 *p = base_realloc(slot[i].p, size);

			slot[i].p = p;
			slot[i].size = keep;
			CHECK(p && intact(i));
			fill(i, p, size);
		} else {
			CHECK(intact(i));
			base_free(slot[i].p);
			slot[i].p = NULL;
		}
	}
	for (unsigned i = 0; i < SLOTS; i++) {
		CHECK(!slot[i].p || intact(i));
		base_free(slot[i].p);
		slot[i].p = NULL;
	}
	test_case("heap: random use keeps contents apart");
}

static void test_edges(void)
{
	char *s = base_strdup("hello"), *t = base_strndup("hello", 3);
	u8 *z, *a, *b;

	CHECK(s && !strcmp(s, "hello") && t && !strcmp(t, "hel"));
	base_free(s);
	base_free(t);
	base_free(NULL);
	for (size_t size = 0; size < 40000; size += 1 + size / 7) {
		a = base_alloc(size);
		CHECK(a && (uintptr_t)a % 16 == 0);
		memset(a, 0xee, size);
		base_free(a);
		z = base_zalloc(size);
		for (size_t k = 0; k < size; k++)
			CHECK(!z[k]);
		base_free(z);
	}
	a = base_alloc(100);
	base_free(a);
	b = base_alloc(100);
	CHECK(a == b);
	base_free(b);
	CHECK(!base_alloc(SIZE_MAX) && !base_alloc(SIZE_MAX - 4096));
	test_case("heap: edges, zeroes, reuse");
}

static struct mutex mutex = MUTEX_INIT;
static u64 shared_count;

static void *count_up(void *arg)
{
	for (int i = 0; i < 300000; i++) {
		lock(&mutex);
		shared_count++;
		unlock(&mutex);
	}
	return NULL;
}

static void test_mutex(void)
{
	pthread_t t[3];

	CHECK(trylock(&mutex) && !trylock(&mutex));
	unlock(&mutex);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, count_up, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	CHECK(shared_count == 900000 && mutex.word == 0);
	test_case("lock: three threads count without loss");
}

int main(void)
{
	test_random_use();
	test_edges();
	test_mutex();
	return test_end();
}
