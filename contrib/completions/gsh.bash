# SPDX-License-Identifier: GPL-3.0-or-later
# Completion of gsh for bash: asks gsh itself what the word may become (shell/complete.c). Needs bash alone; the command
# of "gsh run" is completed as bash would complete it if the package bash-completion is there.
# shellcheck shell=bash
_gsh()
{
	local cur=${COMP_WORDS[COMP_CWORD]} whole='' prefix line glue='' i
	local -a words=()

	# bash takes "--sandbox=x" apart at "=": put it together again.
	for ((i = 1; i <= COMP_CWORD; i++)); do
		line=${COMP_WORDS[i]}
		if [[ ${#words[@]} -gt 0 && ($glue || ($line == '=' && ${words[-1]} == --*)) ]]; then
			words[-1]+=$line
		else
			words+=("$line")
		fi
		[[ $line == '=' ]] && glue=yes || glue=
	done
	[[ $cur == '=' ]] && cur=
	whole=${words[-1]}
	prefix=${whole%"$cur"}
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:dirs) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); compopt -o filenames ;;
		:files) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); compopt -o filenames ;;
		:command\ *)
			if declare -F _command_offset >/dev/null; then
				_command_offset "${line#:command }"
			elif [[ ${line#:command } == "$COMP_CWORD" ]]; then
				mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			fi
			return
			;;
		*)
			line=${line%%$'\t'*}
			COMPREPLY+=("${line#"$prefix"}")
			;;
		esac
	done < <("${COMP_WORDS[0]}" __complete line "${words[@]}" 2>/dev/null)
	[[ ${COMPREPLY[0]-} == *= && ${#COMPREPLY[@]} -eq 1 ]] && compopt -o nospace
	return 0
}
complete -F _gsh gsh
