#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-3.0-or-later
# All cases of posix.bats, which takes part of them.

@test "all cases of the file system's calls" {
	POSIX_PART=-e0/1 BATS_TEST_TIMEOUT='' run bats --tap "$BATS_TEST_DIRNAME/../posix.bats"
	echo "$output"
	[ "$status" = 0 ]
}
