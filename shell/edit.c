// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Readline on the user's terminal, for what reads lines inside. See edit.h.
 *
 * The terminal stays raw; readline writes through us, so that what it switches on is known to the watchdog,
 * and gets its keys from us, so that those which are signals or detach never reach it. The prompt is the last
 * unfinished line of what the program printed; readline draws it once more, over itself.
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "gshd/client/frames.h"
#include "shell/edit.h"

#define PROMPT_MAX 1024

static struct {
	struct tty *tty;
	const struct box *box;
	bool (*detach)(void *arg, unsigned char key);
	void *arg;
	bool active, shell, ran;
	int pid;
	enum edit_event event;
	int signal;
	char *text;
	size_t size;
	unsigned char prompt[PROMPT_MAX + 1]; /* as it was printed */
	size_t prompt_size;
	const unsigned char *keys; /* not yet taken by readline */
	size_t nkeys;
} e;

static const char paste_on[] = "\033[?2004h", paste_off[] = "\033[?2004l";

/* ---- between readline and the terminal ---- */

static void paint(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;

	while (len) {
		size_t n = len < FRAME_MAX ? len : FRAME_MAX;

		if (tty_paint(e.tty, p, n) < 0)
			return; /* it has hung up, which relay.c notices */
		p += n;
		len -= n;
	}
}

/* Nobody but us makes "\r\n" of a newline: the terminal is raw. */
static ssize_t write_out(void *cookie, const char *bytes, size_t len)
{
	size_t done = 0;

	(void)cookie;
	while (done < len) {
		const char *nl = memchr(bytes + done, '\n', len - done);
		size_t n = nl ? (size_t)(nl - bytes) - done : len - done;

		paint(bytes + done, n);
		if (nl)
			paint("\r\n", 2);
		done += n + (nl ? 1 : 0);
	}
	return (ssize_t)len;
}

/* The next key: one that we were given or, in the middle of a sequence, one that is typed now. */
static int next_key(FILE *in)
{
	unsigned char c;
	ssize_t n;

	(void)in;
	if (e.nkeys) {
		e.nkeys--;
		return *e.keys++;
	}
	do
		n = read(e.tty->in, &c, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? c : EOF;
}

static int signal_of(unsigned char key)
{
	const cc_t *cc = e.tty->saved.c_cc;

	if (!(e.tty->saved.c_lflag & ISIG) || key == _POSIX_VDISABLE)
		return 0;
	return key == cc[VINTR] ? SIGINT : key == cc[VQUIT] ? SIGQUIT : key == cc[VSUSP] ? SIGTSTP : 0;
}

/* Readline takes several at once if it may; what is no character for the line is not among them. */
static int key_is_there(void)
{
	return e.nkeys && !signal_of(*e.keys) && *e.keys != DETACH_KEY;
}

/* ---- marks (OSC 133) ---- */

/* By which a terminal finds prompts, lines and outputs again. A shell that edits its lines itself sets its own. */
static const char marked[] = "\001\033]133;B\033\\\002";

static bool marks(void)
{
	return e.shell && context_speaks();
}

static void put_mark(const char *what)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "\033]133;%s\033\\", what);

	if (marks())
		paint(text, (size_t)n);
}

/* ---- the prompt ---- */

/* Where the escape sequence at p ends. */
static size_t sequence(const unsigned char *p, size_t left)
{
	size_t i = 2;

	if (left < 2)
		return left;
	if (p[1] == '[') {
		while (i < left && (p[i] < 0x40 || p[i] > 0x7e))
			i++;
		return i < left ? i + 1 : left;
	}
	if (p[1] != ']' && p[1] != 'P' && p[1] != '_' && p[1] != '^')
		return strchr("()*+#", p[1]) && left > 2 ? 3 : 2;
	while (i < left && p[i] != 7 && !(p[i] == 27 && i + 1 < left && p[i + 1] == '\\'))
		i++;
	return i >= left ? left : p[i] == 7 ? i + 1 : i + 2;
}

/* For readline: colours stand between marks, other sequences have done what they do. */
static void mark_prompt(char *out, size_t room)
{
	size_t i = 0, n, len = 0;

	while (i < e.prompt_size && len + 8 < room) {
		const unsigned char *p = e.prompt + i;

		if (*p == 27) {
			n = sequence(p, e.prompt_size - i);
			if (len + n + 8 >= room)
				break;
			i += n;
			if (p[1] != '[' || p[n - 1] != 'm' || p[2] == '?' || p[2] == '>')
				continue;
			out[len++] = RL_PROMPT_START_IGNORE;
			memcpy(out + len, p, n);
			len += n;
			out[len++] = RL_PROMPT_END_IGNORE;
			continue;
		}
		if (*p == '\r')
			len = 0; /* written over */
		else if (*p == '\b' && len)
			len--;
		else if (*p == '\t')
			out[len++] = ' ';
		else if (*p >= 32)
			out[len++] = (char)*p;
		i++;
	}
	out[len] = '\0';
	if (marks() && len + sizeof(marked) < room)
		strcpy(out + len, marked);
}

static size_t columns(const char *text)
{
	mbstate_t state = {0};
	size_t left = strlen(text), n, width = 0;
	wchar_t c;

	while (left) {
		if (*text == RL_PROMPT_START_IGNORE && memchr(text, RL_PROMPT_END_IGNORE, left)) {
			n = (size_t)(strchr(text, RL_PROMPT_END_IGNORE) + 1 - text);
		} else {
			n = mbrtowc(&c, text, left, &state);
			if (n == 0 || n > left) {
				n = 1;
				state = (mbstate_t){0};
				width++;
			} else {
				int w = wcwidth(c);

				width += w > 0 ? (size_t)w : 0;
			}
		}
		text += n;
		left -= n;
	}
	return width;
}

static void set_prompt(const unsigned char *text, size_t size)
{
	if (size > PROMPT_MAX) {
		text += size - PROMPT_MAX;
		size = PROMPT_MAX;
	}
	memmove(e.prompt, text, size);
	e.prompt_size = size;
}

/* ---- the line ---- */

static void stop(void)
{
	if (e.active) {
		rl_callback_handler_remove();
		fflush(rl_outstream);
		paint(paste_off, sizeof(paste_off) - 1);
	}
	e.active = false;
}

static void keep_text(const char *text, const char *ending)
{
	size_t n = strlen(text), m = strlen(ending);

	free(e.text);
	e.text = malloc(n + m + 1);
	e.size = e.text ? n + m : 0;
	if (!e.text)
		return;
	memcpy(e.text, text, n);
	memcpy(e.text + n, ending, m + 1);
}

static bool continued(void)
{
	return e.prompt_size == 2 && memcmp(e.prompt, "> ", 2) == 0;
}

static void on_line(char *line)
{
	stop();
	if (!line) {
		e.event = EDIT_EOF;
		return;
	}
	put_mark("C");
	e.ran = true;
	keep_text(line, "\n");
	e.event = EDIT_LINE;
	if (*line)
		edit_past_add(line, e.shell, e.shell && continued());
	if (e.shell && edit_is_own(line))
		e.event = EDIT_OWN;
	free(line);
}

/* Readline draws the prompt anew: told that it is there already, it errs where there are colours. */
static void to_prompt(const char *prompt, unsigned int width)
{
	size_t n = columns(prompt), rows = n && width ? (n - 1) / width : 0;
	char text[32];

	snprintf(text, sizeof(text), rows ? "\r\033[%zuA" : "\r", rows);
	paint(text, strlen(text));
}

static void install(bool prompted)
{
	char prompt[2 * PROMPT_MAX];
	uint16_t size[4];

	mark_prompt(prompt, sizeof(prompt));
	tty_size(e.tty, size);
	if (size[0] && size[1])
		rl_set_screen_size(size[0], size[1]);
	if (prompted) {
		to_prompt(prompt, size[1]);
		if (e.ran && !continued())
			put_mark("D");
		put_mark(continued() ? "A;k=s" : "A");
	}
	rl_tty_set_echoing(1); /* it asks the terminal, whose settings are not the ones that it would make */
	e.active = true;
	rl_callback_handler_install(prompt, on_line);
	const char *paste = rl_variable_value("enable-bracketed-paste");
	if (paste && strcmp(paste, "on") == 0)
		paint(paste_on, sizeof(paste_on) - 1);
	fflush(rl_outstream);
}

static void edit_begin(const unsigned char *prompt, size_t size, int pid, bool shell)
{
	e.pid = pid;
	e.shell = shell;
	set_prompt(prompt, size);
	if (!continued())
		edit_past_write();
	install(true);
}

static bool edit_active(void)
{
	return e.active;
}

static const char *edit_text(size_t *size)
{
	*size = e.size;
	return e.text;
}

static int edit_signal(void)
{
	return e.signal;
}

/* The line is dropped where it stands. */
static void drop(void)
{
	rl_point = rl_end;
	rl_redisplay();
	rl_free_line_state();
	rl_callback_sigcleanup();
	rl_replace_line("", 1);
	stop();
}

static void edit_abandon(void);

static enum edit_event edit_keys(const unsigned char *keys, size_t n, size_t *used)
{
	e.event = EDIT_MORE;
	e.keys = keys;
	e.nkeys = n;
	while (e.nkeys && e.event == EDIT_MORE && e.active) {
		unsigned char key = *e.keys;
		/* After ^V, or within a paste, a key is a character. */
		bool plain = RL_ISSTATE(RL_STATE_MOREINPUT) && !RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH);

		if (!plain && e.detach(e.arg, key)) {
			e.nkeys--;
			edit_abandon();
			e.event = EDIT_DETACH;
		} else if (!plain && (e.signal = signal_of(key))) {
			const char shown[2] = {'^', (char)(key ^ 64)};

			e.nkeys--;
			drop();
			paint(shown, sizeof(shown));
			e.event = EDIT_SIGNAL;
		} else {
			rl_callback_read_char();
			fflush(rl_outstream);
		}
		if (e.event == EDIT_OWN) {
			edit_own(e.tty, e.box->name, e.text);
			e.event = EDIT_MORE;
			install(false);
		}
	}
	*used = n - e.nkeys;
	e.nkeys = 0;
	return e.event;
}

/* Off the screen, with the prompt. */
static void clear(void)
{
	rl_clear_visible_line();
	fflush(rl_outstream);
}

static int edit_output(const unsigned char *bytes, size_t len)
{
	const unsigned char *nl = memrchr(bytes, '\n', len);
	char prompt[2 * PROMPT_MAX];
	size_t whole = nl ? (size_t)(nl + 1 - bytes) : 0;

	clear();
	if (nl && e.prompt_size)
		paint(e.prompt, e.prompt_size);
	paint(bytes, whole);
	if (nl && whole < len)
		e.prompt_size = 0; /* what follows is the new one */
	if (whole < len) {
		unsigned char all[PROMPT_MAX + FRAME_MAX];

		memcpy(all, e.prompt, e.prompt_size);
		memcpy(all + e.prompt_size, bytes + whole, len - whole);
		set_prompt(all, e.prompt_size + len - whole);
	}
	mark_prompt(prompt, sizeof(prompt));
	rl_set_prompt(prompt);
	rl_forced_update_display();
	fflush(rl_outstream);
	return 0;
}

static void edit_abandon(void)
{
	if (!e.active)
		return;
	keep_text(rl_line_buffer, "");
	rl_callback_sigcleanup();
	rl_free_line_state(); /* draws */
	clear();
	rl_replace_line("", 1);
	stop();
	paint(e.prompt, e.prompt_size);
}

static void edit_forget(void)
{
	if (e.active)
		rl_callback_handler_remove();
	e.active = false;
}

static void edit_resize(void)
{
	if (e.active) {
		rl_resize_terminal();
		fflush(rl_outstream);
	}
}

/* ---- ^X^E: the line in the user's editor, on the host ---- */

static int run_editor(const char *file)
{
	const char *editor = getenv("VISUAL");
	char *command = NULL;
	int status = -1;
	pid_t pid;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (asprintf(&command, "%s \"$1\"", editor && *editor ? editor : "vi") < 0)
		return -1;
	tty_restore(e.tty);
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execl("/bin/sh", "sh", "-c", command, "sh", file, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	free(command);
	if (tty_raw(e.tty) < 0)
		return -1;
	return status;
}

static char *read_file(const char *name)
{
	FILE *f = fopen(name, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t n = f ? getdelim(&text, &room, '\0', f) : -1;

	if (f)
		fclose(f);
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	if (n >= 0)
		return text;
	free(text);
	return NULL;
}

static int edit_elsewhere(int count, int key)
{
	char name[] = "/tmp/gsh-line.XXXXXX", *text;
	int fd = mkstemp(name);
	size_t n = strlen(rl_line_buffer);

	(void)count, (void)key;
	if (fd < 0)
		return rl_ding();
	if (write(fd, rl_line_buffer, n) != (ssize_t)n || write(fd, "\n", 1) != 1) {
		close(fd);
		unlink(name);
		return rl_ding();
	}
	close(fd);
	clear();
	if (run_editor(name) == 0 && (text = read_file(name))) {
		rl_replace_line(text, 0);
		rl_point = rl_end;
		free(text);
		unlink(name);
		rl_forced_update_display();
		return rl_newline(1, '\n');
	}
	unlink(name);
	rl_forced_update_display();
	return 0;
}

/* ---- once ---- */

static char **complete(const char *word, int start, int end)
{
	rl_attempted_completion_over = 1;
	return edit_complete(e.box, e.pid, rl_line_buffer, word, start, end);
}

static void edit_init(struct tty *t, const struct box *box, bool (*detach)(void *arg, unsigned char key), void *arg)
{
	cookie_io_functions_t out = {.write = write_out};

	e.tty = t;
	e.box = box;
	e.detach = detach;
	e.arg = arg;
	setlocale(LC_CTYPE, ""); /* how wide characters are */
	rl_readline_name = "gsh";
	rl_instream = fdopen(dup(t->in), "r");
	rl_outstream = fopencookie(NULL, "w", out);
	rl_getc_function = next_key;
	rl_input_available_hook = key_is_there;
	rl_prep_term_function = NULL;
	rl_deprep_term_function = NULL;
	rl_catch_signals = rl_catch_sigwinch = 0;
	rl_attempted_completion_function = complete;
	rl_completer_word_break_characters = " \t\n\"'><=;|&(";
	rl_initialize();
	rl_bind_keyseq("\\C-x\\C-e", edit_elsewhere);
	edit_past_open(box->name);
}

static void edit_end(void)
{
	edit_forget();
	edit_past_write();
	edit_complete_end();
}

const struct edit_ops edit_ops = {
	.init = edit_init,
	.begin = edit_begin,
	.active = edit_active,
	.keys = edit_keys,
	.output = edit_output,
	.abandon = edit_abandon,
	.resize = edit_resize,
	.text = edit_text,
	.signal = edit_signal,
	.end = edit_end,
};
