# SPDX-License-Identifier: LGPL-3.0-or-later
# The attackers: guest programs that try to get out. Included by the Makefile.

ESCAPE := $(B)/tests/escape
ESCAPE_PROGS := $(patsubst tests/escape/%.c,$(ESCAPE)/%,$(filter-out %/way.c,$(wildcard tests/escape/*.c)))

$(ESCAPE)/%: tests/escape/%.c tests/escape/way.c tests/escape/way.h pal/grant.h pal/monitor.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -Wno-nonnull -Itests/escape -I. -o $@ $(filter %.c,$^)

.PHONY: escape
escape: $(ESCAPE_PROGS)
