# SPDX-License-Identifier: LGPL-3.0-or-later
# One word for every task. Sources by wildcard; objects in build/obj; programs in build/bin.
#
#   make            build build/bin/{gsh,gshd,gfs} and build/libexec/gsh/picoprocess
#   make run        install what is missing, build, open gsh; CMD='...' runs one command instead
#   make check      install what the tests need, build, run the quick suites   (T=name: one suite; SAN=1: the hosted
#                   programs with sanitisers, in a tree that is built with SAN=1 alone)
#   make check-long whole third-party packages built and tested inside
#   make bench      beside native and peers, against the budgets   (ROWS='fork*': some rows; RUNGS=AB; bench-quick: 3 minutes)
#   make lint format fuzz install uninstall deb deps clean

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share
BASHCOMPDIR ?= $(DATADIR)/bash-completion/completions
ZSHCOMPDIR ?= $(DATADIR)/zsh/site-functions
FISHCOMPDIR ?= $(DATADIR)/fish/vendor_completions.d
USERUNITDIR ?= $(PREFIX)/lib/systemd/user

CC ?= gcc
PKG_CONFIG ?= pkg-config
VERSION := 0.1.0
B := build
Q := $(if $(V),,@)

WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wvla -Wimplicit-fallthrough \
	-Wno-unused-parameter -Werror
CFLAGS ?= -O2 -g
# For tasks of one word, which build first: as many jobs as processors, unless make was told how many.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
DEPS := -MMD -MP
MAP := -ffile-prefix-map=$(CURDIR)=.

# Inside a picoprocess: no libc, no vector registers, position-independent code linked at one fixed high address.
FREE := -std=gnu11 -ffreestanding -mgeneral-regs-only -fPIE -fvisibility=hidden -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -fcf-protection=none -fno-builtin-printf \
	-fno-plt -mno-red-zone -ffunction-sections -I. $(WARN) $(MAP)
PICO_BASE := 0x780000000000

# Hosted programs.
HOST := -std=gnu11 -D_GNU_SOURCE -DGSH_VERSION='"$(VERSION)"' -DGSH_LIBEXEC='"$(LIBEXECDIR)/gsh"' -DGSH_DATADIR='"$(DATADIR)/gsh"' -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
	-fPIE -I. $(WARN) $(MAP)
HOSTLD := -pie -Wl,-z,relro,-z,now
# The sanitisers' options are built in: the tests' users and the daemon have environments of their own.
ifdef SAN
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined
HOST += $(SAN_FLAGS) -fno-omit-frame-pointer -U_FORTIFY_SOURCE
HOSTLD += $(SAN_FLAGS)
SAN_SRC := tests/tools/san.c
endif

LIBOS_SRC := $(wildcard libos/*/*.c) $(wildcard libos/*/*.S)
PAL_SRC := $(wildcard pal/*.c) $(wildcard pal/*.S) $(wildcard pal/base/*.c)
CONFINE_SRC := $(wildcard pal/confine/*.c)
UNION_SRC := $(wildcard libos/union/*.c)
GSHD_SRC := $(wildcard gshd/*.c) $(foreach d,wire session reach monitor store rewrite,$(wildcard gshd/$(d)/*.c))
GSHCLIENT_SRC := $(wildcard gshd/client/*.c)
IMAGE_SRC := $(wildcard gshd/tree/*pack*.c)
TREE_SRC := $(filter-out $(IMAGE_SRC),$(wildcard gshd/tree/*.c))
# What the daemon needs of it, too.
KEEP_SRC := $(patsubst %,gshd/tree/%.c,attr common sha256 touched tree)
CONF_SRC := $(wildcard conf/*.c)
GFS_SRC := $(wildcard gfs/*.c)
EDIT_SRC := shell/edit.c $(wildcard shell/edit_*.c)
SHELL_SRC := $(filter-out $(EDIT_SRC),$(wildcard shell/*.c))

free_obj = $(patsubst %,$(B)/obj/free/%.o,$(1))
host_obj = $(patsubst %,$(B)/obj/host/%.o,$(1))

PICO := $(B)/libexec/gsh/picoprocess
PROGS := $(B)/bin/gshd $(B)/bin/gsh $(B)/bin/gfs
EDIT := $(B)/libexec/gsh/edit.so
IMAGE := $(B)/libexec/gsh/image.so
# Programs for sandboxes whose user is root.
ASROOT := $(B)/libexec/gsh/root/sudo

PROFILES := $(patsubst conf/profiles/%,$(B)/share/gsh/profiles/%,$(wildcard conf/profiles/*.conf))

.PHONY: all run check check-long check-escape bench bench-quick lint format boundary fuzz deb install install-files uninstall deps clean
all: $(PICO) $(PROGS) $(EDIT) $(IMAGE) $(ASROOT) $(PROFILES) $(B)/man/gsh-verbs.1 $(B)/man/gsh-protocol.7

# Beside the programs as they will be when they are installed.
$(B)/share/gsh/profiles/%.conf: conf/profiles/%.conf
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(B)/obj/free/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(FREE) $(DEPS) -c -o $@ $<
$(B)/obj/free/%.S.o: %.S Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(FREE) $(DEPS) -c -o $@ $<
$(B)/obj/host/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOST) $(HOST_CFLAGS_$(firstword $(subst /, ,$*))) $(DEPS) -c -o $@ $<

PICO_OBJ := $(call free_obj,$(PAL_SRC) $(LIBOS_SRC))
$(PICO): $(PICO_OBJ) pal/picoprocess.lds pal/order.lds
	@mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,-T,pal/picoprocess.lds -Wl,-Map,$(B)/obj/free/map -Wl,--build-id=none -Wl,-z,noexecstack \
		-Wl,--no-dynamic-linker -Wl,--no-relax -Wl,-z,max-page-size=4096 -o $@ $(PICO_OBJ)
	$(Q)contrib/build/check-libos-objects $(call free_obj,$(LIBOS_SRC))

# An object that is loaded.
$(call host_obj,$(EDIT_SRC) $(IMAGE_SRC)): HOST += -fPIC
HOST_CFLAGS_gshd := $(shell $(PKG_CONFIG) --cflags json-c libevent libseccomp 2>/dev/null)
HOST_CFLAGS_pal := $(shell $(PKG_CONFIG) --cflags libseccomp 2>/dev/null)
HOST_CFLAGS_shell := $(shell $(PKG_CONFIG) --cflags json-c readline 2>/dev/null)
HOST_CFLAGS_gfs := $(shell $(PKG_CONFIG) --cflags fuse3 json-c 2>/dev/null)

$(B)/bin/gshd: $(call host_obj,$(GSHD_SRC) $(KEEP_SRC) $(GSHCLIENT_SRC) $(CONFINE_SRC) $(UNION_SRC) $(CONF_SRC) $(SAN_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^ $(shell $(PKG_CONFIG) --libs json-c libevent libseccomp) -linih -lZydis -lvterm
$(B)/bin/gsh: $(call host_obj,$(SHELL_SRC) $(GSHCLIENT_SRC) $(TREE_SRC) $(UNION_SRC) $(CONF_SRC) $(SAN_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -rdynamic -o $@ $^ $(shell $(PKG_CONFIG) --libs json-c) -linih
# The editor of lines is loaded by gsh, whose functions it uses.
$(EDIT): $(call host_obj,$(EDIT_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(filter-out -pie,$(HOSTLD)) -shared -o $@ $^ $(shell $(PKG_CONFIG) --libs readline json-c)
$(ASROOT): contrib/root/sudo
	@mkdir -p $(@D)
	$(Q)install -m 755 $< $@
# So is what reads and writes archives.
$(IMAGE): $(call host_obj,$(IMAGE_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(filter-out -pie,$(HOSTLD)) -shared -o $@ $^ $(shell $(PKG_CONFIG) --libs libarchive libseccomp)
$(B)/bin/gfs: $(call host_obj,$(GFS_SRC) $(GSHCLIENT_SRC) $(TREE_SRC) $(UNION_SRC) $(CONF_SRC) $(SAN_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^ $(shell $(PKG_CONFIG) --libs fuse3 json-c) -linih

# The reference page comes from the entries of the verbs.
$(B)/man/gsh-verbs.1: $(B)/bin/gsh
	@mkdir -p $(@D)
	$(Q)$< __complete man >$@.new && mv $@.new $@

# So does this one, from what is written for who reads the source.
$(B)/man/gsh-protocol.7: contrib/build/protocol-page gshd/PROTOCOL pal/monitor.h
	@mkdir -p $(@D)
	$(Q)$^ >$@.new && mv $@.new $@

deps:
	$(Q)contrib/build/deps
run: override export CMD := $(value CMD)
run: deps
	$(Q)$(MAKE) $(JOBS) --no-print-directory all
	$(Q)contrib/build/run-gsh
check: deps
	$(Q)$(MAKE) $(JOBS) --no-print-directory all
	$(Q)tests/run $(T)
check-long: deps
	$(Q)$(MAKE) $(JOBS) --no-print-directory all
	$(Q)tests/run --long $(T)
check-escape: all
	$(Q)tests/run escape
bench bench-quick: all
	$(Q)tests/bench/run $(if $(filter bench-quick,$@),--quick) $(if $(RUNGS),--rungs $(RUNGS)) $(foreach r,$(ROWS),'$(r)')
lint:
	$(Q)contrib/build/lint
format:
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i
# The manual page of the host calls, from their table.
$(B)/boundary: $(call host_obj,contrib/build/boundary.c)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^
boundary: $(B)/boundary
	$(Q)$(B)/boundary >contrib/man/gsh-boundary.7
fuzz:
	$(Q)tests/fuzz/run '$(T)' '$(SECONDS)'
install: all
	$(Q)$(MAKE) --no-print-directory install-files
# What is built already. The programs find each other, wherever BINDIR and LIBEXECDIR are.
install-files:
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR)/gsh
	install -m 755 $(PROGS) $(DESTDIR)$(BINDIR)
	install -m 755 $(PICO) $(DESTDIR)$(LIBEXECDIR)/gsh
	install -m 644 $(EDIT) $(IMAGE) $(DESTDIR)$(LIBEXECDIR)/gsh
	install -d $(DESTDIR)$(LIBEXECDIR)/gsh/root
	install -m 755 $(ASROOT) $(DESTDIR)$(LIBEXECDIR)/gsh/root
	install -d $(DESTDIR)$(BASHCOMPDIR) $(DESTDIR)$(ZSHCOMPDIR) $(DESTDIR)$(FISHCOMPDIR) $(DESTDIR)$(DATADIR)/gsh/schemas $(DESTDIR)$(DATADIR)/gsh/profiles
	install -m 644 contrib/completions/gsh.bash $(DESTDIR)$(BASHCOMPDIR)/gsh
	install -m 644 contrib/completions/_gsh $(DESTDIR)$(ZSHCOMPDIR)
	install -m 644 contrib/completions/gsh.fish $(DESTDIR)$(FISHCOMPDIR)
	install -m 644 contrib/schemas/*.json $(DESTDIR)$(DATADIR)/gsh/schemas
	install -m 644 conf/profiles/*.conf $(DESTDIR)$(DATADIR)/gsh/profiles
	install -d $(DESTDIR)$(USERUNITDIR)
	install -m 644 contrib/systemd/gshd.socket $(DESTDIR)$(USERUNITDIR)
	sed 's|@BINDIR@|$(BINDIR)|' contrib/systemd/gshd.service.in >$(DESTDIR)$(USERUNITDIR)/gshd.service
	chmod 644 $(DESTDIR)$(USERUNITDIR)/gshd.service
	for m in contrib/man/*.[1-9] $(B)/man/*.[1-9]; do [ -e $$m ] || continue; d=$(DESTDIR)$(MANDIR)/man$${m##*.}; \
		install -d $$d && install -m 644 $$m $$d || exit 1; done
uninstall:
	cd $(DESTDIR)$(BINDIR) && rm -f gsh gshd gfs
	rm -rf $(DESTDIR)$(LIBEXECDIR)/gsh $(DESTDIR)$(DATADIR)/gsh
	rm -f $(DESTDIR)$(USERUNITDIR)/gshd.socket $(DESTDIR)$(USERUNITDIR)/gshd.service
	rm -f $(DESTDIR)$(BASHCOMPDIR)/gsh $(DESTDIR)$(ZSHCOMPDIR)/_gsh $(DESTDIR)$(FISHCOMPDIR)/gsh.fish
	for m in contrib/man/*.[1-9] $(B)/man/*.[1-9]; do rm -f $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/}; done
deb:
	$(Q)contrib/build/deb $(VERSION)
clean:
	rm -rf $(B)

include $(wildcard tests/*/*.mk)
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
