# SPDX-License-Identifier: LGPL-3.0-or-later
# Developer's tools. Included by the Makefile, whose B, CC, CFLAGS, HOSTLD and host_obj it uses.

.PHONY: tools
tools: $(B)/tests/pico $(B)/tests/calls $(B)/tests/steps $(B)/tests/deny $(B)/tests/renames $(B)/tests/posix

$(B)/tests/pico: $(call host_obj,tests/tools/pico.c $(wildcard pal/confine/*.c) $(wildcard gshd/rewrite/*.c))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^ $(shell $(PKG_CONFIG) --libs libseccomp) -lZydis

$(B)/tests/calls: $(call host_obj,tests/tools/calls.c)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^

$(B)/tests/steps: $(call host_obj,tests/tools/steps.c)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^

$(B)/tests/renames: $(call host_obj,tests/tools/renames.c)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^

$(B)/tests/posix: $(call host_obj,tests/tools/posix.c)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^

$(B)/tests/deny: $(call host_obj,tests/tools/deny.c)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^
