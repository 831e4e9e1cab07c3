# SPDX-License-Identifier: LGPL-3.0-or-later
# Unit tests: hosted programs, one a file, that print a line per case and end with status 0 or 1. Included by the Makefile.
#
# The freestanding base is linked as it stands in the picoprocess image (objects from build/obj/free), so that the very
# code is tested; base_support.c supplies the few PAL calls it makes.

UNIT := $(B)/tests/unit
UNIT_BASE := $(patsubst tests/unit/base_%.c,$(UNIT)/base_%,$(filter-out %/base_support.c,$(wildcard tests/unit/base_*.c)))
UNIT_BASE_OBJ := $(call free_obj,$(wildcard pal/base/*.c))
check-programs: $(UNIT_BASE)

# mem.c defines memcpy and its kin, which libc has too: the base keeps them to itself, and the test gets them renamed.
$(UNIT)/base.o: $(UNIT_BASE_OBJ)
	@mkdir -p $(@D)
	$(Q)$(LD) -r -o $@ $^
	$(Q)objcopy -w -L 'mem*' -L 'str*' $@
$(UNIT)/mem.o: $(call free_obj,pal/base/mem.c)
	@mkdir -p $(@D)
	$(Q)objcopy --prefix-symbols=base_ $< $@
$(UNIT)/base_support.o: tests/unit/base_support.c tests/unit/base_test.h pal/base/types.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOST) -c -o $@ $<
$(UNIT_BASE): $(UNIT)/base_%: tests/unit/base_%.c tests/unit/base_test.h $(UNIT)/base_support.o $(UNIT)/mem.o $(UNIT)/base.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOST) -no-pie -pthread -o $@ $(filter %.c %.o,$^)

.PHONY: unit-base
unit-base: $(UNIT_BASE)
	$(Q)for t in $(UNIT_BASE); do $$t || exit 1; done
