# SPDX-License-Identifier: LGPL-3.0-or-later
# Fuzz targets: target_NAME.c with the sources that it is about, all built again with sanitisers. Under libFuzzer if
# clang has it, else with gcc and driver.c (FUZZ_CC=gcc asks for that). Included by the Makefile.
#
#   make fuzz [T=NAME] [SECONDS=N]

FUZZ_B := $(B)/fuzz
FUZZ_RT := $(wildcard /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a)
FUZZ_CC ?= $(if $(and $(FUZZ_RT),$(wildcard /usr/bin/clang)),clang,gcc)
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_CFLAGS := -std=gnu11 -g -O1 -fno-omit-frame-pointer -I. -Wall $(FUZZ_SAN) \
	$(if $(filter clang,$(FUZZ_CC)),-fsanitize=fuzzer-no-link -Wno-unknown-warning-option)
FUZZ_HOST := -D_GNU_SOURCE -DGSH_VERSION='"$(VERSION)"' -DGSH_LIBEXEC='"$(LIBEXECDIR)/gsh"' -DGSH_DATADIR='"$(DATADIR)/gsh"'
FUZZ_LINK := $(FUZZ_SAN) $(if $(filter clang,$(FUZZ_CC)),-fsanitize=fuzzer)
FUZZ_MAIN := $(if $(filter clang,$(FUZZ_CC)),,tests/fuzz/driver.c)
FUZZ_LIBS := $(shell $(PKG_CONFIG) --libs json-c libevent libseccomp libarchive 2>/dev/null) -linih -lZydis -lvterm

# The targets of the daemon bring a log of their own.
FUZZ_GSHD := $(filter-out gshd/main.c gshd/log.c,$(GSHD_SRC)) $(GSHCLIENT_SRC) $(KEEP_SRC) $(CONFINE_SRC) $(UNION_SRC) $(CONF_SRC)
FUZZ_SRC_union := $(UNION_SRC)
FUZZ_SRC_frames := gshd/client/frames.c
FUZZ_SRC_conf := $(CONF_SRC)
FUZZ_SRC_limits := $(CONF_SRC)
FUZZ_SRC_clipboard := shell/clipboard.c
FUZZ_SRC_answers := gshd/session/screen_answers.c
FUZZ_SRC_journal := $(TREE_SRC) $(UNION_SRC)
FUZZ_SRC_rewrite := $(filter-out gshd/rewrite/cache.c,$(wildcard gshd/rewrite/*.c))
# Free-standing code wants memcpy hidden, as in a picoprocess; clang's sanitiser has taken its place already.
FUZZ_SRC_coord := libos/coord/wire.c $(if $(FUZZ_MAIN),pal/base/mem.c)
FUZZ_SRC_elf := libos/boot/elf.c libos/boot/elf_map.c libos/boot/script.c $(if $(FUZZ_MAIN),pal/base/mem.c)
FUZZ_SRC_state := libos/ckpt/text.c $(if $(FUZZ_MAIN),pal/base/mem.c)
FUZZ_SRC_screen := $(wildcard gshd/session/screen_*.c) gshd/client/frames.c
FUZZ_SRC_names := $(filter-out gshd/reach/names.c,$(FUZZ_GSHD))
FUZZ_SRC_labels := $(filter-out gshd/session/lines.c,$(FUZZ_GSHD))
FUZZ_SRC_layers := $(TREE_SRC) $(UNION_SRC) gshd/client/delete.c
FUZZ_SRC_unpack := $(addprefix gshd/tree/unpack,.c _oci.c _late.c) $(TREE_SRC) $(UNION_SRC) gshd/client/delete.c
FUZZ_SRC_monitor := $(FUZZ_GSHD)
FUZZ_SRC_varlink := $(FUZZ_GSHD)
FUZZ_TARGETS := $(patsubst tests/fuzz/target_%.c,%,$(wildcard tests/fuzz/target_*.c))

fuzz_obj = $(patsubst %,$(FUZZ_B)/obj/%.o,$(1))

.PHONY: fuzz-targets
fuzz-targets: $(addprefix $(FUZZ_B)/,$(FUZZ_TARGETS))

# Without a libc, as in a picoprocess.
$(FUZZ_B)/obj/pal/base/%.o $(addprefix $(FUZZ_B)/obj/libos/,boot/%.o ckpt/%.o coord/%.o) \
	$(patsubst %,$(FUZZ_B)/obj/tests/fuzz/target_%.c.o,coord elf state): \
	FUZZ_HOST := -ffreestanding
$(FUZZ_B)/obj/%.c.o: %.c tests/fuzz/fuzz.mk
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_HOST) $(HOST_CFLAGS_gshd) $(DEPS) -c -o $@ $<

define fuzz_link
$(FUZZ_B)/$(1): $(call fuzz_obj,tests/fuzz/target_$(1).c $(FUZZ_SRC_$(1)) $(FUZZ_MAIN))
	@mkdir -p $$(@D)
	$$(Q)$$(FUZZ_CC) $$(FUZZ_LINK) -o $$@ $$^ $$(FUZZ_LIBS)
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_link,$(t))))
