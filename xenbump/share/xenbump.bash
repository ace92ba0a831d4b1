# Made by tools/man.py from the program.
_xenbump_packages() {
    local folder=$PWD
    while [[ ! -f $folder/xenbump.toml && -n $folder ]]; do folder=${folder%/*}; done
    sed -n '/^\[\[package\]\]/,/^\[[^[]/s/^ *name *= *"\([^"]*\)".*/\1/p' "$folder/xenbump.toml" 2>/dev/null
}

_xenbump() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=xenbump options i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} != -* ]] && command=${COMP_WORDS[i]} && break
    done
    case "$command $before" in
        'audit --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'audit --fail-on') mapfile -t COMPREPLY < <(compgen -W 'unpatched' -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'audit --package') mapfile -t COMPREPLY < <(compgen -W "$(_xenbump_packages)" -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'audit --since') return ;;
        'audit --tag') return ;;
        'audit --version') return ;;
        'bisect --config') return ;;
        'bisect --flaky') mapfile -t COMPREPLY < <(compgen -W 'skip good bad' -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'bisect --jobs') return ;;
        'bisect --on') return ;;
        'bisect --patch') return ;;
        'bisect --repeat') return ;;
        'bisect --repo') return ;;
        'bisect --tools') mapfile -t COMPREPLY < <(compgen -W 'auto source image' -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'bisect --xtf') return ;;
        'bump --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'bump --package') mapfile -t COMPREPLY < <(compgen -W "$(_xenbump_packages)" -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'bump --to') return ;;
        'check --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'check --package') mapfile -t COMPREPLY < <(compgen -W "$(_xenbump_packages)" -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'doctor --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'doctor --days') return ;;
        'guest --bundle') return ;;
        'guest --command') return ;;
        'guest --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'guest --expect') return ;;
        'guest --extra') return ;;
        'guest --hypervisor') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'guest --image') return ;;
        'guest --kernel') return ;;
        'guest --memory') return ;;
        'guest --name') return ;;
        'guest --ramdisk') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'guest --seconds') return ;;
        'guest --type') mapfile -t COMPREPLY < <(compgen -W 'pv pvh hvm' -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'guest --vcpus') return ;;
        'guest --vif') return ;;
        'guest --xen') return ;;
        'hash --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'hash --fetcher') mapfile -t COMPREPLY < <(compgen -W 'github fetchgit fetchpatch fetchpatch2 fetchurl' -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'hash --patch') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'image --from') mapfile -t COMPREPLY < <(compgen -W 'debian' -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'image --hypervisor') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'image --xen') return ;;
        'plan --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'plan --package') mapfile -t COMPREPLY < <(compgen -W "$(_xenbump_packages)" -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'plan --to') return ;;
        'pr --backport') return ;;
        'pr --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'pr --package') mapfile -t COMPREPLY < <(compgen -W "$(_xenbump_packages)" -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'pr --to') return ;;
        'report --author') return ;;
        'report --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'report --format') mapfile -t COMPREPLY < <(compgen -W 'html openvex json markdown' -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'report --output') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'report --package') mapfile -t COMPREPLY < <(compgen -W "$(_xenbump_packages)" -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'report --since') return ;;
        'report --version') return ;;
        'run --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'run --package') mapfile -t COMPREPLY < <(compgen -W "$(_xenbump_packages)" -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'try --against') return ;;
        'try --config') return ;;
        'try --jobs') return ;;
        'try --nix') return ;;
        'try --only') return ;;
        'try --patch') return ;;
        'try --repo') return ;;
        'try --tools') mapfile -t COMPREPLY < <(compgen -W 'auto source image' -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'try --xtf') return ;;
        'verify --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'verify --junit') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'verify --markdown') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'verify --only') return ;;
        'verify --package') mapfile -t COMPREPLY < <(compgen -W "$(_xenbump_packages)" -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'watch --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'watch --package') mapfile -t COMPREPLY < <(compgen -W "$(_xenbump_packages)" -- "$word"); compopt -o filenames 2>/dev/null; return ;;
        'xsa --config') mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames 2>/dev/null; return ;;
    esac
    case $command in
        xenbump) options='check plan bump verify pr run watch audit report xsa hash image try bisect guest doctor init explain demo -V --version --install-completion --show-completion -h --help' ;;
        check) options='--config --package --json -v --verbose -q --quiet --no-progress -h --help' ;;
        plan) options='--to --security-only --diff --config --package --json -v --verbose -q --quiet --no-progress -h --help' ;;
        bump) options='--to --security-only --commit --diff --update-script --config --package --json -v --verbose -q --quiet --no-progress -h --help' ;;
        verify) options='--only --junit --markdown --config --package --json -v --verbose -q --quiet --no-progress -h --help' ;;
        pr) options='--to --security-only --again --backport --dry-run --config --package --json -v --verbose -q --quiet --no-progress -h --help' ;;
        run) options='--security-only --again --dry-run --config --package --json -v --verbose -q --quiet --no-progress -h --help' ;;
        watch) options='--check-only --config --package --json -v --verbose -q --quiet --no-progress -h --help' ;;
        audit) options='--version --tag --since --all --markdown --fail-on --config --package --json -v --verbose -q --quiet --no-progress -h --help' ;;
        report) options='--format --output --version --since --author --config --package -v --verbose -q --quiet --no-progress -h --help' ;;
        xsa) options='--config --json -v --verbose -q --quiet --no-progress -h --help' ;;
        hash) options='--fetcher --patch --config --json -v --verbose -q --quiet --no-progress -h --help' ;;
        image) options='--xen --from --hypervisor --device-model -v --verbose -q --quiet --no-progress -h --help' ;;
        try) options='--repo --patch --config --against --only --tools --xtf --nix --jobs --again --keep-logs --report --json -v --verbose -q --quiet --no-progress -h --help' ;;
        bisect) options='--on --repo --patch --config --tools --xtf --jobs --repeat --flaky --again --again-last --log --reset --keep-logs --json -v --verbose -q --quiet --no-progress -h --help' ;;
        guest) options='--bundle --type --kernel --ramdisk --memory --vcpus --vif --extra --disk --command --name --expect --together --seconds --xen --image --hypervisor --config --json -v --verbose -q --quiet --no-progress -h --help' ;;
        doctor) options='--days --config --json -v --verbose -q --quiet --no-progress -h --help' ;;
        init) options='--force -v --verbose -q --quiet --no-progress -h --help' ;;
        explain) options='-h --help' ;;
        demo) options='-v --verbose -q --quiet --no-progress -h --help' ;;
    esac
    if [[ $command != xenbump && $word != -* ]]; then
        options=''
    elif [[ $command = xenbump && $word != -* ]]; then
        options='check plan bump verify pr run watch audit report xsa hash image try bisect guest doctor init explain demo'
    fi
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}

complete -F _xenbump xenbump
