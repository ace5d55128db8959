# Completion of the command line of lares for bash.

_lares() {
  local word=$2 before=$3 command=${COMP_WORDS[1]-} options=
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W 'serve demo setup setup-code login-code camera export check motion status health backup restore reset-owner version help' -- "$word")
    return
  fi
  case $before in
  --level)
    mapfile -t COMPREPLY < <(compgen -W 'names sizes crc keys audit' -- "$word")
    return
    ;;
  --data | --footage)
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -d -- "$word")
    return
    ;;
  --password-file | --recovery-file | --recovery-out | --totp-out | -o | try)
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
    ;;
  esac
  case $command in
  serve | demo) options='--data --footage --listen --http --name' ;;
  setup) options='--data --owner --password-file --recovery-out --totp-out --without-second-factor' ;;
  setup-code | login-code) options='--data' ;;
  camera)
    if [ "$COMP_CWORD" -eq 2 ]; then
      options='add list remove probe'
    else
      options='--data --sub --user --password-file --udp --inside --audio --no-motion'
    fi
    ;;
  export) options='--data --camera --sub --from --to --as --password-file --totp --recovery-file --footage -o' ;;
  check) options='--data --level --as --password-file --totp --recovery-file --footage --json' ;;
  motion)
    if [ "$COMP_CWORD" -eq 2 ]; then options='try'; else options='--json'; fi
    ;;
  status) options='--data --json' ;;
  health) options='--data' ;;
  backup) options='--data -o' ;;
  restore) options='--data --recovery-file --as --password-file --totp --footage' ;;
  reset-owner) options='--data --yes' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}
complete -F _lares lares
