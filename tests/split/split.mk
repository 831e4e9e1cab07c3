# SPDX-License-Identifier: LGPL-3.0-or-later
# Programs that split off, honest and hostile ones. Included by the Makefile.

SPLIT := $(B)/tests/split
SPLIT_PROGS := $(SPLIT)/hostile $(SPLIT)/rules $(SPLIT)/split-run $(SPLIT)/split-server

$(SPLIT)/split-%: contrib/examples/split-%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -o $@ $<
$(SPLIT)/%: tests/split/%.c tests/escape/way.c tests/escape/way.h pal/grant.h pal/monitor.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -Wno-nonnull -I. -Itests/escape -o $@ $(filter %.c,$^)

.PHONY: split
split: $(SPLIT_PROGS)
