/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A driver for fuzz targets where libFuzzer is not installed: random mutations of a corpus, blind
 * to coverage. The sanitisers still see every fault.
 *
 *	TARGET [-max_total_time=SECONDS] [-artifact_prefix=PATH] DIRECTORY|FILE...
 *
 * The input at work lies in PATHlast-input while it runs, so that a crash leaves it there.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"

#define SEEDS_MAX 1024
#define INPUT_MAX 65536

static struct seed {
	uint8_t *bytes;
	size_t size;
} seeds[SEEDS_MAX];
static size_t nseeds;
static uint64_t state;

static uint64_t any(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? (state >> 11) % below : 0;
}

static void load_file(const char *path)
{
	struct seed *s = &seeds[nseeds];
	FILE *f = fopen(path, "re");

	if (!f || nseeds == SEEDS_MAX)
		exit(1);
	s->bytes = malloc(INPUT_MAX);
	s->size = s->bytes ? fread(s->bytes, 1, INPUT_MAX, f) : 0;
	nseeds++;
	fclose(f);
}

static void load(const char *path)
{
	char name[4096];
	struct dirent *e;
	DIR *d = opendir(path);

	if (!d) {
		load_file(path);
		return;
	}
	while ((e = readdir(d))) {
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.' && nseeds < SEEDS_MAX)
			load_file(name);
	}
	closedir(d);
}

/* One of the changes that find faults in parsers. */
static size_t mutate(uint8_t *b, size_t size)
{
	static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xff, ' ', '"', '/', '\n' };
	size_t at = any(size), n = 1 + any(16);
	const struct seed *other = &seeds[any(nseeds)];

	switch (any(7)) {
	case 0:
		if (size)
			b[at] ^= (uint8_t)(1u << any(8));
		return size;
	case 1:
		if (size)
			b[at] = edges[any(sizeof(edges))];
		return size;
	case 2:
		if (size)
			b[at] = (uint8_t)any(256);
		return size;
	case 3: /* cut out */
		n = n < size - at ? n : size - at;
		memmove(b + at, b + at + n, size - at - n);
		return size - n;
	case 4: /* put in */
		if (size + n > INPUT_MAX)
			return size;
		memmove(b + at + n, b + at, size - at);
		memset(b + at, (int)any(256), n);
		return size + n;
	case 5: /* a piece of another */
		n = any(other->size + 1);
		n = n < size - at ? n : size - at;
		memcpy(b + at, other->bytes, n);
		return size;
	default:
		return any(8) ? size : any(size + 1);
	}
}

static void run(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1); /* so that a byte too far is seen */

	if (!exact)
		exit(1);
	memcpy(exact, bytes, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static uint8_t *last_input(const char *prefix, char *path, size_t room)
{
	uint8_t *p;
	int fd;

	snprintf(path, room, "%slast-input", prefix);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, INPUT_MAX))
		exit(1);
	p = mmap(NULL, INPUT_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		exit(1);
	return p;
}

int main(int argc, char **argv)
{
	const char *prefix = "";
	unsigned long done = 0;
	char path[4096];
	uint8_t *b;
	time_t end = 0;

	state = (uint64_t)time(NULL) * 2 + 88172645463325253ull;
	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], "-max_total_time=", 16))
			end = time(NULL) + atol(argv[i] + 16);
		else if (!strncmp(argv[i], "-artifact_prefix=", 17))
			prefix = argv[i] + 17;
		else if (argv[i][0] != '-')
			load(argv[i]);
	b = last_input(prefix, path, sizeof(path));
	for (size_t i = 0; i < nseeds; i++, done++)
		run(seeds[i].bytes, seeds[i].size);
	if (!nseeds)
		seeds[nseeds++] = (struct seed){ (uint8_t *)"", 0 };
	for (; time(NULL) < end; done++) {
		const struct seed *s = &seeds[any(nseeds)];
		size_t size = s->size;

		memcpy(b, s->bytes, size);
		for (uint64_t n = 1 + any(8); n; n--)
			size = mutate(b, size);
		run(b, size);
	}
	unlink(path);
	printf("Done %lu runs\n", done);
	return 0;
}
