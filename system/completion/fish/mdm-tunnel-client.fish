# SPDX-License-Identifier: Apache-2.0
# fish completion for mdm-tunnel-client: options and what they take from --help, commands, folders and files.
function __mdm_tunnel_client
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l help ($words[1] --help 2>/dev/null)
    set -l takes
    set -l given
    for word in $words[2..]
        if test -n "$takes"
            set takes
        else if string match -qr -- '^--?[A-Za-z][A-Za-z-]*$' $word
            # What its argument is called in --help, such as FILE or text|json.
            set takes (string replace -rf -- "^  (?:-., )*(?:--[a-z-]+, )*$word(?:, --?[A-Za-z-]+)*(?: ([^ ]+))?(?: .*)?\$" '$1' $help)
            string match -qr -- '^\[' "$takes"; and set takes
        else
            set -a given $word
        end
    end
    if test -n "$takes"
        string match -r -- '^[a-z0-9].*' (string split '|' $takes)
        string match -q -- '*FILE*' $takes; and __fish_complete_path $current
        test $takes = DIR; and __fish_complete_directories $current ''
    else if string match -q -- '-*' $current
        string match -ra -- '--[a-z][a-z-]*' $help | sort -u
    else
        switch "$given"
            case ''
                string split ' ' 'http tcp file status log-level check doctor fingerprint'
            case file
                __fish_complete_directories $current ''
            case check
                __fish_complete_path $current
            case log-level
                string split ' ' 'none error warning info debug'
        end
    end
    true
end

complete -c mdm-tunnel-client -f -a '(__mdm_tunnel_client)'
