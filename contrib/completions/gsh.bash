# SPDX-License-Identifier: GPL-3.0-or-later
# Completion of gsh for bash: asks gsh itself what the word may become (shell/complete.c). Needs bash alone; the command
# of "gsh run" is completed as bash would complete it if the package bash-completion is there.
# shellcheck shell=bash
_gsh()
{
	local -A options=(
		[-]="-s --sandbox= -x --throwaway -C --chdir= -e --env= -p --publish= -c --command= --version --help"
		[run]="-s --sandbox= -x --throwaway -C --chdir= -e --env= -p --publish= --help"
		[trace]="--coord -o --output= --json -s --sandbox= -x --throwaway -C --chdir= -e --env= --help"
		[attach]="-s --sandbox= --help"
		[ls]="--json --help"
		[ps]="-s --sandbox= --json --help"
		[info]="-s --sandbox= --json --help"
		[status]="-s --sandbox= --json --help"
		[diff]="-s --sandbox= --name-status --stat --exit-code --progress= --json --help"
		[cat]="-s --sandbox= --help"
		[cp]="-s --sandbox= -r --recursive -a --archive --progress= --help"
		[edit]="-s --sandbox= --help"
		[commit]="-s --sandbox= -n --dry-run -i --interactive -y --yes --take= --undo --progress= --json --help"
		[discard]="-s --sandbox= -f --force -n --dry-run --json --help"
		[start]="-s --sandbox= --help"
		[stop]="-s --sandbox= --all --help"
		[kill]="-s --sandbox= -n --signal= --all --help"
		[rm]="-s --sandbox= -f --force --help"
		[path]="-s --sandbox= --base --work --mount --json --help"
		[mount]="--help"
		[umount]="--help"
		[doctor]="--json --help"
		[version]="--json --help"
		[help]="--help"
	)
	local -A values=(
		[-,-s]=sandbox		[-,--sandbox]=sandbox
		[-,-C]=dir		[-,--chdir]=dir
		[-,-e]=none		[-,--env]=none
		[-,-p]=none		[-,--publish]=none
		[-,-c]=none		[-,--command]=none
		[run,-s]=sandbox		[run,--sandbox]=sandbox
		[run,-C]=dir		[run,--chdir]=dir
		[run,-e]=none		[run,--env]=none
		[run,-p]=none		[run,--publish]=none
		[trace,-o]=none		[trace,--output]=none
		[trace,-s]=sandbox		[trace,--sandbox]=sandbox
		[trace,-C]=dir		[trace,--chdir]=dir
		[trace,-e]=none		[trace,--env]=none
		[attach,-s]=sandbox		[attach,--sandbox]=sandbox
		[ps,-s]=sandbox		[ps,--sandbox]=sandbox
		[info,-s]=sandbox		[info,--sandbox]=sandbox
		[status,-s]=sandbox		[status,--sandbox]=sandbox
		[diff,-s]=sandbox		[diff,--sandbox]=sandbox
		[diff,--progress]=none
		[cat,-s]=sandbox		[cat,--sandbox]=sandbox
		[cp,-s]=sandbox		[cp,--sandbox]=sandbox
		[cp,--progress]=none
		[edit,-s]=sandbox		[edit,--sandbox]=sandbox
		[commit,-s]=sandbox		[commit,--sandbox]=sandbox
		[commit,--take]=none
		[commit,--progress]=none
		[discard,-s]=sandbox		[discard,--sandbox]=sandbox
		[start,-s]=sandbox		[start,--sandbox]=sandbox
		[stop,-s]=sandbox		[stop,--sandbox]=sandbox
		[kill,-s]=sandbox		[kill,--sandbox]=sandbox
		[kill,-n]=signal		[kill,--signal]=signal
		[rm,-s]=sandbox		[rm,--sandbox]=sandbox
		[path,-s]=sandbox		[path,--sandbox]=sandbox
	)
	local -A words=(
		[-]=verb
		[run]=command
		[trace]=command
		[attach]=none
		[ls]=none
		[ps]=none
		[info]=sandbox
		[status]=sandbox
		[diff]=none
		[cat]=none
		[cp]=none
		[edit]=none
		[commit]=none
		[discard]=none
		[start]=sandbox
		[stop]=sandbox
		[kill]=none
		[rm]=sandbox
		[path]=sandbox
		[mount]=none
		[umount]=none
		[doctor]=none
		[version]=none
		[help]=verb
	)
	local cur=${COMP_WORDS[COMP_CWORD]} verb=- kind="" i word
	local -a names
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
