# SPDX-License-Identifier: LGPL-3.0-or-later
# What tests/bench/run measures with. Included by the Makefile.

bench bench-quick check-programs: $(B)/tests/bench/micro

$(B)/tests/bench/micro: $(call host_obj,$(wildcard tests/bench/*.c))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -pthread -o $@ $^
