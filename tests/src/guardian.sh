# The guardian: ends what its parent left behind. It reads one order a line from the parent and, when
# the pipe closes (the parent has ended, for whatever reason), kills the process groups and removes the
# folders that are still in its care.
#   watch PID | forget PID   a process group
#   keep DIR | drop DIR      a folder: to be removed at the end, no longer to be removed
trap '' HUP INT TERM
groups=
set --
while IFS= read -r order; do
  argument=${order#* }
  case $order in
  'watch '*) groups="$groups $argument" ;;
  'forget '*)
    rest=
    for group in $groups; do [ "$group" = "$argument" ] || rest="$rest $group"; done
    groups=$rest
    ;;
  'keep '*) set -- "$@" "$argument" ;;
  'drop '*)
    count=$#
    while [ "$count" -gt 0 ]; do
      folder=$1
      shift
      [ "$folder" = "$argument" ] || set -- "$@" "$folder"
      count=$((count - 1))
    done
    ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
for round in 1 2 3 4 5; do
  left=
  for folder in "$@"; do
    rm -rf --one-file-system -- "$folder" || left=yes
  done
  [ -n "$left" ] || break
  sleep 0.2
done
