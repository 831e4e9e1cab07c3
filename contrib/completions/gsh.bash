# SPDX-License-Identifier: GPL-3.0-or-later
# Completion of gsh for bash: asks gsh itself what the word may become (shell/complete.c). Needs bash alone; the command
# of "gsh run" is completed as bash would complete it if the package bash-completion is there.
# shellcheck shell=bash
_gsh()
{
	local cur=${COMP_WORDS[COMP_CWORD]} rest=${COMP_LINE:0:COMP_POINT} whole='' prefix line blank i
	local -a words=() names=()

	# bash takes "--sandbox=x" and "box:/etc" apart at "=" and ":": what no blank parts belongs together.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		line=${COMP_WORDS[i]}
		blank=${rest%%[![:blank:]]*}
		rest=${rest#"$blank$line"}
		if [[ $blank || $i -lt 2 ]]; then
			words+=("$line")
		else
			words[-1]+=$line
		fi
	done
	unset 'words[0]'
	words=("${words[@]}")
	[[ $cur == [=:]* ]] && cur=${cur#[=:]}
	whole=${words[-1]}
	prefix=${whole%"$cur"}
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:dirs) mapfile -t names < <(compgen -d -- "$cur") ;;
		:files) mapfile -t names < <(compgen -f -- "$cur") ;;
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
			printf -v line %q "${line#"$prefix"}"
			COMPREPLY+=("$line")
			;;
		esac
	done < <("${COMP_WORDS[0]}" __complete line "${words[@]}" 2>/dev/null)
	# Names of the host bash itself knows how to show, if there is nothing else.
	if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
		COMPREPLY=("${names[@]}")
		compopt -o filenames
		return
	fi
	for line in "${names[@]}"; do
		printf -v line %q "$line"
		COMPREPLY+=("$line")
	done
	[[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:/] ]] && compopt -o nospace
	return 0
}
complete -F _gsh gsh
