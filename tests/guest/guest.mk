# SPDX-License-Identifier: LGPL-3.0-or-later
# The guest programs, each in three builds: dynamic, static with glibc, static with musl. Included by the Makefile.
#
#   make guest            build all into build/tests/guest/{dyn,static,musl}/NAME
#
# A program is tests/guest/NAME.c, with NAME.S beside it if there is one, and tests/guest/lib/t.c. One whose head comment
# says "musl: no" is not built with musl. The optimiser stays low, so that the tests which watch registers and stacks see
# what is written; and tests pass wrong arguments on purpose, so the warnings about those are off.

GUEST := $(B)/tests/guest
MUSLCC ?= $(shell command -v musl-gcc)
GUEST_FLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -fno-strict-aliasing $(WARN) -Itests/guest -U_FORTIFY_SOURCE \
	-Wno-nonnull -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-div-by-zero
GUEST_SRC := $(sort $(wildcard tests/guest/*.c))
GUEST_NAMES := $(patsubst tests/guest/%.c,%,$(GUEST_SRC))
GUEST_NOT_MUSL := $(patsubst tests/guest/%.c,%,$(shell grep -l 'musl: no' $(GUEST_SRC)))
GUEST_MUSL := $(if $(MUSLCC),$(filter-out $(GUEST_NOT_MUSL),$(GUEST_NAMES)))
GUEST_LIB := tests/guest/lib/t.h tests/guest/guest.mk

.PHONY: guest
guest: $(GUEST_NAMES:%=$(GUEST)/dyn/%) $(GUEST_NAMES:%=$(GUEST)/static/%) $(GUEST_MUSL:%=$(GUEST)/musl/%)

guest_cc = @mkdir -p $(@D); $(if $(V),echo $@;) $(1) $(GUEST_FLAGS) -pthread -o $@ $(filter %.c %.S %.o,$^) $(2)

$(GUEST)/dyn/t.o $(GUEST)/static/t.o: tests/guest/lib/t.c $(GUEST_LIB)
	$(call guest_cc,$(CC) -c)
$(GUEST)/musl/t.o: tests/guest/lib/t.c $(GUEST_LIB)
	$(call guest_cc,$(MUSLCC) -c)
$(GUEST)/dyn/%: tests/guest/%.c $(GUEST)/dyn/t.o $(GUEST_LIB)
	$(call guest_cc,$(CC),-lrt)
$(GUEST)/static/%: tests/guest/%.c $(GUEST)/static/t.o $(GUEST_LIB)
	$(call guest_cc,$(CC) -static,-lrt)
$(GUEST)/musl/%: tests/guest/%.c $(GUEST)/musl/t.o $(GUEST_LIB)
	$(call guest_cc,$(MUSLCC) -static)

guest_asm = $(1:tests/guest/%.S=$(GUEST)/dyn/%) $(1:tests/guest/%.S=$(GUEST)/static/%) $(1:tests/guest/%.S=$(GUEST)/musl/%): $(1)
$(foreach s,$(wildcard tests/guest/*.S),$(eval $(call guest_asm,$(s))))

# Everything that tests/run needs beside the programs themselves. UNIT_PROGS is complete only when all is read.
.PHONY: check-programs
check-programs: guest tools escape split
	$(Q)$(MAKE) -s -k --no-print-directory $(UNIT_PROGS)
