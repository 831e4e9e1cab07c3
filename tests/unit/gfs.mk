# SPDX-License-Identifier: LGPL-3.0-or-later
# Unit tests of gfs: its view of layers, without a mount; all but its start. Included by the Makefile.

UNIT_GFS := $(B)/tests/unit/gfs_tree
check-programs: $(UNIT_GFS)

$(B)/obj/host/tests/unit/gfs_tree.c.o: HOST += $(HOST_CFLAGS_gfs)
$(UNIT_GFS): $(call host_obj,tests/unit/gfs_tree.c $(filter-out gfs/main.c,$(GFS_SRC)) $(GSHCLIENT_SRC) $(TREE_SRC) $(UNION_SRC) $(CONF_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HOSTLD) -o $@ $^ $(shell $(PKG_CONFIG) --libs fuse3 json-c) -linih

.PHONY: unit-gfs
unit-gfs: $(UNIT_GFS)
	$(Q)for t in $(UNIT_GFS); do $$t || exit 1; done
