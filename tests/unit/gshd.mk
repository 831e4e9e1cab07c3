# SPDX-License-Identifier: LGPL-3.0-or-later
# Unit tests of confinement, gshd, its monitor and client library, and settings. Included by the Makefile.
#
#   make unit-gshd      build and run them (as root and as an ordinary user they should all pass)

UNIT_GSHD := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/gshd_*.c))
UNIT_PROGS += $(UNIT_GSHD)
UNIT_GSHD_OBJ := $(call host_obj,$(filter-out gshd/main.c,$(GSHD_SRC)) $(KEEP_SRC) $(GSHCLIENT_SRC) $(CONFINE_SRC) $(UNION_SRC) $(CONF_SRC))
HOST_CFLAGS_tests := $(shell $(PKG_CONFIG) --cflags json-c libevent libseccomp 2>/dev/null)

# A leader without a libOS, at an address that is not the image's: the filter takes the page from the file.
$(B)/tests/fake_leader: tests/unit/fake_leader.c pal/grant.h pal/monitor.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -std=gnu11 -D_GNU_SOURCE -I. $(WARN) -static -no-pie -fno-pie -o $@ $<

$(UNIT_GSHD): $(B)/tests/unit/%: $(call host_obj,tests/unit/%.c) $(UNIT_GSHD_OBJ) | $(B)/tests/fake_leader $(B)/bin/gshd
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^ $(shell $(PKG_CONFIG) --libs json-c libevent libseccomp) -linih -lZydis -lvterm

.PHONY: unit-gshd
unit-gshd: $(UNIT_GSHD)
	$(Q)for t in $(UNIT_GSHD); do $$t || exit 1; done
