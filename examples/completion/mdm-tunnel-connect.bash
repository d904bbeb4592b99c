# SPDX-License-Identifier: Apache-2.0
# bash completion for mdm-tunnel-connect: options from --help, devices that were reached before. Copy it to
# /usr/share/bash-completion/completions/mdm-tunnel-connect, or source it.
_mdm_tunnel_connect() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} state i
    state=${STATE_DIRECTORY:-${XDG_STATE_HOME:-$HOME/.local/state}/mdm-tunnel}
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == --state-dir ]] && state=${COMP_WORDS[i + 1]}
    done
    case $before in
    --settings | --ca-cert | --client-cert | --private-key | --password-file | --ca | --identity | --identity-key | --psk-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --for)
        mapfile -t COMPREPLY < <(compgen -W "10m 1h 1d" -- "$word")
        return
        ;;
    --state-dir | --certs)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*')" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$(sed -n 's/^\([a-z0-9-]*\)@.*/\1/p' "$state/known_devices" 2>/dev/null | sort -u)" \
            -- "$word")
    fi
}
complete -F _mdm_tunnel_connect mdm-tunnel-connect
