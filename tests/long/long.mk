# SPDX-License-Identifier: LGPL-3.0-or-later
# Programs of the long suites. Included by the Makefile.

$(B)/tests/long/soak: tests/long/soak.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -pthread -o $@ $<

check-programs: $(B)/tests/long/soak
