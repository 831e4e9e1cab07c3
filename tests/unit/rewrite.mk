# SPDX-License-Identifier: LGPL-3.0-or-later
# Unit tests of the image rewriter. Included by the Makefile.

UNIT_REWRITE := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/rewrite_*.c))
check-programs: $(UNIT_REWRITE)

$(UNIT_REWRITE): $(B)/tests/unit/%: $(call host_obj,tests/unit/%.c) $(call host_obj,$(wildcard gshd/rewrite/*.c) $(SAN_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^ -lZydis -lseccomp

.PHONY: unit-rewrite
unit-rewrite: $(UNIT_REWRITE)
	$(Q)for t in $(UNIT_REWRITE); do $$t || exit 1; done
