# SPDX-License-Identifier: LGPL-3.0-or-later
# The PAL under kicks, faults and forks, with the real entry code and a libOS of a few calls. Included
# by the Makefile.

FAULT := $(B)/tests/fault
PAL_TEST_OBJ := $(call free_obj,$(PAL_SRC) libos/entry/entry_x86_64.S libos/entry/user_x86_64.S \
	tests/fault/pal_image.c tests/fault/pal_guest_x86_64.S)

$(FAULT)/pal_image: $(PAL_TEST_OBJ) pal/picoprocess.lds
	@mkdir -p $(@D)
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,-T,pal/picoprocess.lds -Wl,--build-id=none -Wl,-z,noexecstack \
		-Wl,--no-dynamic-linker -Wl,--no-relax -Wl,-z,max-page-size=4096 -o $@ $(PAL_TEST_OBJ)
$(FAULT)/pal_run: $(call host_obj,tests/fault/pal_run.c $(CONFINE_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^ $(shell $(PKG_CONFIG) --libs libseccomp)

$(B)/tests/unit/pal_cases: tests/fault/pal-cases $(FAULT)/pal_image $(FAULT)/pal_run
	@mkdir -p $(@D)
	$(Q)install -m 755 $< $@

.PHONY: fault-pal
fault-pal: $(B)/tests/unit/pal_cases
	$(Q)$(B)/tests/unit/pal_cases $(T)
check-programs: $(B)/tests/unit/pal_cases
