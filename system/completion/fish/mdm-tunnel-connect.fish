# SPDX-License-Identifier: Apache-2.0
# fish completion for mdm-tunnel-connect: options and what they take from --help, devices that were reached before.
function __mdm_tunnel_connect
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l help ($words[1] --help 2>/dev/null)
    set -l takes
    set -l state $STATE_DIRECTORY
    test -n "$state"; or set state (test -n "$XDG_STATE_HOME"; and echo $XDG_STATE_HOME; or echo $HOME/.local/state)/mdm-tunnel
    if set -l at (contains -i -- --state-dir $words)
        set state $words[(math $at + 1)]
    end
    for word in $words[2..]
        if test -n "$takes"
            set takes
        else if string match -qr -- '^--?[A-Za-z][A-Za-z-]*$' $word
            # What its argument is called in --help, such as FILE or text|json.
            set takes (string replace -rf -- "^  (?:-., )*(?:--[a-z-]+, )*$word(?:, --?[A-Za-z-]+)*(?: ([^ ]+))?(?: .*)?\$" '$1' $help)
            string match -qr -- '^\[' "$takes"; and set takes
        end
    end
    test "$words[-1]" = --for; and set takes "10m|1h|1d"
    if test -n "$takes"
        string match -r -- '^[a-z0-9].*' (string split '|' $takes)
        string match -q -- '*FILE*' $takes; and __fish_complete_path $current
        test $takes = DIR; and __fish_complete_directories $current ''
    else if string match -q -- '-*' $current
        string match -ra -- '--[a-z][a-z-]*' $help | sort -u
    else
        sed -n 's/^\([a-z0-9-]*\)@.*/\1/p' $state/known_devices 2>/dev/null | sort -u
    end
    true
end

complete -c mdm-tunnel-connect -f -a '(__mdm_tunnel_connect)'
