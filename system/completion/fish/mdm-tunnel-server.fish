# SPDX-License-Identifier: Apache-2.0
# fish completion for mdm-tunnel-server: options from --help, and files.
function __mdm_tunnel_server_options
    set -l words (commandline -opc)
    $words[1] --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*' | sort -u
end

complete -c mdm-tunnel-server -n 'string match -q -- "-*" (commandline -ct)' -a '(__mdm_tunnel_server_options)'
