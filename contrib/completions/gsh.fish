# SPDX-License-Identifier: GPL-3.0-or-later
# Completion of gsh for fish: asks gsh itself what the word may become (shell/complete.c).

function __gsh_complete
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    set -l gsh $words[1]
    set -e words[1]
    for line in (command $gsh __complete line $words "$cur" 2>/dev/null)
        switch $line
            case ':dirs'
                __gsh_names $cur | string match -r '.*/$'
            case ':files'
                __gsh_names $cur
            case ':command *'
                set -l from (string replace ':command ' '' -- $line)
                complete -C (string join ' ' -- (string escape -- $words[$from..-1]) $cur)
            case '*'
                echo $line
        end
    end
end

# Files of the host whose names continue the word, which may be "--option=" and the beginning of one.
function __gsh_names
    set -l option (string match -r '^--[^=]*=' -- $argv[1])
    for name in (complete -C "'' "(string replace -r '^--[^=]*=' '' -- $argv[1]))
        echo "$option"(string split -f 1 \t -- $name)
    end
end

complete -c gsh -f -a '(__gsh_complete)'
