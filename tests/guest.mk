# SPDX-License-Identifier: LGPL-3.0-or-later
# The guest programs, each in three builds: dynamic, static with glibc, static with musl.
#
#   make -f tests/guest.mk            build all into build/tests/guest/{dyn,static,musl}/NAME
#
# A program is tests/guest/NAME.c, with NAME.S beside it if there is one, and tests/guest/lib/t.c. One whose head comment
# says "musl: no" is not built with musl. The optimiser stays low and the stack protector off, so that the tests which
# watch registers and stacks see what is written.

Q := $(if $(V),,@)
B := build/tests/guest
CC ?= gcc
MUSLCC ?= $(shell command -v musl-gcc)
# Tests pass wrong arguments on purpose.
WRONG := -Wno-nonnull -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-div-by-zero \
	-Wno-address-of-packed-member -U_FORTIFY_SOURCE
FLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -fno-strict-aliasing -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes \
	-Wshadow -Wvla -Wimplicit-fallthrough -Wno-unused-parameter -Werror -Itests/guest $(WRONG)
SRC := $(sort $(wildcard tests/guest/*.c))
NAMES := $(patsubst tests/guest/%.c,%,$(SRC))
NOT_MUSL := $(patsubst tests/guest/%.c,%,$(shell grep -l 'musl: no' $(SRC)))
MUSL_NAMES := $(if $(MUSLCC),$(filter-out $(NOT_MUSL),$(NAMES)))
LIB := tests/guest/lib/t.c

all: $(NAMES:%=$(B)/dyn/%) $(NAMES:%=$(B)/static/%) $(MUSL_NAMES:%=$(B)/musl/%)

.PHONY: all
.SECONDEXPANSION:

$(B)/dyn/t.o $(B)/static/t.o: $(LIB) tests/guest/lib/t.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) -c -o $@ $<
$(B)/musl/t.o: $(LIB) tests/guest/lib/t.h
	@mkdir -p $(@D)
	$(Q)$(MUSLCC) $(FLAGS) -c -o $@ $<

$(B)/dyn/%: tests/guest/%.c $$(wildcard tests/guest/$$*.S) $(B)/dyn/t.o tests/guest/lib/t.h
	$(Q)$(CC) $(FLAGS) -pthread -o $@ $(filter-out %.h,$^) -lutil -lrt
$(B)/static/%: tests/guest/%.c $$(wildcard tests/guest/$$*.S) $(B)/static/t.o tests/guest/lib/t.h
	$(Q)$(CC) $(FLAGS) -pthread -static -o $@ $(filter-out %.h,$^) -lutil -lrt
$(B)/musl/%: tests/guest/%.c $$(wildcard tests/guest/$$*.S) $(B)/musl/t.o tests/guest/lib/t.h
	$(Q)$(MUSLCC) $(FLAGS) -pthread -static -o $@ $(filter-out %.h,$^)
