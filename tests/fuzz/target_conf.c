/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Settings: any file at all gives values that fit, or one sentence that says what is wrong. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "conf/conf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], why[128] = "", one[CONF_VALUE_MAX];
	struct conf conf;
	int err, fd = memfd_create("conf", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	conf_defaults(&conf);
	err = conf_read_file(&conf, path, why, sizeof(why));
	must(err <= 0 && memchr(why, '\0', sizeof(why)) && !err == !why[0]);
	for (size_t i = 0; i < conf_nkeys; i++) {
		const char *value = (char *)&conf + conf_keys[i].offset;

		must(memchr(value, '\0', conf_keys[i].size));
		if (conf_keys[i].list)
			while (conf_next(&value, one, sizeof(one)))
				must(!conf_keys[i].check(one));
		else
			must(!strcmp(value, conf_keys[i].fallback) || !conf_keys[i].check(value));
	}
	close(fd);
	return 0;
}
