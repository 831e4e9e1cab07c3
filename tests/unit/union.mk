# SPDX-License-Identifier: LGPL-3.0-or-later
# The union file system: its rules against a model (union_rules.c), and random work on equal trees, on the host, inside,
# and as the kernel's overlayfs sees the layers afterwards (union_trees).

check-programs: $(B)/tests/unit/union_rules $(B)/tests/unit/union_trees

$(B)/tests/unit/union_rules: tests/unit/union_rules.c $(call host_obj,$(UNION_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOST) -o $@ $^
$(B)/tests/union_ops: tests/unit/union_ops.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -std=gnu11 -D_GNU_SOURCE $(WARN) -static -o $@ $<
$(B)/tests/unit/union_trees: tests/unit/union_trees.sh $(B)/tests/union_ops
	@mkdir -p $(@D)
	$(Q)install -m 755 $< $@
