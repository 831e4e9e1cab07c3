# SPDX-License-Identifier: LGPL-3.0-or-later
# shellcheck shell=bash
# The cases of tools/posix-cases in the places where a sandbox's files are, compared with the host's own file system: for
# posix.bats, which takes part of them, and long/posix_all.bats. Load after lib.bash and mounted.bash. POSIX_PART is an
# option of tools/posix.c.

export CASES=$TESTS/tools/posix-cases
KNOWN=$TESTS/tools/posix-known

posix() {
	"$TREE/build/tests/posix" "$1" "${POSIX_PART:--e0/1}" "${@:2}"
}

# What posix is when another program starts it, in the same place.
posix_text() {
	printf '%q ' "$TREE/build/tests/posix" "$@"
}

# What no place has to agree in: the link count of a directory that several layers make up is 1, as overlayfs's is, which
# programs know as "not counted"; reading what is the host's sets no time of access; and through the mount a number is
# another than inside, so that sandboxes differ.
plain() { # FILE [both]
	local same=i number=''
	[ "$2" != both ] || { same='' && number=i; }
	sed -E "s/(d[0-7]{4}) n[0-9]+/\\1/g; s/ moved=a?([mc$same]*)${number:+i?}/ moved=\\1/g" "$1" |
		awk '{
			at = index($0, " BUT THE OTHER SEES ")
			seen = substr($0, 1, at - 1)
			print at && substr(seen, index(seen, " ->") + 3) == substr($0, at + 19) ? seen : $0
		}'
}

# agrees PLACE: $BOX/PLACE.out and native.out, but for what posix-known says of PLACE, one letter.
agrees() {
	local at=$1 known both=
	known=$(sed -n "s/^[a-z]*${at}[a-z]* \([^ ]*\) .*/\1/p" "$KNOWN" | paste -sd '|')
	assert_equal "$(wc -l <"$BOX/$at.out")" "$(wc -l <"$BATS_FILE_TMPDIR/native.out")"
	case $at in x | y) both=both ;; esac
	diff <(plain "$BATS_FILE_TMPDIR/native.out" "$both") <(plain "$BOX/$at.out" "$both") | grep '^[<>]' | grep -vE "^[<>] (${known:-none}):" >"$BOX/diff" || true
	run head -n 20 "$BOX/diff"
	assert_output ''
}
