# SPDX-License-Identifier: LGPL-3.0-or-later
# Faults of the host for hosted programs. Included by the Makefile.

$(B)/tests/fault/host.so: tests/fault/host.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -fPIC -shared -o $@ $< -ldl

check-programs: $(B)/tests/fault/host.so
