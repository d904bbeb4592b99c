# SPDX-License-Identifier: Apache-2.0
# fish completion for mdm-tunnel-connect: options from --help, devices that were reached before.
function __mdm_tunnel_connect_devices
    set -l state $STATE_DIRECTORY
    test -n "$state"; or set state (test -n "$XDG_STATE_HOME"; and echo $XDG_STATE_HOME; or echo $HOME/.local/state)/mdm-tunnel
    set -l words (commandline -opc)
    if set -l at (contains -i -- --state-dir $words)
        set state $words[(math $at + 1)]
    end
    sed -n 's/^\([a-z0-9-]*\)@.*/\1/p' $state/known_devices 2>/dev/null | sort -u
end

function __mdm_tunnel_connect_options
    set -l words (commandline -opc)
    $words[1] --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*' | sort -u
end

complete -c mdm-tunnel-connect -f -a '(__mdm_tunnel_connect_devices)'
complete -c mdm-tunnel-connect -f -n 'string match -q -- "-*" (commandline -ct)' -a '(__mdm_tunnel_connect_options)'
for option in settings ca-cert client-cert private-key password-file ca identity identity-key psk-file state-dir certs
    complete -c mdm-tunnel-connect -l $option -r -F
end
complete -c mdm-tunnel-connect -l for -x -a '10m 1h 1d'
