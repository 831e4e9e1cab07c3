/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Settings files, good and bad; frames, whole and in pieces. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf/conf.h"
#include "gshd/client/frames.h"
#include "tests/unit/gshd_test.h"

static char scratch[] = "/tmp/gsh-conf-XXXXXX", why[1024];

static void put(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* The text as the only file: the error's sentence, or "" */
static const char *read_text(struct conf *c, const char *text)
{
	char path[256];

	put("one", text);
	snprintf(path, sizeof(path), "%s/one", scratch);
	conf_defaults(c);
	why[0] = '\0';
	return conf_read_file(c, path, why, sizeof(why)) ? strrchr(why, '/') + 1 : "";
}

static void case_read(void)
{
	struct conf c;

	CHECK(!*read_text(&c, "# all of it\n[Store]\nPath=/x/y\n; "
			      "more\n[Confine]\nMinimumRung=A\n[Sandbox]\nHostname = ab-c\n"));
	CHECK(!strcmp(c.store_path, "/x/y") && !strcmp(c.minimum_rung, "A") &&
	      !strcmp(c.hostname, "ab-c"));
	CHECK(!*read_text(&c, "") && !strcmp(c.minimum_rung, "B"));
	test_case("conf reads");
	CHECK(!strcmp(read_text(&c, "[Sandbox]\nHostName=x\n"),
		      "one:2: unknown key 'HostName', did you mean 'Hostname'?"));
	CHECK(!strcmp(read_text(&c, "\n\n[Stroe]\nPath=/x\n"),
		      "one:4: unknown section 'Stroe', did you mean 'Store'?"));
	CHECK(!strcmp(read_text(&c, "[Store]\nQuux=1\n"), "one:2: unknown key 'Quux'"));
	CHECK(!strcmp(read_text(&c, "[Confine]\nMinimumRung=C\n"),
		      "one:2: bad value for 'MinimumRung': it must be A or B"));
	CHECK(!strcmp(read_text(&c, "[Store]\nPath=x\n"),
		      "one:2: bad value for 'Path': it must be an absolute path"));
	CHECK(!strcmp(read_text(&c, "[Store]\nnonsense\n"),
		      "one:2: neither a [Section] nor a Key=value"));
	test_case("conf errors have file, line and a suggestion");
}

static void case_dropins(void)
{
	struct conf c;
	char path[256];

	setenv("XDG_CONFIG_HOME", scratch, 1);
	unsetenv("GSH_CONFIG");
	snprintf(path, sizeof(path), "%s/gsh", scratch);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/gsh/gsh.conf.d", scratch);
	mkdir(path, 0700);
	put("gsh/gsh.conf", "[Sandbox]\nHostname=one\n[Store]\nPath=/main\n");
	put("gsh/gsh.conf.d/10-a.conf", "[Sandbox]\nHostname=two\n");
	put("gsh/gsh.conf.d/20-b.conf", "[Sandbox]\nHostname=three\n");
	put("gsh/gsh.conf.d/ignored", "[Rubbish]\n");
	CHECK(!conf_load(&c, why, sizeof(why)) && !strcmp(c.hostname, "three") &&
	      !strcmp(c.store_path, "/main"));
	put("gsh/gsh.conf.d/30-c.conf", "[Rubbish]\nX=1\n");
	CHECK(conf_load(&c, why, sizeof(why)) == -EINVAL && strstr(why, "30-c.conf:2:"));
	put("alone", "[Sandbox]\nHostname=alone\n");
	snprintf(path, sizeof(path), "%s/alone", scratch);
	setenv("GSH_CONFIG", path, 1);
	CHECK(!conf_load(&c, why, sizeof(why)) && !strcmp(c.hostname, "alone") && !c.store_path[0]);
	test_case("conf drop-ins in order; GSH_CONFIG alone");
}

static void case_frames(void)
{
	static struct frame_reader r;
	struct frame_winsize w = { 24, 80, 1, 65535 }, back;
	struct frame f;
	uint8_t data[8], big[4] = { 'd', 0xff, 0xff, 0xff };
	static char bytes[FRAME_MAX];
	uint32_t v;
	int s[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
	frame_put_winsize(data, &w);
	CHECK(!frame_write(s[0], FRAME_WINSIZE, data, 8));
	frame_put_u32(data, 0x81234567);
	CHECK(!frame_write(s[0], FRAME_EXIT, data, 4));
	CHECK(frame_read(&r, s[1], &f) == 1 && f.type == FRAME_WINSIZE &&
	      !frame_get_winsize(&f, &back));
	CHECK(!memcmp(&w, &back, sizeof(w)) && frame_ready(&r));
	CHECK(frame_read(&r, s[1], &f) == 1 && f.type == FRAME_EXIT && !frame_get_u32(&f, &v) &&
	      v == 0x81234567);
	CHECK(frame_get_winsize(&f, &back) == -EPROTO);
	CHECK(frame_read(&r, s[1], &f) == -EAGAIN);
	CHECK(write(s[0], "d\3\0", 3) == 3 && frame_read(&r, s[1], &f) == -EAGAIN);
	CHECK(write(s[0], "\0ab", 3) == 3 && frame_read(&r, s[1], &f) == -EAGAIN);
	CHECK(write(s[0], "c", 1) == 1 && frame_read(&r, s[1], &f) == 1 && f.size == 3 &&
	      !memcmp(f.data, "abc", 3));
	CHECK(!frame_write(s[0], FRAME_DATA, bytes, FRAME_MAX) && frame_read(&r, s[1], &f) == 1 &&
	      f.size == FRAME_MAX);
	CHECK(frame_write(s[0], FRAME_DATA, bytes, FRAME_MAX + 1) == -EMSGSIZE);
	CHECK(write(s[0], big, 4) == 4 && frame_read(&r, s[1], &f) == -EPROTO);
	close(s[0]);
	r.have = r.used = 0;
	CHECK(frame_read(&r, s[1], &f) == 0);
	close(s[1]);
	test_case("frames whole, in pieces, too large");
}

int main(void)
{
	char command[64];

	if (!mkdtemp(scratch))
		return 1;
	case_read();
	case_dropins();
	case_frames();
	snprintf(command, sizeof(command), "rm -rf %s", scratch);
	CHECK(system(command) == 0);
	return test_end();
}
